from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from steward.core.identity import Right
from steward.core.keys import KeyRecord
from steward.security.keys import NOTHING, KeyIndex, KeyReach, digest_secret, mint_key, parse_key, resolve_keys

KEY = mint_key("live", bytes(range(9)), bytes(range(24)))


def record(**changes: object) -> KeyRecord:
    parsed = parse_key(KEY)
    assert parsed
    values = {"id": parsed.id, "name": "n", "digest": digest_secret(parsed.secret, b"p"), "created_at": 0.0, **changes}
    return KeyRecord(**values)  # type: ignore[arg-type]


@given(st.integers(0, len(KEY) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_any_changed_character_is_rejected(place: int, character: str) -> None:
    changed = KEY[:place] + character + KEY[place + 1 :]
    assert (parse_key(changed) is not None) == (changed == KEY)


@given(st.text())
def test_noise_is_rejected(text: str) -> None:
    assert parse_key(text) is None


def test_the_book_finds_valid_keys_only() -> None:
    found = KeyIndex([record()], {1: b"p"}).find(KEY)
    assert found and found.name == "n"
    assert KeyIndex([record(revoked_at=1.0)], {1: b"p"}).find(KEY) is None
    assert KeyIndex([record()], {1: b"other pepper"}).find(KEY) is None
    assert KeyIndex([], {1: b"p"}).find(KEY) is None


def test_a_parsed_key_does_not_print_its_secret() -> None:
    parsed = parse_key(KEY)
    assert parsed and parsed.secret not in repr(parsed)


def key(name: str, rights: set[Right], created_by: str, revoked_at: float | None = None) -> KeyRecord:
    return KeyRecord(
        id=name, name=name, digest="", created_at=0.0, rights=frozenset(rights), created_by=created_by,
        revoked_at=revoked_at,
    )  # fmt: skip


def rights_of(*records: KeyRecord) -> dict[str, set[str]]:
    return {record.id: set(record.rights) for record in resolve_keys(records)}


def test_a_key_has_no_right_that_its_creator_lacks() -> None:
    parent = key("a", {"infer", "keys.manage"}, "operator:1")
    child, grandchild = key("b", {"infer", "usage.read"}, "key:a"), key("c", {"infer", "keys.manage"}, "key:b")
    assert rights_of(parent, child, grandchild) == {"a": {"infer", "keys.manage"}, "b": {"infer"}, "c": {"infer"}}


def test_keys_of_a_revoked_unknown_or_circular_creator_have_no_rights() -> None:
    revoked = key("a", {"infer"}, "operator:1", revoked_at=1.0)
    left = key("b", {"infer"}, "key:a"), key("c", {"infer"}, "key:nobody"), key("d", {"infer"}, "somebody")
    circle = key("e", {"infer"}, "key:f"), key("f", {"infer"}, "key:e")
    assert rights_of(revoked, *left, *circle) == {name: set() for name in "bcdef"}


def test_a_key_is_checked_with_the_pepper_of_its_version() -> None:
    assert KeyIndex([record(pepper_version=2)], {1: b"other", 2: b"p"}).find(KEY) is not None
    assert KeyIndex([record(pepper_version=2)], {1: b"p"}).find(KEY) is None


def resolved(*records: KeyRecord) -> dict[str, KeyRecord]:
    return {record.id: record for record in resolve_keys(records)}


def test_a_key_has_no_model_and_no_day_beyond_its_creators() -> None:
    parent = replace(key("a", {"infer"}, "operator:1"), models=frozenset({"x", "y"}), expires_at=50.0)
    child = replace(key("b", {"infer"}, "key:a"), models=frozenset({"y", "z"}), expires_at=90.0)
    free, short = key("c", {"infer"}, "key:a"), replace(key("d", {"infer"}, "key:a"), expires_at=10.0)
    found = resolved(parent, child, free, short)
    assert (found["b"].models, found["b"].expires_at) == ({"y"}, 50.0)
    assert (found["c"].models, found["c"].expires_at) == ({"x", "y"}, 50.0)
    assert (found["d"].models, found["d"].expires_at) == ({"x", "y"}, 10.0)
    assert resolved(key("e", {"infer"}, "operator:1"))["e"].models is None


def test_a_rotation_of_the_creator_ends_nothing() -> None:
    old = replace(key("a", {"infer"}, "operator:1"), expires_at=50.0, replaced_by="b")
    new, child = replace(key("b", {"infer"}, "operator:1"), expires_at=900.0), key("c", {"infer"}, "key:a")
    found = resolved(old, new, child)
    assert (found["c"].rights, found["c"].expires_at, found["a"].expires_at) == ({"infer"}, 900.0, 50.0)
    gone = replace(new, revoked_at=1.0)
    assert resolved(old, gone, child)["c"].expires_at == 50.0  # what is left of the creator
    assert resolved(replace(old, revoked_at=1.0), new, child)["c"].rights == set()


def test_keys_that_replace_each_other_have_no_rights() -> None:
    one, two = (
        replace(key("a", {"infer"}, "key:c"), replaced_by="b"),
        replace(key("b", {"infer"}, "key:c"), replaced_by="a"),
    )
    assert rights_of(one, two, key("c", {"infer"}, "key:a")) == {"a": set(), "b": set(), "c": set()}


def test_people_reach_as_far_as_they_are_said_to() -> None:
    reach = {"person:anna": KeyReach(frozenset({"infer"}), frozenset({"x"}))}
    records = [key("a", {"infer", "usage.read"}, "person:anna"), key("b", {"infer"}, "person:bert")]
    found = {record.id: record for record in resolve_keys(records, lambda actor, key: reach.get(actor, NOTHING))}
    assert (found["a"].rights, found["a"].models, found["b"].rights) == ({"infer"}, {"x"}, set())
