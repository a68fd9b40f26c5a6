import re

import pytest
import yaml

from steward.configuration.yaml_edit import read_value, set_value
from steward.core.errors import InputError

FILE = """\
# ours
gateway:
  port: 8080  # the clients know it
  cors: {origins: [a, b]}
models:
  - {name: big, context: 1}
  - name: small
    url: "http://x"
text: |
  a
  b
empty:
"""


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("gateway.port", 9, "  port: 9  # the clients know it"),
        ("gateway.cors.origins", ["c"], "  cors: {origins: [c]}"),
        ("gateway.cors.origins.1", "x: #", '  cors: {origins: [a, "x: #"]}'),
        ("gateway.cors.more", True, "  cors: {more: true, origins: [a, b]}"),
        ("gateway.host", "0.0.0.0", '  host: "0.0.0.0"'),
        ("models.0.context", 2.5, "  - {name: big, context: 2.5}"),
        ("models.1.url", None, "    url: null"),
        ("models.1.tls.ca", "f", "  - tls: {ca: f}"),
        ("empty", {"a": 1}, "empty: {a: 1}"),
        ("empty.a.b", 1, "empty: {a: {b: 1}}"),
        ("privacy.profile", "off", "privacy: {profile: 'off'}"),
    ],
)
def test_one_value_changes_and_nothing_around_it(key: str, value: object, line: str) -> None:
    changed = set_value(FILE, key, value)
    assert line in changed.splitlines()
    before, after = FILE.splitlines(), changed.splitlines()
    assert len([one for one in before if one not in after]) <= 1
    inner = yaml.safe_load(changed)
    for part in key.split("."):
        inner = inner[int(part)] if isinstance(inner, list) else inner[part]
    assert inner == value


def test_an_empty_file_gets_its_first_value() -> None:
    assert set_value("", "gateway.port", 1) == "gateway: {port: 1}\n"
    assert set_value("# only words\n", "watch", False) == "# only words\nwatch: false\n"
    assert set_value("{}", "a", 1) == "{a: 1}"


@pytest.mark.parametrize("key", ["text", "models", "gateway", "models.7.name", "gateway.port.more", "text.more"])
def test_what_cannot_be_changed_in_place_is_refused(key: str) -> None:
    with pytest.raises(InputError, match="edit the whole file"):
        set_value(FILE, key, "x")


def test_an_alias_is_not_changed_for_all_that_share_it() -> None:
    text = "a: &one {port: 1}\nb: *one\n"
    with pytest.raises(InputError, match="edit the whole file"):
        set_value(text, "b.port", 2)


@pytest.mark.parametrize("text", ["a: [", "a: 2026-99-99", "\x00"])
def test_a_file_that_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not valid YAML"):
        set_value(text, "a", 1)


def test_values_are_read_as_yaml() -> None:
    with pytest.raises(InputError, match=re.escape(f"value: {'[' * 99 + '…'!r} is not YAML")):  # and no more of it
        read_value("[" * 200)
    assert read_value("1.5") == 1.5 and read_value("") is None and read_value("{a: [1]}") == {"a": [1]}
    with pytest.raises(InputError, match="limit: '\\[' is not YAML"):
        read_value("[", "limit")


@pytest.mark.parametrize("key", ["models.2", "models.2.name", "gateway.cors.origins.2"])
def test_the_place_after_the_last_one_of_a_list_is_none(key: str) -> None:
    with pytest.raises(InputError, match="edit the whole file"):
        set_value(FILE, key, "x")


def test_however_long_a_value_is_it_stays_on_its_line() -> None:
    names = [f"name {number}" for number in range(2_000)]
    changed = set_value("a: [1]\nb: 2\n", "a", names)
    assert changed.count("\n") == 2 and yaml.safe_load(changed) == {"a": names, "b": 2}
