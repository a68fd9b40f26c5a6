import pytest

from steward.console.paging import match_words, read_number, take_page, write_address


@pytest.mark.parametrize(
    ("asked", "first", "last", "before", "after"),
    [
        ("", 1, 10, "", "/x?page=2"),
        ("1", 1, 10, "", "/x?page=2"),
        ("2", 11, 20, "/x", "/x?page=3"),
        ("3", 21, 25, "/x?page=2", ""),
        ("4", 21, 25, "/x?page=2", ""),
        ("0", 1, 10, "", "/x?page=2"),
        ("-1", 1, 10, "", "/x?page=2"),
        ("1e9", 1, 10, "", "/x?page=2"),
        ("9" * 30, 1, 10, "", "/x?page=2"),
        ("٢", 1, 10, "", "/x?page=2"),
    ],
)
def test_the_nearest_page_is_shown(asked: str, first: int, last: int, before: str, after: str) -> None:
    page = take_page(range(1, 26), {"page": asked}, "/x", size=10)
    assert (page.rows[0], page.rows[-1]) == (first, last) == (page.first, page.last)
    assert (page.total, page.before, page.after) == (25, before, after)


def test_no_rows_are_a_page_too() -> None:
    assert take_page([], {"page": "3"}, "/x") == ([], 0, 0, 0, "", "")


def test_a_full_page_has_none_after_it() -> None:
    assert take_page(range(10), {}, "/x", size=10).after == "" != take_page(range(11), {}, "/x", size=10).after


def test_addresses_hold_what_was_asked_for() -> None:
    assert write_address("/x", {"a": "1 &", "b": ""}, c="2") == "/x?a=1+%26&c=2"
    assert write_address("/x", {"a": "1"}, a="") == "/x"
    assert (read_number("7", 1), read_number("", 1), read_number("1234567890", 1)) == (7, 1, 1)
    assert read_number("123456789", 1) == 123_456_789


def test_every_word_must_stand_somewhere() -> None:
    assert match_words("a b", "xa", "yB") and not match_words("a b", "xa") and match_words(" ", None)
