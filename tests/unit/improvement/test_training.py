import math

import msgspec
import pytest

from steward.core.training import RenderedText, TrainingEvent, parse_event
from steward.improvement import training
from steward.improvement.training import RunLimits, TrainingRun


def make(**fields):
    given = dict(
        id="tr_1", trainer="trl", method="sft", base="b", dataset="d", state="running", started_at=100.0, heard_at=100.0
    )
    return TrainingRun(**{**given, **fields})


def take(run, *events, now=200.0):
    for event in events:
        run = training.take_event(run, event, now)
    return run


def test_events_make_up_what_is_known():
    run = take(
        make(),
        TrainingEvent(type="metric", step=1, steps=4, loss=2.0, metrics={"lr": 0.1}),
        TrainingEvent(type="progress", step=2),
        TrainingEvent(type="metric", step=2, loss=1.0, metrics={"acc": 0.5}),
        TrainingEvent(type="checkpoint", step=2, path="/c"),
        TrainingEvent(type="cost", usd=1.5),
        TrainingEvent(type="cost", usd=0.5),
        TrainingEvent(type="message", level="warning", text="hot"),
        TrainingEvent(type="message", level="error", text="broke"),
    )
    assert (run.step, run.steps, run.loss, run.curve) == (2, 4, 1.0, ((1, 2.0), (2, 1.0)))
    assert run.metrics == {"lr": 0.1, "acc": 0.5} and run.checkpoint == "/c" and run.usd == 2.0
    assert run.warnings == ("hot",) and run.error == "broke" and run.heard_at == 200.0


def test_a_loss_that_is_no_number_stops_the_run_though_numbers_follow():
    run = take(
        make(), TrainingEvent(type="metric", step=5, loss=math.nan), TrainingEvent(type="metric", step=6, loss=1.0)
    )
    assert training.find_stop(run, RunLimits(), 200.0, 1 << 40).startswith("the loss is nan at step 6")
    assert run.curve == () and training.is_worthless(run)
    assert training.has_lost(take(make(), TrainingEvent(type="metric", loss=math.inf)))
    assert not training.has_lost(take(make(), TrainingEvent(type="metric", loss=9e9)))


def test_the_end_of_turn_must_be_learned():
    row = (RenderedText("hi", False), RenderedText("ho", True))
    run = take(make(), TrainingEvent(type="rendered", rows=(row,), has_end=False))
    assert "end of turn is not among the trained tokens" in training.find_stop(run, RunLimits(), 200.0, 1 << 40)
    assert training.is_worthless(run)
    fine = take(make(), TrainingEvent(type="rendered", rows=(row,), has_end=True))
    assert training.find_stop(fine, RunLimits(), 200.0, 1 << 40) == "" and fine.rendered == (row,)


@pytest.mark.parametrize(
    ("limits", "now", "free", "reason"),
    [
        (RunLimits(hang_after_s=50.0), 150.0, 1 << 40, ""),
        (RunLimits(hang_after_s=50.0), 150.1, 1 << 40, "no event for 50 s (hang_after_s: 50)"),
        (RunLimits(hang_after_s=None), 1e9, 1 << 40, ""),
        (RunLimits(max_seconds=60.0), 160.0, 1 << 40, ""),
        (RunLimits(max_seconds=3600.0, hang_after_s=None), 3701.0, 1 << 40, "the budget of 1 hours is used up"),
        (RunLimits(min_free_bytes=1000), 100.0, 1000, ""),
        (RunLimits(min_free_bytes=2_000_000_000), 100.0, 1_500_000_000, "1.5 GB are free on the disk; expected 2.0 GB"),
        (RunLimits(max_usd=2.0, usd_per_hour=3600.0), 101.9, 1 << 40, ""),
        (RunLimits(max_usd=2.0, usd_per_hour=3600.0), 102.5, 1 << 40, "$2.50 spent; the budget is $2.00"),
    ],
)
def test_a_run_is_stopped_by_its_limits(limits, now, free, reason):
    assert training.find_stop(make(), limits, now, free).startswith(reason)
    assert bool(training.find_stop(make(), limits, now, free)) == bool(reason)


def test_earlier_attempts_count_for_time_and_money():
    run = make(spent_s=3600.0, usd=1.0)
    assert training.count_seconds(run, 160.0) == 3660.0
    assert training.compute_usd(run, RunLimits(usd_per_hour=2.0), 100.0) == 3.0
    assert training.count_seconds(make(ended_at=130.0), 999.0) == 30.0


def test_time_left_is_at_the_pace_so_far():
    assert training.estimate_left_s(make(step=25, steps=100), 150.0) == 150.0
    assert training.estimate_left_s(make(step=0, steps=100), 150.0) is None
    assert training.estimate_left_s(make(step=25), 150.0) is None
    assert training.estimate_left_s(make(step=25, steps=100, ended_at=120.0), 150.0) is None


def test_the_curve_keeps_its_newest_point_when_it_is_thinned():
    long = [(step, 1.0) for step in range(training.CURVE_POINTS + 1)]
    thin = training.thin_curve(long)
    assert len(thin) == 251 and thin[0] == (0, 1.0) and thin[-1] == (500, 1.0) and thin[1][0] == 2
    assert training.thin_curve(long[:-1]) == tuple(long[:-1])


def test_an_end_is_explained():
    assert training.explain_exit(make(), -9) == "the trainer was killed by signal 9; see `steward train logs tr_1`"
    assert training.explain_exit(make(error="no row"), 2) == "the trainer ended with exit code 2: no row"


def safetensors(size=8):
    header = msgspec.json.encode({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "__metadata__": {}})
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("m.gguf", b"GGUF\x03", ""),
        ("m.gguf", b"GGML", "begins with b'GGML', expected b'GGUF'"),
        ("m.bin", b"", "is empty"),
        ("m.bin", b"x", ""),
        ("c.json", b"{", "is no JSON"),
        ("c.json", b"{}", ""),
        ("m.safetensors", safetensors(), ""),
        ("m.safetensors", safetensors(7), f"has {len(safetensors(7))} bytes, its header says {len(safetensors())}"),
        ("m.safetensors", safetensors()[:20], "was cut off within its header"),
        ("m.safetensors", b"\x02\0\0\0\0\0\0\0{x", "has a header that is no JSON"),
        ("m.safetensors", b"\x02\0\0\0\0\0\0\0\xff\xfe", "has a header that is no JSON"),
        ("m.safetensors", b"\x03\0\0\0\0\0\0\0[1]", "has a header that is no JSON"),
    ],
)
def test_an_artefact_is_whole_or_not(name, data, problem):
    assert training.check_artefact(name, len(data), data) == problem


@pytest.mark.parametrize("tensor", [1, None, {}, {"data_offsets": [1]}, {"data_offsets": ["a", "b"]}])
def test_a_header_without_tensors_is_told_of(tensor):
    header = msgspec.json.encode({"w": tensor})
    data = len(header).to_bytes(8, "little") + header
    assert training.check_artefact("m.safetensors", len(data), data).startswith("has a header that names no tensors (")


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "metric", "metrics": {"accuracy": NaN, "f1": Infinity}}',
        b'{"type": "cost", "usd": NaN}',
        b'{"type": "cost", "usd": -1e9}',
        b'{"type": "progress", "step": -5, "steps": 0}',
        b'{"type": "progress", "step": 1000000000000000000000000000000, "steps": 1000000000000000000000000000000}',
    ],
)
def test_an_event_of_nonsense_leaves_a_state_that_can_be_read(line):
    run = make(step=4, steps=9, usd=2.0, metrics={"accuracy": 0.5, "loss": 1.0})
    told = training.take_event(run, parse_event(line), 9.0)
    assert msgspec.json.decode(msgspec.json.encode(told), type=training.TrainingRun) == told
    assert (told.step, told.steps, told.usd, told.heard_at) == (4, 9, 2.0, 9.0)
    assert told.metrics == ({"loss": 1.0} if b"accuracy" in line else run.metrics)


def test_a_trainer_that_warns_without_end_keeps_a_small_state():
    run = make()
    for n in range(150):
        run = training.take_event(run, TrainingEvent(type="message", level="warning", text=f"{n} " + "x" * 9000), 1.0)
    assert len(run.warnings) == 100 and run.warnings[-1].startswith("149 ") and len(run.warnings[-1]) == 2000


def test_a_curve_in_blocks():
    assert training.draw_curve([]) == ""
    assert training.draw_curve([(1, 1.0)]) == "▁"
    assert len(training.draw_curve([(n, float(n)) for n in range(500)])) == 60


def test_lines_of_events():
    assert parse_event(b'{"type": "metric", "step": 3, "loss": 0.5, "more": 1}') == TrainingEvent(
        type="metric", step=3, loss=0.5
    )
    assert math.isnan(parse_event(b'{"type": "metric", "loss": NaN}').loss)
    for line in (b"", b"nonsense", b'{"type": "other"}', b"[1]", b'{"type": "metric", "step": "x"}'):
        assert parse_event(line) is None
