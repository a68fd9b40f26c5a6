"""Gauges on every store: merged by the database, whatever the order of the samples."""

from __future__ import annotations

from steward.adapters.stores.sql import SqlStore
from steward.core.gauges import EngineState, GaugeSample


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
