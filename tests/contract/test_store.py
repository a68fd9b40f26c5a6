"""One suite over every store: SQLite and a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.sql import SqlStore
from steward.adapters.stores.tables import REVISION, metadata
from steward.core.records import Admitted, Feedback, FeedbackSum, Settled, Tally
from steward.gateway.ledger import LedgerWriter
from steward.workflows.drain import drain_once


def admitted(name: str, at: float = 100.0) -> Admitted:
    return Admitted(
        request_id=name, at=at, key_id="k1", project="p", endpoint="/v1/chat/completions", route="m", streamed=False,
        reserved_input_tokens=5, reserved_output_tokens=50,
    )  # fmt: skip


def settled(name: str, outcome: str = "ok", duration_s: float = 0.1) -> Settled:
    return Settled(
        request_id=name, at=101.0, outcome=outcome, status=200, model="m", input_tokens=3, output_tokens=4,
        usd=0.5, ttft_s=0.01, duration_s=duration_s,
    )  # fmt: skip


def test_draining_the_same_bytes_twice_counts_once(store: SqlStore) -> None:
    records = [admitted("a"), settled("a"), admitted("b")]
    assert store.ledger.drain("w", "w-0.seg", 10, records) == 1
    store.ledger.drain("w", "w-0.seg", 10, records)
    store.ledger.drain("w", "w-0.seg", 20, [settled("b")])
    usage = store.exchanges.usage(0, 1000, "key", tenant=None)
    assert (usage.requests, usage.input_tokens, usage.output_tokens, usage.usd) == (2, 6, 8, 1.0)
    assert usage.by[0].name == "k1" and store.ledger.offsets() == {"w-0.seg": 20}


def test_an_upstreams_odd_id_does_not_stop_the_drain(store: SqlStore) -> None:
    odd = msgspec.structs.replace(settled("a"), upstream_id="a\0" + "b" * 500)
    assert store.ledger.drain("w", "s", 1, [admitted("a"), odd]) == 1


def test_lost_requests_settle_at_their_reservation(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [admitted("a"), admitted("b"), settled("a")])
    assert store.ledger.settle_lost("w", 200.0) == 1 and store.ledger.settle_lost("w", 200.0) == 0
    row = next(row for row in store.exchanges.tail(10, tenant=None) if row.request_id == "b")
    assert (row.outcome, row.input_tokens, row.output_tokens) == ("lost", 5, 50)


def test_groups_and_days(store: SqlStore) -> None:
    store.ledger.drain(
        "w", "s", 1, [admitted("a", 0.0), settled("a"), admitted("b", 86400.0), settled("b", "upstream_error")]
    )
    days = store.exchanges.usage(0, 1e9, "day", tenant=None).by
    assert [(day.name, day.requests, day.errors) for day in days] == [("1970-01-01", 1, 0), ("1970-01-02", 1, 1)]
    assert store.exchanges.usage(0, 10, None, tenant=None).requests == 1


def test_series_has_every_bucket_and_nearest_rank_percentiles(store: SqlStore) -> None:
    records = [
        item for n in range(100) for item in (admitted(f"r{n}", 65.0), settled(f"r{n}", duration_s=(n + 1) / 100))
    ]
    store.ledger.drain("w", "s", 1, records)
    empty, full = store.exchanges.series(0.0, 60.0, 120.0, tenant=None)
    assert empty.requests == 0 and empty.p50_s is None
    assert (full.requests, full.p50_s, full.p95_s, full.p99_s) == (100, 0.5, 0.95, 0.99)


def test_series_leaves_shadows_out_and_usage_names_them(store: SqlStore) -> None:
    shadow = msgspec.structs.replace(admitted("a-shadow", 65.0), key_id="shadow")
    store.ledger.drain("w", "s", 1, [admitted("a", 65.0), settled("a"), shadow, settled("a-shadow", "upstream_error")])
    (point,) = store.exchanges.series(60.0, 60.0, 120.0, tenant=None)
    assert (point.requests, point.errors) == (1, 0)
    usage = store.exchanges.usage(0, 1000, "key", tenant=None)
    assert usage.usd == 1.0 and [(row.name, row.usd) for row in usage.by] == [("k1", 0.5), ("shadow", 0.5)]


def test_tail_is_newest_first(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [admitted("a", 1.0), settled("a"), admitted("b", 2.0), settled("b")])
    assert [row.request_id for row in store.exchanges.tail(5, tenant=None)] == ["b", "a"] and store.exchanges.tail(
        5, after=500.0, tenant=None
    ) == []


def test_migrations_lead_to_the_tables(store: SqlStore) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == REVISION


def test_a_dead_writer_is_closed_and_a_living_one_is_not(store: SqlStore, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    dead, living = LedgerWriter(folder, "dead"), LedgerWriter(folder, "living")
    for writer in (dead, living):
        writer.append(admitted(f"{writer._writer_id}-1"))
    dead.close()
    report = drain_once(folder, store.ledger, 300.0)
    assert report.lost == 1 and [path.name for path in folder.glob("*.seg")] == ["living-000000.seg"]
    living.append(settled("living-1"))
    assert drain_once(folder, store.ledger, 300.0).settled == 1
    living.close()
    assert drain_once(folder, store.ledger, 300.0).lost == 0 and not list(folder.iterdir())
    assert store.exchanges.usage(0, 1000, None, tenant=None).requests == 2


def test_a_damaged_segment_loses_only_what_follows_and_holds_up_no_other(store: SqlStore, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    damaged, sound = LedgerWriter(folder, "a"), LedgerWriter(folder, "b")
    damaged.append(admitted("a-1"))
    sound.append(admitted("b-1"))
    sound.append(settled("b-1"))
    with (folder / "a-000000.seg").open("ab") as file:
        file.write(bytes(100))
    assert drain_once(folder, store.ledger, 300.0).damaged[0].startswith("a-000000.seg: an empty")
    damaged.close()
    report = drain_once(folder, store.ledger, 300.0)
    assert report.lost == 1 and [path.name for path in folder.glob("a*")] == ["a-000000.damaged"]
    assert {row.request_id: row.outcome for row in store.exchanges.tail(9, tenant=None)} == {"a-1": "lost", "b-1": "ok"}
    assert drain_once(folder, store.ledger, 300.0).damaged == ()
    sound.close()


def test_sums_for_reconciliation(store: SqlStore) -> None:
    name = msgspec.structs.replace(settled("a"), upstream_id="up-1")
    store.ledger.drain("w", "s", 1, [admitted("a"), name, admitted("b", 86500.0), settled("b"), admitted("c")])
    store.ledger.settle_lost("w", 200.0)
    seen = [
        (item.day, item.model, item.requests, item.output_tokens, item.usd)
        for item in store.exchanges.daily_sums(0, 1e6, tenant=None)
    ]
    assert seen == [("1970-01-01", "m", 1, 4, 0.5), ("1970-01-02", "m", 1, 4, 0.5)]
    assert [(key, item.day) for key, item in store.exchanges.sums_by_upstream_id(0, 1e6, tenant=None).items()] == [
        ("up-1", "1970-01-01")
    ]
    assert (
        store.exchanges.count_lost(0, 1e6, tenant=None) == 1 and store.exchanges.count_lost(200, 1e6, tenant=None) == 0
    )


def feedback(name: str, request_id: str = "a", project: str = "p", score: float = 1.0) -> Feedback:
    return Feedback(
        id=name,
        at=150.0,
        key_id="k1",
        project=project,
        request_id=request_id,
        score=score,
        label="good",
        sealed=b"\x01x",
    )


def test_feedback_joins_its_request_before_or_after_it_settles(store: SqlStore) -> None:
    store.ledger.drain("spool-w", "spool-w-0.seg", 10, [feedback("f1"), feedback("f2", score=0.0)])
    before = store.feedback.report(0, 10, tenant=None)
    assert (before.count, before.unmatched, before.mean_score) == (0, 2, None)
    store.ledger.drain("w", "w-0.seg", 10, [admitted("a"), settled("a")])
    after = store.feedback.report(0, 10, tenant=None)
    assert (after.count, after.unmatched, after.mean_score) == (2, 0, 0.5)
    assert [(label.name, label.count, label.mean_score) for label in after.by_label] == [("good", 2, 0.5)]
    assert [(row.id, row.model, row.matched, row.has_content) for row in after.last] == [
        ("f1", "m", True, True),
        ("f2", "m", True, True),
    ]


def test_feedback_of_another_project_never_joins(store: SqlStore) -> None:
    store.ledger.drain("w", "w-0.seg", 10, [admitted("a"), settled("a"), feedback("f1", project="other")])
    found = store.feedback.report(0, 10, tenant=None)
    assert (found.count, found.unmatched, found.last[0].model, found.last[0].route) == (0, 1, None, None)


def test_feedback_is_drained_once_and_whole(store: SqlStore, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    writer = LedgerWriter(folder, "spool-w1")
    writer.append(feedback("f1"))
    for _ in range(2):
        drain_once(folder, store.ledger, 300.0)
    store.ledger.drain("spool-w1", "spool-w1-000000.seg", 0, [feedback("f1", score=-1.0)])  # a keeper that was killed
    assert store.feedback.read_sealed(["f1"], tenant=None) == [feedback("f1")]
    writer.append(feedback("f2"))
    writer.close()
    drain_once(folder, store.ledger, 300.0)
    assert not list(folder.iterdir()) and {row.id for row in store.feedback.report(0, 10, tenant=None).last} == {
        "f1",
        "f2",
    }


def meter(store: SqlStore, name: str, part: str = "") -> float:
    return sum(row.value for row in store.meters.read(tenant=None) if row.meter == name and row.part == part)


def test_meters_count_what_usage_counts(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [admitted("a"), settled("a"), admitted("b"), admitted("c")])
    for _ in range(2):  # a keeper that was killed, and one that was not
        store.ledger.drain("w", "s", 2, [settled("b", "upstream_error")])
        store.ledger.settle_lost("w", 200.0)
    usage = store.exchanges.usage(0, 1000, None, tenant=None)
    assert (meter(store, "requests"), meter(store, "usd")) == (usage.requests, usage.usd) == (3, 1.0)
    assert meter(store, "tokens", "sum") == usage.input_tokens + usage.output_tokens == 7 + 7 + 55
    outcomes = {
        dict(row.labels)["outcome"]: row.value for row in store.meters.read(tenant=None) if row.meter == "requests"
    }
    assert outcomes == {"ok": 1, "upstream_error": 1, "lost": 1} and store.exchanges.count_open() == 0


def test_a_tally_counts_once(store: SqlStore) -> None:
    tally = Tally(at=1.0, meter="turned_away", counts=(((("reason", "overloaded"),), 3),))
    for _ in range(2):
        store.ledger.drain("w", "s", 10, [tally])
    store.ledger.drain("w", "s", 20, [tally])
    assert meter(store, "turned_away") == 6


def test_the_migration_counts_what_had_settled(store: SqlStore) -> None:
    from alembic import command
    from alembic.config import Config

    store.ledger.drain("w", "s", 1, [admitted("a"), settled("a"), admitted("b"), settled("b")])
    before = store.meters.read(tenant=None)
    config = Config()
    config.set_main_option("script_location", "steward:adapters/stores/migrations")
    with store.database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    store.migrate()
    assert store.meters.read(tenant=None) == before and before


def test_feedback_sums_go_by_sentiment(store: SqlStore) -> None:
    said = [feedback("f1"), feedback("f2", score=-0.5), feedback("f3", score=-1.0), feedback("f4", "nobody")]
    store.ledger.drain("w", "s", 1, [admitted("a"), settled("a"), *said])
    assert store.feedback.sums() == [
        FeedbackSum(route="m", model="m", sentiment="negative", count=2, magnitude=1.5),
        FeedbackSum(route="m", model="m", sentiment="positive", count=1, magnitude=1.0),
    ]
