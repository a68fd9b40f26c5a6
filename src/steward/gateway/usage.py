"""How many tokens of each kind an exchange used: the upstream's count where it can be believed, an estimate elsewhere.

An upstream's usage is looked at number by number, since some report zeros, one half of it, or numbers that no request
can have used; what is not believed is estimated, and the row says so. Spellings: OpenAI's `usage` with its details,
DeepSeek's `prompt_cache_hit_tokens`; Anthropic's and Responses' counts arrive here in OpenAI's terms.
"""

from __future__ import annotations

from typing import Any, Final

from steward.gateway.exchange import Exchange
from steward.gateway.pricing.prices import Counts, MeasuredUsage
from steward.gateway.wire import MAX_OUTPUT_TOKENS
from steward.gateway.wire_fields import TokenUsage

MAX_INPUT_TOKENS: Final = 10_000_000  # of one request: ten times the longest context on offer
MAX_CHOICE_TOKENS: Final = 1_000_000  # of one answer, its thoughts included
SILENT_EVENTS: Final = 3  # of an answer without a word: its role, an empty text, its end


def measure_usage(exchange: Exchange, delivered: bool) -> MeasuredUsage:
    """What an exchange used. `delivered`: its answer was a success, or at least began.

    An exchange whose upstream told nothing and sent nothing used nothing.
    """
    usage = exchange.usage or TokenUsage()
    output_events = exchange.events
    if exchange.usage is None and not (output_events or delivered):
        return MeasuredUsage(Counts(), False)
    told_input = _check_count(usage.prompt_tokens, MAX_INPUT_TOKENS, 1)
    least = 1 if output_events > SILENT_EVENTS else 0
    most = MAX_CHOICE_TOKENS * exchange.request.choices()
    told_output = _check_count(usage.completion_tokens, most, least)
    if exchange.endpoint == "/v1/embeddings" and told_output is None:
        told_output = 0
    input_tokens = exchange.estimate_input() if told_input is None else told_input
    output_tokens = exchange.estimate_output() if told_output is None else told_output
    detailed = usage.prompt_tokens_details or usage.completion_tokens_details or usage.prompt_cache_hit_tokens
    plain = Counts(input=input_tokens, output=output_tokens)
    counts = _bound_details(usage, input_tokens, output_tokens) if detailed else plain
    return MeasuredUsage(counts, told_input is None or told_output is None or exchange.reckoned)


def _check_count(count: int | None, most: int, least: int) -> int | None:
    """The count, if a request can have used it."""
    return count if count is not None and least <= count <= min(most, MAX_OUTPUT_TOKENS * 128) else None


def _bound_details(usage: TokenUsage, input_tokens: int, output_tokens: int) -> Counts:
    """Parts never exceed the whole they are part of."""
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = _part(prompt, "cached_tokens", input_tokens)
    if not cached and isinstance(usage.prompt_cache_hit_tokens, int):
        cached = max(0, min(usage.prompt_cache_hit_tokens, input_tokens))
    written = _part(prompt, "cache_write_tokens", input_tokens - cached)
    reasoning = _part(completion, "reasoning_tokens", output_tokens)
    return Counts(
        input=input_tokens,
        output=output_tokens,
        cached_input=cached,
        cache_write=written,
        reasoning=reasoning,
        audio_input=_part(prompt, "audio_tokens", input_tokens - cached - written),
        audio_output=_part(completion, "audio_tokens", output_tokens - reasoning),
    )


def _part(details: Any, name: str, most: int) -> int:
    value = details.get(name) if isinstance(details, dict) else None
    return max(0, min(value, most)) if type(value) is int else 0
