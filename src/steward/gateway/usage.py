"""How many tokens of each kind an exchange used: the upstream's count where it can be believed, an estimate elsewhere.

An upstream's usage is looked at number by number, since some report zeros, one half of it, or numbers that no request
can have used; what is not believed is estimated, and the row says so. Spellings: OpenAI's `usage` with its details,
DeepSeek's `prompt_cache_hit_tokens` and those of `odd_usage.py`; Anthropic's and Responses' counts arrive here in
OpenAI's terms.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.gateway.exchange import Exchange
from steward.gateway.odd_usage import read_count
from steward.gateway.pricing.prices import Counts, MeasuredUsage
from steward.gateway.wire import MAX_OUTPUT_TOKENS
from steward.gateway.wire_fields import TokenUsage

MAX_INPUT_TOKENS: Final = 10_000_000  # of one request: ten times the longest context on offer
MAX_CHOICE_TOKENS: Final = 1_000_000  # of one answer, its thoughts included
PRICED_TIERS: Final = frozenset({"flex", "priority"})  # service tiers that cost otherwise
SILENT_EVENTS: Final = 3  # of an answer without a word: its role, an empty text, its end


def measure_usage(exchange: Exchange, delivered: bool) -> MeasuredUsage:
    """What an exchange used. `delivered`: its answer was a success, or at least began.

    An exchange whose upstream told nothing and sent nothing used nothing.
    """
    usage = exchange.usage or TokenUsage()
    output_events = exchange.events
    if exchange.usage is None and not (output_events or delivered):
        return MeasuredUsage(Counts(), False)
    prompt_tokens, completion_tokens = _read_counts(usage)
    told_input = _check_count(prompt_tokens, MAX_INPUT_TOKENS, 1)
    least = 1 if output_events > (1 if told_input is None else SILENT_EVENTS) else 0
    most = MAX_CHOICE_TOKENS * exchange.request.choices()
    told_output = _check_count(completion_tokens, most, least)
    if exchange.endpoint == "/v1/embeddings" and told_output is None:
        told_output = 0
    input_tokens = exchange.estimate_input() if told_input is None else told_input
    output_tokens = exchange.estimate_output() if told_output is None else told_output
    plain = Counts(input=input_tokens, output=output_tokens)
    counts = _bound_details(usage, input_tokens, output_tokens) if any(map(usage.__getattribute__, _DETAILS)) else plain
    if isinstance(usage.service_tier, str) and usage.service_tier in PRICED_TIERS:
        counts = msgspec.structs.replace(counts, service_tier=usage.service_tier)
    return MeasuredUsage(counts, told_input is None or told_output is None or exchange.reckoned)


def note_cost(exchange: Exchange) -> None:
    """Note with the try that has failed what its upstream told that it used: another one is billed to the client."""
    if exchange.usage is None:
        return
    counts = measure_usage(exchange, False).counts
    exchange.attempts[-1] = msgspec.structs.replace(
        exchange.attempts[-1], input_tokens=counts.input, output_tokens=counts.output
    )
    exchange.events = exchange.event_bytes = 0


_DETAILS: Final = (
    "prompt_tokens_details", "completion_tokens_details", "prompt_cache_hit_tokens", "cached_tokens",
    "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation",
)  # fmt: skip


def _read_counts(usage: TokenUsage) -> tuple[int | None, int | None]:
    """Input and output. Where the total has the thoughts apart from the output (xAI, and Gemini without saying so),
    they are part of it here, and so are cached tokens that it has apart from the input; where one of both is missing,
    the total tells it.
    """
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if prompt is None and completion is None:
        prompt, completion = read_count(usage.input_tokens), read_count(usage.output_tokens)
        if prompt is not None:
            prompt += _count_cached(
                usage
            )  # Anthropic's names mean what they do in its own API, where the cached ones are apart
    total = usage.total_tokens
    if total is not None and not (prompt and completion):
        if prompt and total > prompt:
            return prompt, total - prompt
        if completion and total > completion:
            return total - completion, completion
    if prompt and completion and total is not None and total > prompt + completion:
        more, cached = total - prompt - completion, _count_cached(usage)
        if more == cached:
            prompt += more
        elif more > cached and completion + more <= MAX_CHOICE_TOKENS:
            completion += more
    return prompt, completion


def _count_cached(usage: TokenUsage) -> int:
    """Read from a cache or written to it, in Anthropic's names; 0 where they cannot be what one request used."""
    told = [read_count(value) for value in (usage.cache_read_input_tokens, usage.cache_creation_input_tokens)]
    cached = sum(max(0, count or 0) for count in told)
    return cached if cached <= MAX_INPUT_TOKENS else 0


def _check_count(count: int | None, most: int, least: int) -> int | None:
    """The count, if a request can have used it."""
    return count if count is not None and least <= count <= min(most, MAX_OUTPUT_TOKENS * 128) else None


def _bound_details(usage: TokenUsage, input_tokens: int, output_tokens: int) -> Counts:
    """Parts never exceed the whole they are part of."""
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = _part(prompt, "cached_tokens", input_tokens)
    for other in (usage.prompt_cache_hit_tokens, usage.cached_tokens, usage.cache_read_input_tokens):
        cached = cached or _bound(other, input_tokens)
    written = _part(prompt, "cache_write_tokens", input_tokens - cached)
    written = written or _part(prompt, "cache_creation_tokens", input_tokens - cached)
    written = written or _bound(usage.cache_creation_input_tokens, input_tokens - cached)
    reasoning = _part(completion, "reasoning_tokens", output_tokens)
    return Counts(
        input=input_tokens,
        output=output_tokens,
        cached_input=cached,
        cache_write=written,
        cache_write_1h=_count_hour(usage, written),
        reasoning=reasoning,
        audio_input=_part(prompt, "audio_tokens", input_tokens - cached - written),
        audio_output=_part(completion, "audio_tokens", output_tokens - reasoning),
    )


def _count_hour(usage: TokenUsage, written: int) -> int:
    """Of the tokens written to a cache those that it keeps for an hour, as Anthropic and proxies before it say."""
    prompt = usage.prompt_tokens_details if isinstance(usage.prompt_tokens_details, dict) else {}
    told = _part(prompt, "cache_write_1h_tokens", written)
    for kept in (usage.cache_creation, prompt.get("cache_creation_token_details"), prompt.get("cache_creation")):
        told = told or _part(kept, "ephemeral_1h_input_tokens", written)
    return told


def _part(details: Any, name: str, most: int) -> int:
    return _bound(details.get(name), most) if isinstance(details, dict) else 0


def _bound(value: Any, most: int) -> int:
    return max(0, min(read_count(value) or 0, most))
