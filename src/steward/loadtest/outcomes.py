"""Turn each finished request into its record, and keep the counts that progress reports and the end of a run need."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from typing import Final

from steward.loadtest.prompts import PromptSource, estimate_tokens
from steward.loadtest.recorder import Recorder, TokenTotals
from steward.loadtest.request import InFlightRequest
from steward.loadtest.response import CAUSES, ResponseParser

CountTokens = Callable[[str], int]  # the tokens of a text
_CODES: Final = {cause: code for code, cause in enumerate(CAUSES)}
_USAGE, _TOKENIZER, _ESTIMATED, _NONE = range(4)  # indices into recorder.SOURCES
REFUSED: Final = (401, 403, 404)  # RFC 9110: no right, and nothing of that name; the next request fares no better
_MAX_TTFT: Final = 200  # values between two progress reports


class OutcomeRecorder:
    """`measured_from_s` is the intended send, in seconds since the start, from which requests count (warm-up ends)."""

    def __init__(self, prompts: PromptSource, count: CountTokens | None, measured_from_s: float) -> None:
        self.records = Recorder()
        self._prompts, self._count = prompts, count
        self._measured_from = measured_from_s
        self.start = 0.0  # of the schedule, on timer.clock
        self.answered = self.failed = self.output_tokens = 0
        self.refused = 0  # of the failed, those with a status that the next request would have too
        self.input_totals, self.output_totals = TokenTotals(), TokenTotals()
        self.clock_errors = array("f")  # measured - true TTFT, s; the echo server sends its clock
        self._ttft_ms: list[float] = []

    def record(self, request: InFlightRequest, response: ResponseParser, cause: str, ended_at: float) -> None:
        """`cause` is one of response.CAUSES. All times are stored relative to the intended send."""
        intended, first = request.intended, response.first
        measured = intended - self.start >= self._measured_from - 1e-9
        input_tokens, output_tokens, source, first_tokens = 0, 0, _NONE, 0
        if cause == "ok":
            self.answered += 1
            input_tokens, output_tokens, source = self._count_tokens(request, response)
            first_tokens = count_first_tokens(response, output_tokens, self._count)
            self.output_tokens += output_tokens
            if first is not None and len(self._ttft_ms) < _MAX_TTFT:
                self._ttft_ms.append((first - intended) * 1000)
            if measured:
                self._add_measured(request, response, input_tokens, output_tokens)
        elif cause != "unfinished":
            self.failed += 1
            self.refused += cause == "http" and response.status in REFUSED
        if cause != "ok" and response.error_text:
            key = f"http_{response.status}" if cause == "http" else cause
            self.records.error_texts.setdefault(key, response.error_text)
        streamed = response.streamed
        self.records.add(
            intended - self.start,
            request.sent_at - intended,
            first - intended if streamed and first is not None else math.nan,
            response.last - intended if response.last is not None else math.nan,
            ended_at - intended,
            request.connect_s,
            response.first_output - intended if streamed and response.first_output is not None else math.nan,
            input_tokens,
            output_tokens,
            len(response.text_times),
            first_tokens,
            request.in_flight,
            response.status,
            _CODES[cause],
            source,
        )

    def take_ttft_ms(self) -> list[float]:
        """The times to first token since the last call, at most 200."""
        taken, self._ttft_ms = self._ttft_ms, []
        return taken

    def _add_measured(
        self, request: InFlightRequest, response: ResponseParser, input_tokens: int, output_tokens: int
    ) -> None:
        if response.text_times:
            self.records.add_gaps(response.text_times)
        if response.stamp is not None and response.first is not None:
            true_s = response.stamp[1] - response.stamp[0]
            self.clock_errors.append((response.first - request.intended) - true_s)
        asked_input, asked_output = self._prompts.find_asked_tokens(request.number)
        if asked_input is not None and request.turn == 0:
            self.input_totals.add(asked_input, input_tokens)
        if asked_output is not None:
            self.output_totals.add(asked_output, output_tokens)

    def _count_tokens(self, request: InFlightRequest, response: ResponseParser) -> tuple[int, int, int]:
        """Input tokens, output tokens, and where they come from: the server's usage, a tokenizer, or an estimate."""
        usage = response.usage
        input_tokens = self._prompts.estimate_input_tokens(request.number)
        if usage is not None and usage.prompt_tokens is not None:
            input_tokens = usage.prompt_tokens
            if usage.completion_tokens is not None or self._prompts.endpoint == "embeddings":
                return input_tokens, usage.completion_tokens or 0, _USAGE
        if self._count is not None and response.text is not None:
            return input_tokens, self._count("".join(response.text)), _TOKENIZER
        return input_tokens, max(len(response.text_times), estimate_tokens(response.characters)), _ESTIMATED


def count_first_tokens(response: ResponseParser, output_tokens: int, count: CountTokens | None = None) -> int:
    """Tokens that arrived at the time of the first one; 0 if a time per output token cannot be told.

    It cannot be told from an answer whose text arrived all at one time. Where a server sends one token an event, this
    is the number of events that arrived together. Where it bundles tokens, it is the first events' share of the text,
    by the tokenizer if there is one, else by characters.
    """
    times = response.text_times
    if not response.streamed or not times or output_tokens < 1:
        return 0
    if output_tokens == 1:
        return 1
    if times[-1] <= times[0]:
        return 0
    together = _count_equal(times)
    if count is not None and response.text is not None:
        tokens = count("".join(response.text[:together]))
    else:
        tokens = round(output_tokens * response.first_characters / max(1, response.characters))
    return max(together, min(tokens, output_tokens - (len(times) - together)))  # one is left for each later event


def _count_equal(times: Sequence[float]) -> int:
    """How many values equal the first, at the beginning; the last one does not."""
    return next(number for number, at in enumerate(times) if at != times[0])
