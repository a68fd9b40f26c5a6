"""Tenants, keys, shared secrets, evidence and jobs: one suite over SQLite and a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from steward.adapters.stores.database import MIGRATION_LOCK, Database
from steward.adapters.stores.sql import SqlStore
from steward.core.access import Grant, Person, PersonSession, Place, Role
from steward.core.alerts import MAX_ATTEMPTS, Alert, ChannelState, Notice, RuleState, Silence
from steward.core.approvals import ApprovalDecision, ApprovalRequest
from steward.core.errors import Unavailable
from steward.core.evidence import Evidence
from steward.core.histogram import count_values, decode_buckets
from steward.core.keys import KeyRecord
from steward.core.minutes import COLUMNS
from steward.core.records import SUBJECT_SEALED, Admitted, ExchangeFilter, Feedback, LedgerRecord, Outcome, Settled
from steward.core.series import SUMS, SeriesFilter
from steward.core.stores import WrappedSecret
from steward.core.traces import TracePolicy
from steward.workflows.jobs import Job, JobRunner

Open = Callable[[], SqlStore]


def exchange(name: str, tenant: str, project: str = "p") -> list[Admitted | Settled]:
    admitted = Admitted(
        request_id=name, at=100.0, key_id="k", tenant=tenant, project=project, endpoint="/v1/chat/completions",
        route="m", streamed=False,
    )  # fmt: skip
    settled = Settled(request_id=name, at=101.0, outcome="ok", status=200, model="m", usd=1.0, upstream_id=f"up-{name}")
    return [admitted, settled]


def feedback(name: str, tenant: str, request_id: str) -> Feedback:
    return Feedback(
        id=name, at=150.0, key_id="k", tenant=tenant, project="p", request_id=request_id, score=1.0, sealed=b"x"
    )


def test_several_processes_may_migrate_at_once(open_store: Open) -> None:
    stores, failures = [open_store() for _ in range(4)], []

    def migrate(store: SqlStore) -> None:
        try:
            store.migrate()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    stores[0].check()


def test_a_migration_waits_for_another(open_store: Open) -> None:
    store, done = open_store(), threading.Event()
    second = threading.Thread(target=lambda: (open_store().migrate(), done.set()))
    with store.database.write() as connection:  # as `migrate` holds it
        if not store.database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        second.start()
        assert not done.wait(0.5)
    second.join()
    assert done.is_set()


def test_tables_of_a_later_release_are_left_alone(store: SqlStore) -> None:
    with store.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store.migrate()
    store.check()


def test_a_tenant_sees_nothing_of_another(store: SqlStore) -> None:
    records = [*exchange("a", "one"), *exchange("b", "two"), *exchange("c", "two")]
    store.ledger.drain("w", "s", 1, [*records, feedback("f1", "one", "a"), feedback("f2", "two", "a")])
    read = store.exchanges
    for tenant, names in (("one", {"a"}), ("two", {"b", "c"}), ("three", set()), (None, {"a", "b", "c"})):
        assert {row.request_id for row in read.tail(9, tenant=tenant)} == names
        assert read.usage(0, 1e6, "tenant", tenant=tenant).requests == len(names)
        assert sum(item.requests for item in read.daily_sums(0, 1e6, tenant=tenant)) == len(names)
        assert set(read.sums_by_upstream_id(0, 1e6, tenant=tenant)) == {f"up-{name}" for name in names}
        assert read.series(0, 1000, 1000, tenant=tenant)[0].requests == len(names)
    assert [row.id for row in store.feedback.report(0, 9, tenant="two").last] == ["f2"]
    assert store.feedback.read_sealed(["f1"], tenant="two") == []
    labels = [dict(row.labels)["tenant"] for row in store.meters.read(tenant="two") if row.meter == "requests"]
    assert labels == ["two"]


def test_a_project_sees_nothing_of_another_nor_of_its_namesake_in_another_tenant(store: SqlStore) -> None:
    store.ledger.keep_traces(TracePolicy(sample=1.0))
    records = [*exchange("a", "one", "p"), *exchange("b", "one", "q"), *exchange("c", "two", "p")]
    store.ledger.drain("w", "s", 1, [*records, feedback("f1", "one", "a"), feedback("f2", "two", "c")])
    read, found = store.exchanges, ExchangeFilter(since=0, until=1e6, project="p")
    for tenant, project, names in (("one", "p", ["a"]), ("one", "q", ["b"]), ("two", "q", []), (None, "p", ["a", "c"])):
        assert sorted(row.request_id for row in read.tail(9, tenant=tenant, project=project)) == names
        assert read.usage(0, 1e6, "project", tenant=tenant, project=project).requests == len(names)
        traces = store.traces.list_traces(0, 1e6, 9, tenant=tenant, project=project)
        assert sorted(trace.request_id for trace in traces) == names
    assert [row.request_id for row in read.find(found, 9, tenant="one").rows] == ["a"]
    assert read.show("b", tenant="one", project="p") is None is store.traces.find("b", tenant="one", project="p")
    reports = [store.feedback.report(0, 9, tenant="one", project=project).last for project in ("p", "q")]
    assert [[row.id for row in last] for last in reports] == [["f1"], []]


def test_series_of_a_project_are_those_of_its_keys(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [*exchange("a", "one"), *exchange("b", "two")])
    store.keys.add([msgspec.structs.replace(KEY, id="k", project="p")])  # of the tenant `one`
    for tenant, project, count in (("one", "p", 1), ("one", "q", 0), ("two", "q", 0)):
        where = SeriesFilter(project=project)
        assert len(store.series.read(60, 0, 1000, tenant=tenant, where=where)) == count
        for by in ([], ["key"]):
            assert (
                sum(row.requests for row in store.series.totals(60, 0, 1000, by, tenant=tenant, where=where)) == count
            )


def test_lost_requests_are_counted_for_their_tenant(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, exchange("a", "one")[:1])
    assert store.ledger.settle_lost("w", 200.0) == 1
    assert [store.exchanges.count_lost(0, 1e6, tenant=name) for name in ("one", "two")] == [1, 0]


def test_feedback_never_joins_a_request_of_another_tenant(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [*exchange("a", "one"), feedback("f1", "one", "a"), feedback("f2", "two", "a")])
    assert {row.id: row.matched for row in store.feedback.report(0, 9, tenant=None).last} == {"f1": True, "f2": False}


def test_rows_of_the_release_before_are_the_default_tenants(store: SqlStore) -> None:
    row = "'a', 1, 2, 'k', 'p', '/v1/x', 'm', 0, false, 'ok', 200, 1, 1, false, 0.1, '', ''"
    names = (
        "request_id, at, settled_at, key_id, project, endpoint, route, route_version, streamed, outcome, status, "
        "input_tokens, output_tokens, estimated, duration_s, attempts, guards"
    )
    with store.database.write() as connection:
        connection.execute(sa.text(f"INSERT INTO exchanges ({names}) VALUES ({row})"))
    assert store.exchanges.usage(0, 10, None, tenant="default").requests == 1


KEY = KeyRecord(
    id="k1", name="n", digest="d" * 64, tenant="one", rpm=5, created_at=1.0, created_by="operator:1000",
    rights=frozenset({"infer"}),
)  # fmt: skip


def test_a_key_comes_back_as_it_was_kept(store: SqlStore) -> None:
    store.keys.add([KEY])
    store.keys.add([msgspec.structs.replace(KEY, name="another")])  # the id exists
    assert store.keys.list_keys(tenant=None) == [KEY] == store.keys.list_keys(tenant="one")
    assert store.keys.list_keys(tenant="two") == []


def test_the_terms_of_a_key_come_back_as_they_were_kept(store: SqlStore) -> None:
    terms = msgspec.structs.replace(
        KEY, models=frozenset({"b", "a"}), networks=("10.0.0.0/8", "::1/128"), not_before=2.0, expires_at=3.0,
        replaced_by="k2", lineage="k0",
    )  # fmt: skip
    store.keys.add([terms])
    assert store.keys.list_keys(tenant="one") == [terms]


def test_a_key_is_replaced_once_and_only_in_force(store: SqlStore) -> None:
    store.keys.add([KEY])
    new, late = (msgspec.structs.replace(KEY, id=name) for name in ("k2", "k3"))
    version = store.keys.version()
    old = store.keys.replace("k1", new, 50.0)
    assert old is not None and (old.id, old.replaced_by, old.expires_at) == ("k1", "k2", 50.0)
    assert store.keys.version() > version
    assert store.keys.replace("k1", late, 60.0) is None and store.keys.replace("none", late, 60.0) is None
    store.keys.revoke("k2", 9.0, "operator:7")
    assert store.keys.replace("k2", late, 60.0) is None
    assert {record.id for record in store.keys.list_keys(tenant=None)} == {"k1", "k2"}


def test_the_last_use_of_a_key_is_the_latest_that_was_drained(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [*exchange("a", "one"), feedback("f1", "one", "a")])
    store.ledger.drain("w", "s", 2, exchange("b", "one"))  # at 100, drained later
    assert store.keys.last_uses(tenant="one") == {"k": 150.0} == store.keys.last_uses(tenant=None)
    assert store.keys.last_uses(tenant="two") == {}


def test_a_key_is_revoked_once_and_the_version_tells(store: SqlStore) -> None:
    assert store.keys.version() == 0
    store.keys.add([KEY])
    first = store.keys.version()
    revoked = store.keys.revoke("k1", 9.0, "operator:7")
    assert revoked is not None and (revoked.revoked_at, revoked.revoked_by) == (9.0, "operator:7")
    second = store.keys.version()
    assert store.keys.revoke("k1", 10.0, "operator:8") is None and store.keys.revoke("none", 1.0, "x") is None
    assert 0 < first < second == store.keys.version() and store.keys.list_keys(tenant=None) == [revoked]


PERSON = Person(
    id="anna", tenant="one", groups=("ml",), password_hash="$argon2id$x", totp=b"s", created_at=1.0,
    created_by="operator:1", changed_at=1.0,
)  # fmt: skip
GRANT = Grant(
    id="g1", subject="person:anna", role="viewer", place=Place("one", "p", "route:x"), created_at=1.0, created_by="o:1"
)


def test_people_are_added_once_changed_and_listed_for_their_tenant(store: SqlStore) -> None:
    assert store.access.add_person(PERSON) and not store.access.add_person(PERSON)
    assert store.access.list_people(tenant="one") == [PERSON] == store.access.list_people(tenant=None)
    assert store.access.list_people(tenant="two") == []
    changed = msgspec.structs.replace(PERSON, disabled_at=5.0, groups=(), totp=None)
    store.access.change_person(changed)
    assert store.access.list_people(tenant=None) == [changed]


def test_sessions_are_found_by_their_digest_and_end(store: SqlStore, open_store: Open) -> None:
    other = open_store()
    mine = PersonSession(
        id="a" * 64, tenant="one", subject="person:anna", method="password", created_at=1.0, expires_at=9.0
    )
    theirs = PersonSession(
        id="b" * 64,
        tenant="two",
        subject="person:corp/bert",
        groups=("x", "y"),
        method="oidc",
        created_at=2.0,
        expires_at=5.0,
    )
    for session in (mine, theirs, msgspec.structs.replace(mine, id="c" * 64)):
        store.sessions.add(session)
    assert (other.sessions.find("a" * 64), other.sessions.find("b" * 64)) == (mine, theirs)
    assert other.sessions.find("none") is None
    listed = [[one.id[0] for one in other.sessions.list_sessions(now, tenant=mine.tenant)] for now in (4.9, 1e9)]
    assert "a" in listed[0] and listed[1] == [] and other.sessions.list_sessions(0.0, tenant="nobody") == []
    for until in (9.0, 7.0):
        store.sessions.prolong("a" * 64, until)
        prolonged = other.sessions.find("a" * 64)
        assert prolonged is not None and prolonged.expires_at == max(mine.expires_at, 9.0)
    store.sessions.end("a" * 64)
    assert other.sessions.find("a" * 64) is None and other.sessions.end_of("person:anna") == 1
    assert store.sessions.delete_expired(4.9) == 0 and store.sessions.delete_expired(5.0) == 1
    assert store.sessions.find("b" * 64) is None


def test_grants_and_roles_come_back_and_raise_the_version_of_the_keys(store: SqlStore) -> None:
    versions = [store.keys.version()]
    for change in (
        lambda: store.access.add_person(PERSON),
        lambda: store.access.change_person(PERSON),
        lambda: store.access.add_grant(GRANT),
        lambda: store.access.add_grant(msgspec.structs.replace(GRANT, id="g2", place=Place("two"))),
        lambda: store.access.put_role(Role("own", frozenset({"infer"}))),
        lambda: store.access.put_role(Role("own", frozenset({"infer", "feedback"}))),
    ):
        change()
        versions.append(store.keys.version())
    assert len(set(versions)) == len(versions)
    assert store.access.list_roles() == [Role("own", frozenset({"infer", "feedback"}))]
    assert store.access.list_grants(tenant="one") == [GRANT] and len(store.access.list_grants(tenant=None)) == 2
    assert store.access.remove_grant("g1") and not store.access.remove_grant("g1")
    assert store.access.list_grants(tenant="one") == [] and store.keys.version() > versions[-1]


def test_the_first_secret_and_the_first_root_stay(store: SqlStore, open_store: Open) -> None:
    other = open_store()
    first, late = WrappedSecret("pepper", "", 1, b"a"), WrappedSecret("pepper", "", 1, b"b")
    assert store.secrets.ensure(first, 1.0) == first == other.secrets.ensure(late, 2.0)
    second = other.secrets.ensure(WrappedSecret("pepper", "", 2, b"c"), 2.0)
    assert store.secrets.list_secrets("pepper") == [first, second] and store.secrets.list_secrets("none") == []
    assert store.secrets.ensure_root("f1", 1.0) == "f1" == other.secrets.ensure_root("f2", 2.0)


def test_secrets_are_wrapped_anew_with_the_root_that_the_store_is_bound_to_or_not_at_all(store: SqlStore) -> None:
    secrets = store.secrets
    assert secrets.find_root() is None
    secrets.ensure_root("f1", 1.0)
    for tenant in ("a", "b"):
        secrets.ensure(WrappedSecret("k", tenant, 1, b"old"), 1.0, "f1")

    def wrap(secret: WrappedSecret) -> WrappedSecret:
        return msgspec.structs.replace(secret, wrapped=f"new {secret.tenant}".encode())

    before = store.keys.version()
    assert secrets.rebind("f0", "f2", wrap) is None and secrets.find_root() == "f1"
    assert secrets.rebind("f1", "f2", wrap) == 2 and secrets.find_root() == "f2"
    assert [secret.wrapped for secret in secrets.list_secrets("k")] == [b"new a", b"new b"]
    assert store.keys.version() > before  # so that each machine copies them
    with pytest.raises(Unavailable, match="was rotated at this moment"):
        secrets.ensure(WrappedSecret("k", "c", 1, b"late"), 2.0, "f1")
    with pytest.raises(Unavailable):
        secrets.add(WrappedSecret("k", "a", 2, b"late"), 2.0, "f1")
    assert secrets.add(WrappedSecret("k", "a", 2, b"x"), 2.0, "f2")
    assert not secrets.add(WrappedSecret("k", "a", 2, b"y"), 2.0, "f2")
    assert secrets.delete(WrappedSecret("k", "a", 1, b"")) and not secrets.delete(WrappedSecret("k", "a", 1, b""))
    assert [(secret.tenant, secret.version) for secret in secrets.list_secrets("k")] == [("a", 2), ("b", 1)]


def test_a_rotation_that_fails_changes_nothing(store: SqlStore) -> None:
    store.secrets.ensure_root("f1", 1.0)
    for tenant in ("a", "b"):
        store.secrets.ensure(WrappedSecret("k", tenant, 1, b"old"), 1.0)

    def wrap(secret: WrappedSecret) -> WrappedSecret:
        if secret.tenant == "b":
            raise ValueError("killed here")
        return msgspec.structs.replace(secret, wrapped=b"new")

    with pytest.raises(ValueError, match="killed here"):
        store.secrets.rebind("f1", "f2", wrap)
    assert store.secrets.find_root() == "f1"
    assert [secret.wrapped for secret in store.secrets.list_secrets("k")] == [b"old", b"old"]


def test_feedback_that_no_subject_key_seals_is_listed_and_replaced_once(store: SqlStore) -> None:
    rows = [msgspec.structs.replace(feedback(f"f{n}", "one", "a"), sealed=sealed) for n, sealed in
            enumerate((b"\x01old", SUBJECT_SEALED + b"x", b"\x02STW\x01\x02segment", None, b"\x01old"))]  # fmt: skip
    store.ledger.drain("w", "s", 1, rows)
    read = store.feedback
    assert [row.id for row in read.list_not_sealed_for_subject(9)] == ["f0", "f2", "f4"]
    assert [row.id for row in read.list_not_sealed_for_subject(1, "f0")] == ["f2"]
    assert (
        read.replace_sealed([("f0", b"\x01old", SUBJECT_SEALED), ("f2", b"another", b"y"), ("f4", b"\x01old", None)])
        == 2
    )
    assert [row.id for row in read.list_not_sealed_for_subject(9)] == ["f2"]
    assert {row.id for row in read.read_sealed([f"f{n}" for n in range(5)], tenant=None)} == {"f0", "f1", "f2"}


def evidence(name: str, at: float, check: str = "loadtest.run") -> Evidence:
    return Evidence(
        id=name, check=check, subject="model m", subject_digest="sha256:0", verdict="pass", value="p95 1 ms",
        expected="p95 < 2 ms", source="r.json", produced_at=at, valid_until=None, command="steward load run",
        signer="operator:1000",
    )  # fmt: skip


def test_evidence_is_added_never_changed_and_read_newest_first(store: SqlStore) -> None:
    old, new = evidence("ev_1", 1.0), evidence("ev_2", 2.0, "data.contract")
    for record in (old, new, msgspec.structs.replace(old, verdict="fail")):
        store.evidence.add(record, tenant="default")
    assert store.evidence.list_evidence(9, tenant="default") == [new, old]
    assert store.evidence.list_evidence(9, "loadtest.run", tenant=None) == [old]
    assert store.evidence.find("ev_1", tenant=None) == old == store.evidence.find("ev_1", tenant="default")
    assert store.evidence.find("ev_1", tenant="x") is None and store.evidence.find("ev_3", tenant=None) is None
    assert store.evidence.list_evidence(1, tenant=None) == [new] and store.evidence.list_evidence(9, tenant="x") == []


def test_the_head_of_most_entries_is_kept_for_each_log(store: SqlStore) -> None:
    assert store.audit_heads.read("b") is None
    for origin, size, note in (("b", 2, "two"), ("a", 1, "one"), ("b", 1, "old"), ("b", 3, "three"), ("b", 3, "again")):
        store.audit_heads.put(origin, size, note, 1.0)
    assert store.audit_heads.read("b") == "again" and store.audit_heads.list_heads() == [("a", "one"), ("b", "again")]


def request(name: str, at: float, digest: str = "sha256:1", tenant: str = "default") -> ApprovalRequest:
    return ApprovalRequest(
        id=name, tenant=tenant, kind="settings", subject="settings", digest=digest, content="new", before="old",
        authors=("operator:1", "person:anna"), requested_by="operator:1", requested_at=at, expires_at=at + 9,
    )  # fmt: skip


def test_approvals_are_asked_for_once_a_digest_and_decided_by_people(store: SqlStore) -> None:
    old, new, other = request("ap_1", 1.0), request("ap_2", 2.0), request("ap_3", 3.0, "sha256:2", "acme")
    for item in (old, new, new, other):
        store.approvals.add_request(item)
    assert store.approvals.list_requests(9, tenant="default") == [new, old]
    assert store.approvals.list_requests(2, tenant=None) == [other, new]
    assert store.approvals.find_request("ap_3", tenant=None) == other
    assert store.approvals.find_request("ap_3", tenant="default") is None
    assert store.approvals.find_newest("settings", "sha256:1", tenant="default") == new
    assert store.approvals.find_newest("settings", "sha256:1", tenant="acme") is None
    assert store.approvals.find_newest("prompt:a", "sha256:1", tenant="default") is None
    decided = [
        ApprovalDecision(request_id="ap_2", person="person:b", actor=actor, verdict=verdict, digest="sha256:1", at=at)
        for actor, verdict, at in (("person:b", "reject", 4.0), ("key:k", "approve", 5.0))
    ]
    for decision in reversed(decided):
        store.approvals.add_decision(decision)
    assert store.approvals.list_decisions("ap_2") == decided and store.approvals.list_decisions("ap_1") == []


def test_the_newest_proof_of_each_subject_is_read_by_tenant(store: SqlStore) -> None:
    old, new, other = (evidence(f"ev_{at}", float(at)) for at in (1, 2, 3))
    another = msgspec.structs.replace(evidence("ev_4", 0.5), subject="a model")
    for record, tenant in ((new, "default"), (old, "default"), (other, "x"), (another, "default")):
        store.evidence.add(record, tenant=tenant)
    assert store.evidence.list_newest("loadtest.run", tenant="default") == [another, new]
    assert store.evidence.list_newest("loadtest.run", tenant=None) == [another, other]
    assert store.evidence.list_newest("data.contract", tenant=None) == []


def test_a_job_that_ended_says_when_it_is_due_again(store: SqlStore) -> None:
    assert store.jobs.claim("rollup", "one", 60.0) and store.jobs.list_due() == {}  # it runs, and never ended
    before = time.time()
    assert store.jobs.finish("rollup", "one", 3600.0)
    assert before - 60.0 < store.jobs.list_due()["rollup"] - 3600.0 < time.time() + 60.0  # clocks may differ a little


def test_a_job_has_one_runner_at_a_time_and_waits_until_it_is_due(store: SqlStore, open_store: Open) -> None:
    other = open_store()
    assert store.jobs.claim("rollup", "one", 60.0) and not other.jobs.claim("rollup", "two", 60.0)
    assert not store.jobs.claim("rollup", "one", 60.0)  # it runs already
    assert not other.jobs.finish("rollup", "two", 0.0)  # not its job
    assert store.jobs.finish("rollup", "one", 3600.0)
    assert not other.jobs.claim("rollup", "two", 60.0)  # not due for an hour
    assert other.jobs.claim("another", "two", 60.0)


def test_a_lease_that_expired_is_free_and_its_late_runner_is_told(store: SqlStore, open_store: Open) -> None:
    other = open_store()
    assert store.jobs.claim("rollup", "dead", 0.05)
    deadline = time.monotonic() + 10.0
    while not other.jobs.claim("rollup", "alive", 60.0):
        assert time.monotonic() < deadline
    assert not store.jobs.finish("rollup", "dead", 3600.0)
    assert other.jobs.finish("rollup", "alive", 0.0) and store.jobs.claim("rollup", "third", 60.0)


def test_two_keepers_never_run_a_job_at_once(store: SqlStore, open_store: Open) -> None:
    running, most, runs = [0], [0], [0]
    guard = threading.Lock()

    def keep(name: str) -> None:
        mine = open_store()
        while runs[0] < 20:
            if mine.jobs.claim("rollup", name, 60.0):
                with guard:
                    running[0] += 1
                    most[0] = max(most[0], running[0])
                    runs[0] += 1
                time.sleep(0.001)
                with guard:
                    running[0] -= 1
                assert mine.jobs.finish("rollup", name, 0.0)

    threads = [threading.Thread(target=keep, args=(f"k{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_failed_write_leaves_nothing(store: SqlStore) -> None:
    with pytest.raises(Unavailable), store.database.write() as connection:
        connection.execute(sa.text("INSERT INTO counters (name, value) VALUES ('x', 1)"))
        connection.execute(sa.text("SELECT * FROM nothing_there"))
    with store.database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM counters")).scalar_one() == 0


def ended(name: str, at: float, outcome: Outcome = "ok", tenant: str = "default") -> list[Admitted | Settled]:
    admitted, settled = exchange(name, tenant)
    assert isinstance(settled, Settled)
    return [admitted, msgspec.structs.replace(settled, at=at, outcome=outcome, status=200 if outcome == "ok" else 502)]


def test_each_request_counts_once_in_the_minute_in_which_it_ended(store: SqlStore) -> None:
    first = [*ended("a", 61.0), *ended("b", 119.0, "upstream_error")]
    store.ledger.drain("w", "s", 1, first)
    store.ledger.drain("w", "s", 1, first)  # a keeper that was killed before it knew
    store.ledger.drain("w", "s", 2, [*ended("late", 70.0), *ended("c", 3600.0), *ended("d", 61.0, tenant="two")])
    rows = store.minutes.read(0, 1000, tenant="default")
    assert [(row.minute, row.model, row.route) for row in rows] == [(1, "m", "m"), (60, "m", "m")]
    assert dict(zip(COLUMNS, rows[0].sums, strict=True))["requests"] == 3
    assert dict(zip(COLUMNS, rows[0].sums, strict=True))["failed"] == 1
    assert store.minutes.span(tenant="default") == (1, 60)
    assert store.minutes.span(tenant="none") is None
    assert len(store.minutes.read(1, 60, tenant=None)) == 2  # of two tenants
    assert store.minutes.delete_before(60) == 2
    assert store.minutes.span(tenant=None) == (60, 60)


def test_what_a_dead_writer_left_open_counts_too(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, exchange("a", "default")[:1])
    store.ledger.settle_lost("w", 120.0)
    store.ledger.settle_lost("w", 180.0)
    assert [(row.minute, row.sums[0], row.sums[2]) for row in store.minutes.read(0, 10, tenant=None)] == [(2, 1.0, 1.0)]


def test_a_rating_counts_once_whether_it_comes_before_its_request_or_after(store: SqlStore) -> None:
    early, other = feedback("f1", "default", "a"), feedback("f3", "two", "a")
    store.ledger.drain("w", "s", 1, [early, other])
    assert store.minutes.span(tenant=None) is None
    store.ledger.drain("w", "s", 2, [*exchange("a", "default"), early])
    late = msgspec.structs.replace(feedback("f2", "default", "a"), subject="another")
    store.ledger.drain("w", "s", 3, [late])
    store.ledger.drain("w", "s", 3, [late])
    rated = [(row.minute, row.sums[COLUMNS.index("rated")]) for row in store.minutes.read(0, 10, tenant=None)]
    assert rated == [(1, 0.0), (2, 2.0)]  # the request ended at 101 s, the ratings came at 150 s


def totals(store: SqlStore, resolution_s: int) -> list[tuple[int, str, str, float, int]]:
    """Start, model, key, requests and number of latencies of each row."""
    return [
        (row.start, row.model, row.key, row.sums[0], count_values(decode_buckets(row.histograms[1])))
        for row in store.series.read(resolution_s, 0, 10**9, tenant=None)
    ]


def test_a_request_counts_once_in_its_minute_hour_and_day(store: SqlStore) -> None:
    first = [*timed("a", 61.0), *timed("b", 119.0)]
    store.ledger.drain("w", "s", 1, first)
    store.ledger.drain("w", "s", 1, first)  # a keeper that was killed before it knew
    assert totals(store, 60) == [(60, "m", "k", 2.0, 2)]
    store.ledger.drain("w", "s", 2, [*timed("late", 70.0), *timed("c", 7200.0), *timed("d", 90000.0)])
    assert totals(store, 60) == [(60, "m", "k", 3.0, 3), (7200, "m", "k", 1.0, 1), (90000, "m", "k", 1.0, 1)]
    assert totals(store, 3600) == [(0, "m", "k", 3.0, 3), (7200, "m", "k", 1.0, 1), (90000, "m", "k", 1.0, 1)]
    assert totals(store, 86400) == [(0, "m", "k", 4.0, 4), (86400, "m", "k", 1.0, 1)]
    assert store.series.first(60, tenant="default") == 60
    assert store.series.first(60, tenant="none") is None
    assert store.series.read(60, 0, 10**9, tenant="none") == []
    assert store.series.delete_before(60, 7200).deleted == 1
    assert [row[0] for row in totals(store, 60)] == [7200, 90000]
    assert len(totals(store, 3600)) == 3


def test_series_add_up_by_names(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [*timed("a", 61.0), *timed("b", 119.0), *timed("c", 90000.0)])
    assert [(one.start, one.model, one.requests) for one in store.series.totals(86400, 0, 10**9, (), tenant=None)] == [
        (0, "", 3.0)
    ]
    days = store.series.totals(86400, 0, 10**9, ["start", "key"], tenant="default")
    assert [(one.start, one.key, one.model, one.requests) for one in days] == [(0, "k", "", 2.0), (86400, "k", "", 1.0)]
    assert [one.model for one in store.series.totals(86400, 86400, 86401, ["model"], tenant=None)] == ["m"]
    assert store.series.totals(86400, 0, 86400, ["route"], tenant=None)[0].requests == 2.0
    assert store.series.totals(86400, 0, 10**9, ["model"], tenant="none") == []
    assert store.series.totals(86400, 0, 10**9, (), tenant="none") == []


def test_results_of_prompts_are_of_the_newest_requests(store: SqlStore) -> None:
    records: list[LedgerRecord] = []
    sums: dict[str, Any] = {"input_tokens": 2, "output_tokens": 3, "usd": 0.5}
    for number, (version, outcome) in enumerate((("p@1-a", "ok"), ("p@1-a", "ok"), ("p@2-b", "timeout"), (None, "ok"))):
        admitted, settled = exchange(f"r{number}", "default")
        assert isinstance(admitted, Admitted) and isinstance(settled, Settled)
        records.append(msgspec.structs.replace(admitted, at=float(number), prompt_version=version))
        records.append(msgspec.structs.replace(settled, outcome=outcome, duration_s=number + 1.0, **sums))
    ratings = [feedback("f1", "default", "r0"), msgspec.structs.replace(feedback("f2", "default", "r1"), score=-1.0)]
    ratings.append(msgspec.structs.replace(feedback("f3", "default", "r2"), kind="regenerate", score=0.0))
    store.ledger.drain("w", "s", 1, [*records, *ratings])  # asking again is no rating
    first, second = store.exchanges.prompt_sums(10, tenant=None)
    assert (first.version, first.requests, first.errors, first.input_tokens, first.usd) == ("p@1-a", 2, 0, 4, 1.0)
    assert (first.mean_duration_s, first.rated, first.satisfied) == (1.5, 2, 1)
    assert (second.version, second.errors, second.mean_duration_s, second.rated) == ("p@2-b", 1, None, 0)
    assert [one.requests for one in store.exchanges.prompt_sums(3, tenant="default")] == [1, 1]
    assert store.exchanges.prompt_sums(1, tenant=None) == store.exchanges.prompt_sums(9, tenant="none") == []


def test_series_hold_ratings_and_lost_requests(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, [*timed("a", 101.0), *timed("b", 101.0)[:1]])
    store.ledger.settle_lost("w", 130.0)
    store.ledger.drain("w2", "s2", 1, [feedback("f", "default", "a")])
    days = store.series.read(86400, 0, 10**9, tenant="default")
    sums = {name: sum(row.sums[index] for row in days) for index, name in enumerate(SUMS)}
    assert (sums["requests"], sums["failed"], sums["rated"], sums["satisfied"]) == (2, 1, 1, 1)


def test_two_keepers_add_to_the_same_minutes(open_store: Open) -> None:
    stores, failures = [open_store(), open_store()], []
    stores[0].migrate()

    def drain(number: int) -> None:
        try:
            for turn in range(20):
                records = [*timed(f"{number}-{turn}-a", 61.0), *timed(f"{number}-{turn}-b", 4000.0)]
                stores[number].ledger.drain(f"w{number}", f"s{number}", turn + 1, records)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=drain, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert totals(stores[0], 86400) == [(0, "m", "k", 80.0, 80)]


def timed(name: str, at: float) -> list[Admitted | Settled]:
    admitted, settled = exchange(name, "default")
    assert isinstance(settled, Settled)
    return [admitted, msgspec.structs.replace(settled, at=at, duration_s=0.5)]


def test_requests_are_kept_as_traces_once_and_found_by_their_tenant(store: SqlStore) -> None:
    store.ledger.drain("w", "s", 1, exchange("before", "default"))
    assert store.traces.list_traces(0.0, 1e9, 10, tenant=None) == []  # nobody asked for any
    store.ledger.keep_traces(TracePolicy(sample=1.0))
    both = [*exchange("a", "default"), *exchange("b", "two")]
    store.ledger.drain("w", "s", 2, both)
    store.ledger.drain("w", "s", 2, both)
    kept = store.traces.list_traces(100.0, 101.0, 10, tenant=None)
    assert [(trace.request_id, trace.kept_for, trace.tenant) for trace in kept] == [
        ("a", "sampled", "default"), ("b", "sampled", "two"),
    ]  # fmt: skip
    assert [trace.request_id for trace in store.traces.list_traces(0.0, 1e9, 10, tenant="two")] == ["b"]
    assert store.traces.list_traces(100.5, 1e9, 10, tenant=None) == []
    before = store.traces.find("before", tenant="default")
    assert before is not None and before.kept_for is None and before.duration_s == 0.0
    assert store.traces.find("before", tenant="two") is None
    assert store.traces.find("none", tenant=None) is None
    store.traces.mark_exported(["a"], 200.0)
    assert [trace.request_id for trace in store.traces.list_unexported(10)] == ["b"]
    assert store.traces.delete_before(100.5).deleted == 2


def alert(name: str, **changed: Any) -> Alert:
    return Alert(
        **{
            "id": name, "rule": f"rule-{name}", "severity": "page", "summary": "s", "evidence": "e",
            "scopes": ("all", "model m"), "value": 0.5, "started_at": 100.0, **changed,
        }
    )  # fmt: skip


def test_alerts_change_and_end_and_who_looks_after_them_stays(store: SqlStore) -> None:
    store.alerts.put(alert("a"))
    store.alerts.put(alert("b", started_at=200.0))
    assert store.alerts.acknowledge("a", "operator:1", 150.0) == alert(
        "a", acknowledged_by="operator:1", acknowledged_at=150.0
    )
    store.alerts.put(alert("a", ended_at=300.0, evidence="worse"))
    assert [one.id for one in store.alerts.list_alerts(10)] == ["b", "a"]
    assert [one.id for one in store.alerts.list_alerts(10, open_only=True)] == ["b"]
    ended = store.alerts.list_alerts(10)[1]
    assert (ended.acknowledged_by, ended.ended_at, ended.evidence) == ("operator:1", 300.0, "worse")
    assert store.alerts.acknowledge("a", "operator:2", 400.0) is None  # it is over
    assert store.alerts.delete_before(301.0) == 1 and len(store.alerts.list_alerts(10)) == 1


def test_silences_end_by_themselves_or_by_hand(store: SqlStore) -> None:
    silence = Silence(id="s", rule="r", starts_at=0.0, ends_at=100.0, comment="c", created_by="operator:1")
    store.alerts.add_silence(silence)
    assert store.alerts.list_silences(99.0) == [silence] and store.alerts.list_silences(100.0) == []
    assert store.alerts.end_silence("s", 50.0) and not store.alerts.end_silence("s", 60.0)
    assert store.alerts.list_silences(50.0) == []


def test_a_notice_exists_once_and_is_due_until_it_is_delivered_or_given_up(store: SqlStore) -> None:
    notice = Notice(id="n", alert_id="a", channel="c", kind="firing", created_at=10.0, next_at=10.0)
    store.alerts.add_notices([notice, msgspec.structs.replace(notice, id="m", created_at=11.0)])
    store.alerts.add_notices([msgspec.structs.replace(notice, error="again")])
    assert [one.id for one in store.alerts.list_notices("a")] == ["n", "m"]
    assert store.alerts.list_notices("a")[0] == notice
    assert store.alerts.due_notices(9.0) == [] and len(store.alerts.due_notices(10.0)) == 2
    store.alerts.put_notice(msgspec.structs.replace(notice, attempts=1, delivered_at=12.0))
    assert [one.id for one in store.alerts.due_notices(20.0)] == ["m"]
    store.alerts.put_notice(msgspec.structs.replace(notice, id="m", attempts=MAX_ATTEMPTS, error="down"))
    assert store.alerts.due_notices(1e9) == []


def test_what_rules_said_last_is_kept_of_those_that_there_are(store: SqlStore) -> None:
    assert store.alerts.list_rule_states() == []
    few = RuleState(rule="b", state="cannot tell", why="3 ratings", at=10.0)
    fine = RuleState(rule="a", state="fine", why="", at=10.0)
    store.alerts.put_rule_states([few, fine], ["a", "b"])
    assert store.alerts.list_rule_states() == [fine, few]
    later = msgspec.structs.replace(few, state="wrong", why="300 ratings", at=20.0)
    store.alerts.put_rule_states([later], ["a", "b"])
    assert store.alerts.list_rule_states() == [fine, later]  # one that did not look keeps what it said
    store.alerts.put_rule_states([], ["b"])
    assert store.alerts.list_rule_states() == [later]


def test_alerts_of_other_systems_end_when_nobody_speaks_of_them(store: SqlStore) -> None:
    store.alerts.put(alert("own", started_at=50.0))
    for name, heard_at in (("outside-a", 1000.0), ("outside-b", 2000.0)):
        store.alerts.hear(alert(name), heard_at)
    assert [one.id for one in store.alerts.list_alerts(10, outside=True)] == ["outside-a", "outside-b"]
    assert [one.id for one in store.alerts.list_alerts(10, open_only=True, outside=False)] == ["own"]
    assert store.alerts.find_alert("outside-a") == alert("outside-a") and store.alerts.find_alert("none") is None
    assert store.alerts.end_unheard(1000.0, 3000.0) == 0
    assert store.alerts.end_unheard(1001.0, 3000.0) == 1
    assert [one.id for one in store.alerts.list_alerts(10, open_only=True, outside=True)] == ["outside-b"]
    store.alerts.hear(alert("outside-b", ended_at=2500.0), 2500.0)
    assert store.alerts.end_unheard(1e9, 3000.0) == 0
    ended = store.alerts.find_alert("outside-b")
    assert ended is not None and ended.ended_at == 2500.0


def test_when_channels_took_and_refused_what_they_were_told(store: SqlStore) -> None:
    assert store.alerts.read_channel_states() == []
    notice = Notice(id="n", alert_id="a", channel="c", kind="firing", created_at=10.0, next_at=10.0)
    later = msgspec.structs.replace(notice, id="m", channel="d")
    store.alerts.add_notices([notice, later, msgspec.structs.replace(notice, id="o", created_at=11.0)])
    assert store.alerts.read_channel_states() == [ChannelState(channel="c"), ChannelState(channel="d")]
    store.alerts.put_notice(msgspec.structs.replace(notice, attempts=3, next_at=100.0, error="HTTP 500"))
    store.alerts.put_notice(msgspec.structs.replace(later, attempts=1, delivered_at=12.0))
    assert not any(state.refused_at for state in store.alerts.read_channel_states())
    store.alerts.put_notice(msgspec.structs.replace(notice, attempts=4, next_at=180.0, error="HTTP 500"))
    store.alerts.put_notice(msgspec.structs.replace(notice, id="o", attempts=1, delivered_at=50.0))
    failing, well = store.alerts.read_channel_states()  # the fourth try was at 180 - 80 s
    assert failing == ChannelState(channel="c", delivered_at=50.0, refused_at=100.0, error="HTTP 500")
    assert failing.is_failing() and not well.is_failing() and well.delivered_at == 12.0
    trial = Notice(id="t", alert_id="test", channel="c", kind="test", created_at=200.0, attempts=1, delivered_at=200.0)
    store.alerts.add_notices([trial])
    assert not store.alerts.read_channel_states()[0].is_failing()
    store.alerts.delete_before(201.0)
    assert store.alerts.list_notices("test") == []


def test_how_far_rules_have_looked(store: SqlStore) -> None:
    assert store.alerts.read_watched() is None
    for minute in (7, 9):
        store.alerts.write_watched(minute)
        assert store.alerts.read_watched() == minute


def test_of_two_machines_one_runs_a_leased_job_and_both_run_their_own(store: SqlStore, open_store: Open) -> None:
    """Two keepers on one database: the job with a lease runs once a period, the local one on each machine."""
    ran: list[str] = []

    def machine(name: str, mine: SqlStore) -> JobRunner:
        leased = Job(name="rollup", period_s=3600.0, run=lambda: ran.append(f"{name} rollup"), lease_s=60.0)
        local = Job(name="drain", period_s=0.2, run=lambda: ran.append(f"{name} drain"))
        return JobRunner([leased, local], mine.jobs, holder=name, clock=lambda: 0.0)

    machines = [machine("one", store), machine("two", open_store())]
    for runner in (*machines, *machines):
        runner.run("rollup")
        runner.run("drain")
    assert sorted(ran) == ["one drain"] * 2 + ["one rollup"] + ["two drain"] * 2


def test_m05_a_lease_of_a_clock_that_was_set_back_holds_nobody_up(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Database.clock
    with monkeypatch.context() as ahead:
        ahead.setattr(Database, "clock", lambda self: clock(self) + 3600.0)
        assert store.jobs.claim("rollup", "dead", 60.0, 300.0)
        assert store.jobs.claim("another", "one", 60.0, 300.0) and store.jobs.finish("another", "one", 300.0)
    assert store.jobs.claim("rollup", "alive", 60.0, 300.0)
    assert store.jobs.claim("another", "two", 60.0, 300.0)  # else it would not run for an hour


def test_rated_exchanges_are_matched_ones_with_whose_they_are(store: SqlStore) -> None:
    early = msgspec.structs.replace(feedback("f2", "one", "a"), at=1.0, subject="rater", sealed=b"x")
    records = [*exchange("a", "one"), feedback("f1", "one", "a"), early, feedback("f3", "one", "unknown")]
    store.ledger.drain("w", "s", 1, records)
    rated = store.feedback.list_rated(tenant=None)
    assert [one.feedback.id for one in rated] == ["f2", "f1"]  # oldest first; f3's request is none
    assert rated[0].feedback == early and rated[0].subject in ("rater", "subject")
    assert store.feedback.list_rated(tenant="two") == []
