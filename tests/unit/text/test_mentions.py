import pytest

from steward.core.errors import UnknownName
from steward.text.mentions import count_mentions, count_words


def test_mentions_take_the_longest_phrase_and_the_users_list(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("[a]\nnew york  # city\n[b]\nyork, new york times\n")
    assert count_mentions("The New York Times, New York, York; Yorkshire", str(mine)) == {"b": 2, "a": 1}
    with pytest.raises(UnknownName, match="did you mean 'groups'"):
        count_mentions("x", "group")


def test_a_phrase_that_the_text_ends_within_is_none(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("[a]\nnew york\n[b]\nnew york times\n")
    assert count_mentions("New York", str(mine)) == {"a": 1} and count_mentions("a new", str(mine)) == {}


def test_words_are_counted_with_their_hyphens_and_apostrophes():
    assert count_words("Don't co-operate, 3 times!") == 3 + 1 and count_words("") == 0
