"""Keys in the store and this machine's copy of them, without a gateway."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError, Refused, Unavailable, UnknownName
from steward.core.identity import ALL_RIGHTS, Principal, operator
from steward.core.records import LimitSpec
from steward.workflows import keys
from steward.workflows.key_cache import cache_file, confirmation_file, read_cache, read_revoked_ids
from steward.workflows.key_terms import KeyTerms
from steward.workflows.serve.deployment import HomeDeployment, find_deployment
from steward.workflows.serve.worker_keys import WorkerKeys

ME = operator(7)


def create(home: Path, name: str = "k", actor: Principal = ME) -> keys.CreatedKey:
    return keys.create(home, name, LimitSpec(requests_per_minute=3), 1.0, actor=actor)


def worker(home: Path, now: float | None = None) -> WorkerKeys:
    return WorkerKeys(find_deployment(home), *(() if now is None else (lambda: now,)))


def break_store(home: Path) -> None:
    """From now on the store is a server that is not there."""
    (home / "run").mkdir(exist_ok=True)
    (home.parent / "steward.yaml").write_text(
        f"home: {home.name}\nstore: {{kind: postgresql, url: 'file:{home.parent / 'url'}'}}\n"
    )
    (home.parent / "url").write_text("postgresql://127.0.0.1:1/none")


def test_a_key_that_was_created_is_found_with_its_limits_and_maker(tmp_path: Path) -> None:
    made = create(tmp_path / "home")
    found = worker(tmp_path / "home").find(made.key)
    assert found is not None and (found.id, found.rpm, found.created_by) == (made.id, 3, "operator:7")
    wrong = made.key[:-1] + ("1" if made.key.endswith("0") else "0")
    assert worker(tmp_path / "home").find(wrong) is None


def test_a_new_key_is_found_at_once_by_a_worker_that_has_not_polled(tmp_path: Path) -> None:
    create(tmp_path, "first")
    running = worker(tmp_path)
    made = create(tmp_path, "second")
    found = running.find(made.key)
    assert found is not None and found.id == made.id


def test_among_many_keys_a_new_one_waits_for_the_poll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path, "first")
    create(tmp_path, "second")
    monkeypatch.setattr("steward.workflows.serve.worker_keys.FEW", 1)  # reading 2,000 takes its time
    running = worker(tmp_path)
    made = create(tmp_path, "third")
    assert running.find(made.key) is None
    asyncio.run(running.refresh())
    assert running.find(made.key) is not None


def test_a_key_belongs_to_its_makers_tenant(tmp_path: Path) -> None:
    admin = Principal(kind="operator", id="1", tenant="acme", project="p", rights=ALL_RIGHTS)
    made = create(tmp_path, actor=admin)
    found = worker(tmp_path).find(made.key)
    assert found is not None and (found.tenant, found.project) == ("acme", "p")
    own = worker(tmp_path).subject_key("acme")
    assert len(own) == 32 and own != worker(tmp_path).subject_key("default")


@pytest.mark.parametrize(
    ("within", "project", "belongs_to"),
    [(None, None, "own"), (None, "shop", "shop"), ("shop", None, "shop"), ("shop", "shop", "shop")],
)
def test_a_key_belongs_to_the_project_that_its_maker_names_or_is_bound_to(
    tmp_path: Path, within: str | None, project: str | None, belongs_to: str
) -> None:
    maker = Principal(kind="person", id="anna", project="own", within=within, rights=ALL_RIGHTS)
    made = keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=maker, project=project)
    found = worker(tmp_path).find(made.key)
    assert found is not None and found.project == belongs_to


def test_who_is_bound_to_a_project_makes_no_keys_of_another(tmp_path: Path) -> None:
    bound = Principal(kind="person", id="anna", within="shop", rights=ALL_RIGHTS)
    with pytest.raises(InputError, match="project 'bank': person:anna may create keys of the project 'shop' only"):
        keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=bound, project="bank")


def test_secrets_are_nowhere_in_the_home(tmp_path: Path) -> None:
    made = create(tmp_path)
    subject_key = worker(tmp_path).subject_key("default")
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert subject_key not in path.read_bytes() and made.key.encode() not in path.read_bytes()
    assert cache_file(tmp_path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_revoked_key_is_refused_and_remembers_who_revoked_it(tmp_path: Path, by: str) -> None:
    made = create(tmp_path)
    ended = keys.revoke(tmp_path, getattr(made, by), 9.0, actor=operator(8))
    assert (ended.revoked_at, ended.revoked_by, ended.pending) == (9.0, "operator:8", False)
    assert worker(tmp_path).find(made.key) is None and not read_revoked_ids(tmp_path)
    with pytest.raises(UnknownName):
        keys.revoke(tmp_path, made.id, 10.0, actor=ME)


def test_an_unknown_key_names_the_known_ones(tmp_path: Path) -> None:
    made = create(tmp_path)
    with pytest.raises(UnknownName, match=made.id):
        keys.revoke(tmp_path, "nobody", 1.0, actor=ME)


def test_the_first_keys_file_goes_with_the_key(tmp_path: Path) -> None:
    first, other = create(tmp_path, "first"), create(tmp_path, "other")
    (tmp_path / "first-key").write_text(first.key)
    keys.revoke(tmp_path, other.id, 1.0, actor=ME)
    assert (tmp_path / "first-key").exists()
    keys.revoke(tmp_path, "first", 1.0, actor=ME)
    assert not (tmp_path / "first-key").exists()


def test_with_the_store_away_a_revocation_holds_here_and_is_passed_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = create(home)
    running = worker(home)
    break_store(home)
    ended = keys.revoke(home, "k", 9.0, actor=ME)
    asyncio.run(running.refresh())
    assert ended.pending and ended.revoked_at == 9.0 and running.find(made.key) is None
    with pytest.raises(Unavailable):
        create(home, "another")
    (tmp_path / "steward.yaml").unlink()
    assert keys.prepare_home(home, 20.0) and not read_revoked_ids(home)
    (kept,) = keys.list_keys(home, actor=operator(7))
    assert (kept.revoked_at, kept.revoked_by) == (9.0, "operator:7") and worker(home).find(made.key) is None


def test_a_damaged_copy_keeps_the_keys_says_so_and_still_revokes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made, other = create(tmp_path), create(tmp_path, "other")
    running = worker(tmp_path)
    cache_file(tmp_path).write_text("{")
    asyncio.run(running.refresh())
    assert running.find(made.key) is not None and "keys.json" in str(running.find_lack()) and "keys.json" in caplog.text
    (tmp_path / "keys-revoked").mkdir(exist_ok=True)
    (tmp_path / "keys-revoked" / made.id).write_text("also damaged")
    asyncio.run(running.refresh())
    assert running.find(made.key) is None and running.find(other.key) is not None
    (tmp_path / "keys-revoked" / made.id).unlink()
    create(tmp_path, "third")  # writes the copy anew
    asyncio.run(running.refresh())
    assert running.problem == ""


def test_keys_that_the_store_has_not_confirmed_for_too_long_are_503(tmp_path: Path) -> None:
    made = create(tmp_path)
    confirmed = float(confirmation_file(tmp_path).read_text())
    assert worker(tmp_path, confirmed + 3600.0).find(made.key) is not None
    with pytest.raises(Refused) as refused:
        worker(tmp_path, confirmed + 3600.1).find(made.key)
    assert (refused.value.status, refused.value.code) == (503, "keys_stale")
    assert "not confirmed the keys for 3601 s" in str(worker(tmp_path, confirmed + 3600.6).find_lack())
    assert worker(tmp_path, confirmed + 3600.0).find_lack() is None


def test_the_copy_is_written_anew_only_when_a_key_has_changed(tmp_path: Path) -> None:
    create(tmp_path)
    before = cache_file(tmp_path).stat().st_ino, read_cache(tmp_path).version
    keys.prepare_home(tmp_path, 2.0)
    assert (cache_file(tmp_path).stat().st_ino, read_cache(tmp_path).version) == before
    create(tmp_path, "later")
    assert read_cache(tmp_path).version > before[1]


def test_another_root_key_is_refused_with_both_names(tmp_path: Path) -> None:
    create(tmp_path)
    (tmp_path / "root-key").write_bytes(bytes(32))
    with pytest.raises(InputError, match=r"made with root key [0-9a-f]{32}, but this machine has [0-9a-f]{32}"):
        create(tmp_path)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (LimitSpec(requests_per_minute=0), "--rpm 0: expected 1 to"),
        (LimitSpec(tokens_per_minute=-1), "--tpm -1: expected 1 to"),
        (LimitSpec(usd_per_day=-0.5), "--usd-per-day -0.5: expected 0 to"),
        (LimitSpec(concurrent=2_000_000_000), "--concurrent 2000000000"),
    ],
)
def test_limits_out_of_range_are_named(tmp_path: Path, limits: LimitSpec, words: str) -> None:
    with pytest.raises(InputError, match=words):
        keys.create(tmp_path, "k", limits, 1.0, actor=ME)
    keys.create(tmp_path, "free", LimitSpec(usd_per_day=0.0, requests_per_minute=1), 1.0, actor=ME)


@pytest.mark.parametrize(("name", "project", "team"), [("", None, None), ("k" * 201, None, None), ("k", " ", None)])
def test_names_are_1_to_200_characters(tmp_path: Path, name: str, project: str | None, team: str | None) -> None:
    with pytest.raises(InputError, match="expected 1 to 200 characters"):
        keys.create(tmp_path, name, LimitSpec(), 1.0, actor=ME, project=project, team=team)


def test_where_the_store_and_the_root_key_are(tmp_path: Path) -> None:
    home = tmp_path / "data"
    assert find_deployment(home) == HomeDeployment(home=home)
    settings = {"home": "data", "security": {"root": "env:ROOT"}, "keys": {"max_stale_s": 5.0}}
    (tmp_path / "steward.yaml").write_text(json.dumps(settings))
    assert find_deployment(home) == HomeDeployment(home=home, root="env:ROOT", max_stale_s=5.0)
    assert find_deployment(tmp_path / "another") == HomeDeployment(home=tmp_path / "another")
    assert msgspec.structs.replace(HomeDeployment(home=home)).store_url() == f"sqlite:///{home}/steward.db"


# -- terms, rotation ---------------------------------------------------------------------------------

TERMS = KeyTerms(
    rights=frozenset({"public", "infer"}), models=frozenset({"a"}), networks=("10.0.0.0/8",), not_before=2.0,
    expires_at=100.0,
)  # fmt: skip


def test_the_terms_of_a_key_arrive_at_the_workers(tmp_path: Path) -> None:
    made = keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=ME, terms=TERMS)
    found = worker(tmp_path).find(made.key)
    assert found is not None and made.expires_at == 100.0
    assert {name: getattr(found, name) for name in TERMS.__struct_fields__} == msgspec.structs.asdict(TERMS)


def test_a_rotated_key_keeps_its_terms_and_the_old_one_goes_on_for_a_while(tmp_path: Path) -> None:
    made = keys.create(tmp_path, "k", LimitSpec(requests_per_minute=3), 1.0, actor=ME, terms=TERMS, team="t")
    done = keys.rotate(tmp_path, "k", 50.0, 20.0, actor=operator(8))
    old, new = worker(tmp_path).find(made.key), worker(tmp_path).find(done.key)
    assert old is not None and new is not None
    assert (old.expires_at, old.replaced_by, done.replaces, done.replaced_until) == (70.0, new.id, old.id, 70.0)
    assert (new.expires_at, new.not_before, new.lineage) == (148.0, None, old.id)  # 98 seconds, as before
    assert (new.models, new.networks, new.rights) == (TERMS.models, TERMS.networks, TERMS.rights)
    assert (new.rpm, new.team, new.name, new.created_by) == (3, "t", "k", "operator:7")
    third = keys.rotate(tmp_path, "k", 60.0, 0.0, actor=ME, expires="never")
    newest = worker(tmp_path).find(third.key)
    assert newest is not None and (newest.lineage, newest.expires_at, third.replaces) == (old.id, None, new.id)


def test_an_overlap_never_outlasts_the_old_key(tmp_path: Path) -> None:
    keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=ME, terms=KeyTerms(expires_at=60.0))
    assert keys.rotate(tmp_path, "k", 50.0, 20.0, actor=ME).replaced_until == 60.0


def test_a_key_is_rotated_once_and_before_it_ends(tmp_path: Path) -> None:
    made = keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=ME, terms=KeyTerms(expires_at=60.0))
    with pytest.raises(InputError, match="has expired"):
        keys.rotate(tmp_path, "k", 60.0, actor=ME)
    keys.rotate(tmp_path, "k", 50.0, actor=ME)
    with pytest.raises(InputError, match="rotated already"):
        keys.rotate(tmp_path, made.id, 51.0, actor=ME)
    for overlap in (-1.0, 90 * 86400.0 + 1):
        with pytest.raises(InputError, match="overlap"):
            keys.rotate(tmp_path, "k", 52.0, overlap, actor=ME)


def test_revoking_a_key_ends_those_that_it_replaced(tmp_path: Path) -> None:
    first = create(tmp_path)
    second = keys.rotate(tmp_path, "k", 2.0, 1e6, actor=ME)
    third = keys.rotate(tmp_path, "k", 3.0, 1e6, actor=ME)
    keys.revoke(tmp_path, "k", 4.0, actor=ME)
    assert [worker(tmp_path).find(item.key) for item in (first, second, third)] == [None, None, None]
    ended = {item.id: item.revoked_at for item in keys.list_keys(tmp_path, actor=ME)}
    assert ended == {first.id: 4.0, second.id: 4.0, third.id: 4.0}


def test_revoking_a_key_that_was_replaced_leaves_its_successor(tmp_path: Path) -> None:
    first = create(tmp_path)
    second = keys.rotate(tmp_path, "k", 2.0, 1e6, actor=ME)
    keys.revoke(tmp_path, first.id, 4.0, actor=ME)
    assert worker(tmp_path).find(first.key) is None and worker(tmp_path).find(second.key) is not None


def test_a_key_shows_what_it_may_do_now(tmp_path: Path) -> None:
    made = keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=ME, terms=TERMS)
    states = {now: keys.show(tmp_path, "k", now, actor=ME) for now in (1.9, 2.0, 99.9, 100.0)}
    assert [shown.state for shown in states.values()] == ["not yet valid", "valid", "valid", "expired"]
    assert [set(shown.may) for shown in states.values()] == [set(), {"public", "infer"}, {"public", "infer"}, set()]
    assert states[2.0].last_used_at is None
    keys.revoke(tmp_path, made.id, 50.0, actor=ME)
    shown = keys.show(tmp_path, made.id, 60.0, actor=ME)
    assert (shown.state, shown.may, shown.rights) == ("revoked", frozenset(), TERMS.rights)


def test_a_person_sees_and_ends_keys_of_the_own_tenant_only(tmp_path: Path) -> None:
    one = keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=ME, tenant="one")
    anna = Principal(kind="person", id="anna", tenant="two", rights=ALL_RIGHTS)
    assert keys.list_keys(tmp_path, actor=anna) == []
    for act in (keys.show, keys.revoke, keys.rotate):
        with pytest.raises(UnknownName, match="Known: none"):
            act(tmp_path, one.id, 2.0, actor=anna)  # type: ignore[operator]
    with pytest.raises(InputError, match="person:anna belongs to 'two'"):
        keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=anna, tenant="one")
    assert worker(tmp_path).find(one.key) is not None


def test_rights_beyond_the_creators_are_refused(tmp_path: Path) -> None:
    weak = Principal(kind="key", id="x", rights=frozenset({"infer", "keys.manage"}))
    with pytest.raises(InputError, match="rights feedback, models"):
        keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=weak)
    create(tmp_path)
    with pytest.raises(InputError, match="rights feedback, models"):
        keys.rotate(tmp_path, "k", 2.0, actor=weak)


def test_work_for_a_key_goes_on_until_the_key_ends(tmp_path: Path) -> None:
    made = keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=ME, terms=TERMS)
    assert worker(tmp_path, 99.9).get(made.id) is not None and worker(tmp_path, 100.0).get(made.id) is None


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        (LimitSpec(requests_per_minute=0), "rpm"),
        (LimitSpec(tokens_per_minute=0), "tpm"),
        (LimitSpec(concurrent=0), "concurrent"),
        (LimitSpec(usd_per_day=-0.01), "usd-per-day"),
        (LimitSpec(usd_per_month=-1), "usd-per-month"),
        (LimitSpec(requests_per_minute=1_000_000_001), "rpm"),
    ],
)
def test_a_limit_is_from_1_to_a_billion_and_a_budget_from_0(tmp_path: Path, limits: LimitSpec, option: str) -> None:
    with pytest.raises(InputError, match=f"--{option} .*: expected [01] to 1,000,000,000"):
        keys.create(tmp_path, "k", limits, 1.0, actor=ME)
    least = LimitSpec(requests_per_minute=1, tokens_per_minute=1, concurrent=1, usd_per_day=0, usd_per_month=0)
    most = LimitSpec(requests_per_minute=1_000_000_000, usd_per_month=1_000_000_000)
    assert [keys.create(tmp_path, "k", each, 1.0, actor=ME).name for each in (least, most)] == ["k", "k"]


def test_a_name_has_200_characters_at_most(tmp_path: Path) -> None:
    assert create(tmp_path, "n" * 200).name == "n" * 200
    for name, shown in (("n" * 201, "n" * 99 + "…"), (" ", " "), ("", "")):
        with pytest.raises(InputError, match=f"key name '{shown}': expected 1 to 200 characters"):
            create(tmp_path, name)


def test_a_home_is_its_owners(tmp_path: Path) -> None:
    create(tmp_path / "deep" / "home")
    assert (tmp_path / "deep" / "home").stat().st_mode & 0o777 == 0o700
