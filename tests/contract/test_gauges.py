"""Gauges on every store: merged by the database, whatever the order of the samples."""

from __future__ import annotations

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.gauges import EngineState, GaugeSample
from steward.core.histogram import count_values, decode_buckets
from steward.core.records import Admitted, Settled
from steward.core.series import HISTOGRAMS, SUMS


def test_samples_merge_over_transactions(store: SqlStore) -> None:
    store.gauges.add([GaugeSample(60.0, "m", "waiting", 4.0), GaugeSample(61.0, "m", "waiting", 2.0)])
    store.gauges.add([GaugeSample(90.0, "m", "waiting", 6.0), GaugeSample(90.0, "n", "waiting", 1.0)])
    (row, other) = store.gauges.read(60, 60, 120, "waiting")
    assert (row.subject, row.count, row.total, row.least, row.most, row.last) == ("m", 3, 12.0, 2.0, 6.0, 6.0)
    assert other.subject == "n"
    assert store.gauges.read(60, 60, 120, "running") == [] == store.gauges.read(60, 0, 60, "waiting")
    assert (store.gauges.first(60), store.gauges.first(3600)) == (60, 0)
    assert store.gauges.delete_before(60, 120) == 2 and store.gauges.first(60) is None
    assert len(store.gauges.read(3600, 0, 3600, "waiting")) == 2


def test_the_last_state_of_each_engine_is_kept(store: SqlStore) -> None:
    states = [EngineState(model=name, at=1.0, state="ok", ever=("waiting",)) for name in ("b", "a")]
    store.gauges.add([], states)
    later = EngineState(model="a", at=2.0, state="unreachable", error="x")
    store.gauges.add([], [later])
    assert store.gauges.read_states() == [later, states[0]]
    store.gauges.keep_states(["b"])
    assert store.gauges.read_states() == [states[0]]
    store.gauges.keep_states([])
    assert store.gauges.read_states() == []


def exchange(name: str, at: float, *guards: str) -> tuple[Admitted, Settled]:
    """That ran for 0.8 seconds after it had waited."""
    return (
        Admitted(request_id=name, at=at, key_id="k", project="p", endpoint="/v1/embeddings", route="m", streamed=False),
        Settled(
            request_id=name, at=at + 1.0, outcome="ok", status=200, model="m", guards=guards, duration_s=1.0,
            ready_s=0.2, queued_s=0.1,
        ),
    )  # fmt: skip


def test_verdicts_and_waits_of_a_replayed_row_count_once(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, exchange("a", 65.0, "pii@1.0=block"))
    store.ledger.drain("w", "t", 1, exchange("a", 65.0, "pii@1.0=block"))
    store.ledger.drain("w", "t", 2, exchange("b", 130.0, "pii@1.0=allow"))
    for metric, total in (("guard_blocks", 1), ("guard_checks", 2)):
        (row,) = store.gauges.read(86400, 0, 86400, metric)
        assert (row.subject, row.count, row.total) == ("pii", total, total)
    (day,) = store.series.read(86400, 0, 86400, tenant=None)
    assert day.sums[SUMS.index("running_s")] == pytest.approx(1.6)
    assert count_values(decode_buckets(day.histograms[HISTOGRAMS.index("queued_s")])) == 2
