"""Continuous batching, step by step: arrivals, chunked prefill, decoding, KV room, preemption.

The rules are those that vLLM's v1 and TensorRT-LLM's schedulers share: running sequences first, one token each; what
is left of `max_batched_tokens` reads prompts in order of arrival; at most `max_num_seqs` at once; a prompt starts only
when its KV room is there, at full length or as it grows, in which case the newest gives way when it runs out.
Before the scheduler stands the server's front: one process that tokenises one request after the other, `api_s` each,
so that a thousand requests at once do not reach it at once (vLLM 0.11 took 44 requests a second of 128 + 4 tokens, 0.19
about 95 of 512 + 128 on the same card; docs/explanation/capacity.md).
Steps between two events are equal but for the growing contexts, so they are taken together: the cost is a handful of
events per request, whatever the output length.

Ours: simulators at hand (Vidur, BLIS, LLMServingSim) are programs of their own, hundreds of times slower.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.capacity.step_time import StepTime
from steward.core.errors import InputError

EVENT_LIMIT: Final = 400_000


class RequestArrival(msgspec.Struct, frozen=True):
    """When it arrives (seconds from the start), and its lengths in tokens."""

    at: float
    input_tokens: int
    output_tokens: int


def read_trace(path: Path) -> tuple[RequestArrival, ...]:
    """JSON lines {"at": seconds, "input_tokens": n, "output_tokens": n}, in any order; the first one starts the clock.

    :raises InputError: not such a file, with its line
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected JSON lines of at, input_tokens, output_tokens") from error
    arrivals = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            arrivals.append(msgspec.json.decode(line, type=RequestArrival))
        except msgspec.MsgspecError as error:
            raise InputError(f"{path}:{number}: {error}; expected at, input_tokens and output_tokens") from error
        if min(arrivals[-1].input_tokens, arrivals[-1].output_tokens) < 1:
            raise InputError(f"{path}:{number}: a length below 1; expected at least 1 token")
    if not arrivals:
        raise InputError(f"{path}: no request in it; expected JSON lines of at, input_tokens, output_tokens")
    begin = min(item.at for item in arrivals)
    return tuple(
        sorted((msgspec.structs.replace(item, at=item.at - begin) for item in arrivals), key=lambda item: item.at)
    )


class ServedRequest(msgspec.Struct, frozen=True):
    """A request's times in seconds: to its first token, between the others on average, and to its end."""

    at: float
    ttft_s: float
    tpot_s: float
    end: float
    output_tokens: int


class SimulationResult(msgspec.Struct, frozen=True):
    """What a simulation saw. `complete`: every request was served within the event limit."""

    served: tuple[ServedRequest, ...]
    complete: bool
    preempted: int
    peak_running: int
    refused: int  # that can never fit the cache


class BatchLimits(msgspec.Struct, frozen=True):
    """What bounds a batch."""

    kv_tokens: int
    max_num_seqs: int
    max_batched_tokens: int
    full: bool  # a request takes its room at its full length when it starts


class _Sequence:
    __slots__ = ("arrival", "first", "held", "input", "left", "output", "prompt", "read", "start_step")

    def __init__(self, arrival: float, input_tokens: int, output_tokens: int) -> None:
        self.arrival, self.prompt, self.output = arrival, input_tokens, max(1, output_tokens)
        self.input = input_tokens  # to read before it decodes: the prompt, after preemption with what was written
        self.read = 0
        self.left = self.output  # tokens to come
        self.first = -1.0
        self.held = 0
        self.start_step = 0


def draw_poisson_arrivals(
    rate: float, count: int, input_tokens: float, output_tokens: float, rng: random.Random, *, spread: float = 0.0
) -> list[RequestArrival]:
    """`count` arrivals at `rate` a second with exponential gaps; lengths log-normal with coefficient of variation
    `spread` around their means, 0: all equal."""
    gaps = [rng.expovariate(rate) for _ in range(count)]
    stretch = count / rate / sum(gaps)  # the mean rate is the one asked for, as vLLM's load generator does it
    now, arrivals = 0.0, []
    for gap in gaps:
        now += gap * stretch
        arrivals.append(
            RequestArrival(now, _draw_length(input_tokens, spread, rng), _draw_length(output_tokens, spread, rng))
        )
    return arrivals


def _draw_length(mean: float, spread: float, rng: random.Random) -> int:
    if spread <= 0:
        return max(1, round(mean))
    sigma = math.sqrt(math.log1p(spread * spread))
    return max(1, round(mean * rng.lognormvariate(-sigma * sigma / 2, sigma)))


def simulate_open_loop(step_time: StepTime, room: BatchLimits, requests: Sequence[RequestArrival]) -> SimulationResult:
    """Requests arrive whether or not earlier ones are answered."""
    return _simulate(step_time, room, iter(requests))


def simulate_closed_loop(
    step_time: StepTime,
    room: BatchLimits,
    concurrency: int,
    input_tokens: int,
    output_tokens: int,
    rounds: int,
    rng: random.Random,
) -> SimulationResult:
    """`concurrency` clients that ask again as soon as they are answered, `rounds` times each. They start at random
    within one answer's time, so that the steady state, with its collisions of prompts, is there from the beginning."""
    span = output_tokens * step_time.step_s(concurrency, concurrency * (input_tokens + output_tokens / 2))
    starts = sorted(rng.random() * span for _ in range(concurrency))
    first = [RequestArrival(at, input_tokens, output_tokens) for at in starts]
    return _simulate(step_time, room, iter(first), concurrency * (rounds - 1))


def _simulate(
    step_time: StepTime, room: BatchLimits, arrivals: Iterator[RequestArrival], again: int = 0
) -> SimulationResult:
    """`again`: how many requests a closed loop sends beside the arrivals, each when one is answered."""
    state = _Scheduler(step_time, room)
    upcoming = next(arrivals, None)
    for _ in range(EVENT_LIMIT):
        while upcoming is not None and upcoming.at <= state.now:
            state.enqueue(upcoming.at, upcoming.input_tokens, upcoming.output_tokens)
            upcoming = next(arrivals, None)
        state.release_tokenised()
        state.admit()
        soonest = state.find_next_arrival(upcoming.at if upcoming else None)
        if not (state.reading or state.decoding):
            if soonest is None:
                break
            state.now = max(state.now, soonest)
            continue
        ended = state.run_mixed_step() if state.reading else state.run_decode_steps(soonest)
        ended += state.finish_due()
        state.preempt_newest()
        for item in ended[:again]:
            state.enqueue(state.now, item.prompt, item.output)
            again -= 1
    complete = upcoming is None and not (state.waiting or state.decoding or state.reading or state.front)
    return SimulationResult(tuple(state.served), complete, state.preempted, state.peak, state.refused)


class _Scheduler:
    """The scheduler's queues, clock and sums; the KV tokens of decoding sequences are `context`."""

    def __init__(self, step_time: StepTime, room: BatchLimits) -> None:
        self.step_time, self.room = step_time, room
        self.front: deque[tuple[float, _Sequence]] = deque()  # (when it is tokenised, sequence), in order
        self.front_free = 0.0
        self.waiting: deque[_Sequence] = deque()
        self.reading: deque[_Sequence] = deque()  # prompts in work, by arrival
        self.decoding: list[tuple[int, int, _Sequence]] = []  # (last step, serial, sequence), a heap
        self.served: list[ServedRequest] = []
        self.now = 0.0
        self.step = self.serial = self.peak = self.refused = self.preempted = 0
        self.held = self.context = 0

    def enqueue(self, at: float, input_tokens: int, output_tokens: int) -> None:
        self.front_free = max(at, self.front_free) + self.step_time.api_s
        self.front.append((self.front_free, _Sequence(at, input_tokens, output_tokens)))

    def release_tokenised(self) -> None:
        while self.front and self.front[0][0] <= self.now:
            self.waiting.append(self.front.popleft()[1])

    def find_next_arrival(self, upcoming: float | None) -> float | None:
        """When the next request reaches the front or the scheduler; None: no more come."""
        times = [time for time in (upcoming, self.front[0][0] if self.front else None) if time is not None]
        return min(times, default=None)

    def admit(self) -> None:
        """Start what there is room for, in order."""
        room = self.room
        while self.waiting and len(self.reading) + len(self.decoding) < room.max_num_seqs:
            head = self.waiting[0]
            if head.input + head.left > room.kv_tokens:
                self.waiting.popleft()
                self.refused += 1
                continue
            need = head.input + (head.left if room.full else 1)
            taken = self.held if room.full else self.context + sum(item.input for item in self.reading)
            if taken + need > room.kv_tokens:
                break
            self.waiting.popleft()
            head.held = need
            self.held += need
            self.reading.append(head)
        self.peak = max(self.peak, len(self.reading) + len(self.decoding))

    def run_mixed_step(self) -> list[_Sequence]:
        """One step with prompts in it; what ended with its first token."""
        step_time, batch = self.step_time, len(self.decoding)
        budget = max(1, self.room.max_batched_tokens - batch)
        tokens = pairs = 0.0
        read = 0
        for item in self.reading:
            count = min(budget, item.input - item.read)
            if count <= 0:
                break
            tokens += count
            pairs += step_time.count_pairs(item.read, count)
            item.read += count
            budget -= count
            read += item.read >= item.input
        self.now += step_time.step_s(batch, self.context, tokens, pairs, read)
        self.step += 1
        self.context += batch
        ended = []
        for _ in range(read):
            item = self.reading.popleft()
            if item.first < 0:
                item.first = self.now
            item.left -= 1
            if item.left <= 0:
                ended.append(self._record(item))
                continue
            self.serial += 1
            item.start_step = self.step
            heapq.heappush(self.decoding, (self.step + item.left, self.serial, item))
            self.context += item.input + 1
        return ended

    def run_decode_steps(self, until: float | None) -> list[_Sequence]:
        """Steps that only decode, up to the next end, arrival or lack of room."""
        batch = len(self.decoding)
        count = self.decoding[0][0] - self.step
        if until is not None:
            count = min(count, max(1, int((until - self.now) / self.step_time.step_s(batch, self.context)) + 1))
        if not self.room.full and self.context + batch * count > self.room.kv_tokens:
            count = max(1, (self.room.kv_tokens - self.context) // batch)
        self.now += count * self.step_time.step_s(batch, self.context + batch * (count - 1) / 2)
        self.step += count
        self.context += batch * count
        return []

    def finish_due(self) -> list[_Sequence]:
        ended = []
        while self.decoding and self.decoding[0][0] <= self.step:
            _, _, item = heapq.heappop(self.decoding)
            self.context -= item.input + 1 + self.step - item.start_step
            ended.append(self._record(item))
        return ended

    def preempt_newest(self) -> None:
        """The newest sequences are read again later, when the cache is full."""
        while not self.room.full and len(self.decoding) > 1 and self.context + len(self.decoding) > self.room.kv_tokens:
            place = max(range(len(self.decoding)), key=lambda index: self.decoding[index][1])
            item = self.decoding[place][2]
            self.decoding[place] = self.decoding[-1]
            self.decoding.pop()
            heapq.heapify(self.decoding)
            grown = self.step - item.start_step
            self.context -= item.input + 1 + grown
            self.held -= item.held
            item.left -= grown
            item.input += grown + 1
            item.read = 0
            self.waiting.appendleft(item)
            self.preempted += 1

    def _record(self, item: _Sequence) -> _Sequence:
        self.held -= item.held
        ttft = item.first - item.arrival
        tpot = (self.now - item.first) / (item.output - 1) if item.output > 1 else 0.0
        self.served.append(ServedRequest(item.arrival, ttft, tpot, self.now, item.output))
        return item
