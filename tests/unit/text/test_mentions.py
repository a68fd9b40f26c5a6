import pytest

from steward.core.errors import UnknownName
from steward.text.mentions import count_mentions


def test_mentions_take_the_longest_phrase_and_the_users_list(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("[a]\nnew york  # city\n[b]\nyork, new york times\n")
    assert count_mentions("The New York Times, New York, York; Yorkshire", str(mine)) == {"b": 2, "a": 1}
    with pytest.raises(UnknownName, match="did you mean 'groups'"):
        count_mentions("x", "group")
