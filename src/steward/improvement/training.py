"""What is known of a training run, from its events; when to stop it; whether what it made is whole.

Pure: time, free space and files' heads are arguments. What it does not know: how a trainer is started.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal

import msgspec

from steward.core.training import RenderedText, TrainingEvent

RunState = Literal["running", "succeeded", "failed", "cancelled", "stopped", "lost", "prepared"]
MOST_STEPS: Final = 2**53  # what JSON's numbers hold exactly (RFC 8259, section 6)
MOST_WARNINGS: Final = 100  # the newest, which the state holds; the events hold all
LONGEST_MESSAGE: Final = 2000  # characters
CURVE_POINTS: Final = 500  # of the loss that are kept; beyond, every second one goes


class TrainedArtefact(msgspec.Struct, frozen=True):
    """A file that a run made."""

    name: str
    bytes: int
    sha256: str


class TrainingRun(msgspec.Struct, frozen=True, kw_only=True):
    """state.json. `stopped`: a budget, a hang, a full disk or a loss that is no number; `reason` says which."""

    id: str
    trainer: str
    method: str
    base: str
    dataset: str
    state: RunState
    reason: str = ""
    started_at: float
    ended_at: float | None = None
    heard_at: float  # of the last event
    attempts: int = 1
    spent_s: float = 0.0  # of earlier attempts
    step: int = 0
    steps: int | None = None
    loss: float | None = None
    curve: tuple[tuple[int, float], ...] = ()  # step and loss
    metrics: dict[str, float] = {}
    usd: float = 0.0  # that the trainer told of
    checkpoint: str = ""
    rendered: tuple[tuple[RenderedText, ...], ...] = ()
    has_end: bool | None = None
    warnings: tuple[str, ...] = ()
    error: str = ""  # the trainer's own words
    artefacts: tuple[TrainedArtefact, ...] = ()
    pid: int = 0
    folder: str = ""
    tainted: str = ""  # why what it made must not be released, such as an erasure


class RunLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When a run is stopped. None: never for this reason."""

    hang_after_s: float | None = 1800.0
    max_seconds: float | None = None
    max_usd: float | None = None
    usd_per_hour: float = 0.0
    min_free_bytes: int = 1 << 30


def take_event(run: TrainingRun, event: TrainingEvent, now: float) -> TrainingRun:
    """The run after an event."""
    changes: dict[str, object] = {"heard_at": now}
    if event.step is not None and 0 <= event.step <= MOST_STEPS:
        changes["step"] = event.step
    if event.steps is not None and 0 < event.steps <= MOST_STEPS:
        changes["steps"] = event.steps
    if event.loss is not None and not has_lost(run):
        changes["loss"] = event.loss
        if math.isfinite(event.loss):
            step = run.step if "step" not in changes or event.step is None else event.step
            changes["curve"] = thin_curve([*run.curve, (step, event.loss)])
    if event.metrics:  # the state is JSON, which has no NaN: a metric that is no number is not known any more
        numbers = {name: value for name, value in (run.metrics | event.metrics).items() if math.isfinite(value)}
        changes["metrics"] = numbers
    if event.usd is not None and math.isfinite(event.usd) and event.usd >= 0.0:
        changes["usd"] = run.usd + event.usd
    if event.type == "checkpoint" and event.path:
        changes["checkpoint"] = event.path
    if event.type == "rendered":
        changes |= {"rendered": event.rows, "has_end": event.has_end}
    if event.type == "message" and event.level == "warning":
        changes["warnings"] = (*run.warnings, event.text[:LONGEST_MESSAGE])[-MOST_WARNINGS:]
    if event.type == "message" and event.level == "error":
        changes["error"] = event.text[:LONGEST_MESSAGE]
    return msgspec.structs.replace(run, **changes)


def has_lost(run: TrainingRun) -> bool:
    """The loss was no number once; what comes after it says nothing."""
    return run.loss is not None and not math.isfinite(run.loss)


def is_worthless(run: TrainingRun) -> bool:
    """What the run made cannot be used, though it came to its end."""
    return has_lost(run) or run.has_end is False


def thin_curve(curve: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """At most `CURVE_POINTS`: the newest always, and of the others every second one when there are too many."""
    return tuple(curve) if len(curve) <= CURVE_POINTS else (*curve[:-1:2], curve[-1])


def compute_usd(run: TrainingRun, limits: RunLimits, now: float) -> float:
    """Told by the trainer, and by the hour."""
    return run.usd + limits.usd_per_hour * count_seconds(run, now) / 3600.0


def count_seconds(run: TrainingRun, now: float) -> float:
    """Of all attempts."""
    return run.spent_s + max(0.0, (run.ended_at or now) - run.started_at)


def estimate_left_s(run: TrainingRun, now: float) -> float | None:
    """Seconds that are left, at the pace of this attempt; None: not known yet."""
    if not run.steps or run.step <= 0 or run.ended_at is not None:
        return None
    return max(0.0, now - run.started_at) / run.step * max(0, run.steps - run.step)


def find_stop(run: TrainingRun, limits: RunLimits, now: float, free_bytes: int) -> str:
    """Why the run must be stopped now; empty: it goes on."""
    if has_lost(run):
        return f"the loss is {run.loss} at step {run.step:,}; lower the learning rate, or look at the rows near there"
    if run.has_end is False:
        return (
            "the end of turn is not among the trained tokens, so the model would not learn to stop; "
            "check the chat template, and max_length if rows are cut"
        )
    if limits.max_seconds is not None and count_seconds(run, now) > limits.max_seconds:
        return f"the budget of {limits.max_seconds / 3600:g} hours is used up"
    if limits.max_usd is not None and (usd := compute_usd(run, limits, now)) > limits.max_usd:
        return f"${usd:.2f} spent; the budget is ${limits.max_usd:.2f}"
    if free_bytes < limits.min_free_bytes:
        return f"{free_bytes / 1e9:.1f} GB are free on the disk; expected {limits.min_free_bytes / 1e9:.1f} GB or more"
    if limits.hang_after_s is not None and now - run.heard_at > limits.hang_after_s:
        return f"no event for {now - run.heard_at:.0f} s (hang_after_s: {limits.hang_after_s:g})"
    return ""


def explain_exit(run: TrainingRun, code: int) -> str:
    """Why a trainer that ended by itself with another code than 0 failed."""
    how = f"the trainer was killed by signal {-code}" if code < 0 else f"the trainer ended with exit code {code}"
    if run.error:
        return f"{how}: {run.error}"
    return f"{how}; see `steward train logs {run.id}`"


def check_artefact(name: str, size: int, head: bytes, tail_offset: int | None = None) -> str:
    """What is wrong with a file by its name, size and beginning (8 bytes and the safetensors header); empty: nothing.

    safetensors: 8 bytes of header length, a JSON header whose offsets end where the file does (its README, "Format").
    GGUF: begins with the letters GGUF (its specification, "File Structure").
    """
    if size == 0:
        return "is empty"
    if name.endswith(".gguf") and head[:4] != b"GGUF":
        return f"begins with {head[:4]!r}, expected b'GGUF'"
    if name.endswith(".safetensors"):
        return _check_safetensors(size, head)
    if name.endswith(".json") and size <= len(head):
        try:
            msgspec.json.decode(head)
        except msgspec.DecodeError:
            return "is no JSON"
    return ""


class _Tensor(msgspec.Struct):
    data_offsets: tuple[int, int]  # bytes, from the end of the header


def _check_safetensors(size: int, head: bytes) -> str:
    length = int.from_bytes(head[:8], "little")
    if len(head) < 8 or length > size - 8:
        return "was cut off within its header"
    try:
        header = msgspec.json.decode(head[8 : 8 + length], type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return "has a header that is no JSON"
    try:
        tensors = [msgspec.json.decode(one, type=_Tensor) for name, one in header.items() if name != "__metadata__"]
    except msgspec.DecodeError as error:
        return f"has a header that names no tensors ({str(error).replace('`', '')})"
    expected = 8 + length + max((one.data_offsets[1] for one in tensors), default=0)
    return "" if size == expected else f"has {size:,} bytes, its header says {expected:,}"


def mark_rendered(rows: Iterable[Sequence[RenderedText]]) -> list[str]:
    """Rows for people: what is trained on stands between ⟦ and ⟧, and line ends are shown.

    >>> mark_rendered([[RenderedText("user: hi\\n", False), RenderedText("hello<end>", True)]])
    ['user: hi⏎⟦hello<end>⟧']
    """
    return ["".join(f"⟦{part.text}⟧" if part.trained else part.text for part in row).replace("\n", "⏎") for row in rows]


_BARS: Final = "▁▂▃▄▅▆▇█"


def draw_curve(curve: Sequence[tuple[int, float]], width: int = 60) -> str:
    """The losses as a line of blocks, each the mean of its part of the steps.

    >>> draw_curve([(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)], 4)
    '█▆▃▁'
    """
    if not curve:
        return ""
    values = [loss for _, loss in curve]
    parts = min(width, len(values))
    edges = [len(values) * part // parts for part in range(parts + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
    low, high = min(means), max(means)
    return "".join(_BARS[round((mean - low) / (high - low or 1.0) * 7)] for mean in means)
