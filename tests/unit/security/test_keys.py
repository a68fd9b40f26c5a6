from hypothesis import given
from hypothesis import strategies as st

from steward.core.keys import KeyRecord
from steward.security.keys import KeyBook, digest_secret, mint_key, parse_key

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
    found = KeyBook([record()], b"p").find(KEY)
    assert found and found.name == "n"
    assert KeyBook([record(revoked_at=1.0)], b"p").find(KEY) is None
    assert KeyBook([record()], b"other pepper").find(KEY) is None
    assert KeyBook([], b"p").find(KEY) is None


def test_a_parsed_key_does_not_print_its_secret() -> None:
    parsed = parse_key(KEY)
    assert parsed and parsed.secret not in repr(parsed)
