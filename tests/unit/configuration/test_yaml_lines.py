from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
import yaml

from steward.configuration.yaml_lines import check_size, explain_conversion, locate, read_mapping, read_struct
from steward.core.errors import InputError


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    margin: float = 0.0


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metrics: list[Metric | str]
    by_slice: dict[str, Metric] = {}
    switch: bool = False
    best: Metric | None = None


def write(folder: Path, text: str) -> Path:
    file = folder / "policy.yaml"
    file.write_text(text)
    return file


def test_lines_of_keys_and_items(tmp_path: Path) -> None:
    tree, lines = read_mapping(write(tmp_path, "a:\n  b: 1\nc:\n  - d: 2\n  - 3\n"))
    assert tree == {"a": {"b": 1}, "c": [{"d": 2}, 3]}
    assert lines == {"a": 1, "a.b": 2, "c": 3, "c.0": 4, "c.0.d": 4, "c.1": 5}


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert read_mapping(write(tmp_path, "# nothing\n")) == ({}, {})


def test_a_key_that_is_not_there_is_placed_at_the_section_around_it(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    assert locate(file, {"a": 1, "a.b": 4}, "a.b.c.d") == f"{file}:4"
    assert locate(file, {"a": 1}, "z") == str(file)


def test_a_struct_is_read(tmp_path: Path) -> None:
    read = read_struct(write(tmp_path, "metrics: [bleu, {name: f1, margin: 0.1}]\n"), Policy, "metrics")
    assert read == Policy(["bleu", Metric("f1", 0.1)])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metrics:\n  - name: f1\n    margn: 1\n", ":3: metrics.0.margn: unknown key; did you mean 'margin'?"),
        ("metrics: []\nby_slice:\n  de: {name: f, qqq: 1}\n", ":2: by_slice.*.qqq: unknown key; known here: margin"),
        ("metrics: []\nmetrcs: 1\n", ":2: metrcs: unknown key; did you mean 'metrics'?"),
        ("metrics:\n  - name: 3\n", ":2: metrics.0.name: expected text, not a whole number"),
        ("metrics: 3\n", ":1: metrics: expected a list, not a whole number"),
        ("{}\n", "the key 'metrics' is missing; add it here"),
        ("- 1\n", ":1: expected sections such as 'metrics:', not a list"),
        ("a: 1\na: 2\n", ":2: 'a' is written twice; keep one"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_struct(write(tmp_path, text), Policy, "metrics")
    assert says in str(caught.value)


def test_a_missing_file_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.yaml: No such file or directory; expected a readable YAML file"):
        read_mapping(tmp_path / "gone.yaml")


def test_a_word_that_yaml_reads_as_a_truth_value_is_taken_where_a_text_is_expected(tmp_path: Path) -> None:
    """YAML 1.1 reads `off` as false and `yes` as true; `true` is meant as one."""
    assert read_struct(write(tmp_path, "metrics: [off, {name: yes}]\n"), Policy, "metrics").metrics == [
        "off", Metric("yes")
    ]  # fmt: skip
    with pytest.raises(InputError, match="expected text, not true or false"):
        read_struct(write(tmp_path, "metrics: [{name: true}]\n"), Policy, "metrics")


def test_a_truth_value_stays_one_where_it_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":2: switch: expected true or false, not text"):
        read_struct(write(tmp_path, "metrics: []\nswitch: 'off'\n"), Policy, "metrics")
    assert read_struct(write(tmp_path, "metrics: []\nswitch: on\n"), Policy, "metrics").switch is True
    with pytest.raises(InputError, match=r":2: by_slice: expected a mapping, not true or false"):
        read_struct(write(tmp_path, "metrics: []\nby_slice: true\n"), Policy, "metrics")


def test_the_keys_of_the_section_that_is_named_are_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":3: best\.zzz: unknown key; known here: margin, name$"):
        read_struct(write(tmp_path, "metrics: []\nbest:\n  zzz: 1\n"), Policy, "metrics")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: [1\nc: 2\n", ":3: not valid YAML: "),
        ("\ta: 1\n", ":1: not valid YAML: "),
        ("a: 1\n3: x\n", ":2: a key must be a word, such as 'metrics'; quote it if it is meant so"),
        ("a: 1\n[x, y]: 1\n", ":2: a key must be a word, such as 'metrics'; quote it if it is meant so"),
        ("a: \x01\n", ": not valid YAML: "),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_mapping(write(tmp_path, text), "metrics")
    assert str(caught.value).startswith(f"{tmp_path / 'policy.yaml'}{says}")


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    preset: Literal["gopher", "c4"] | list[Literal["fineweb"]]
    count: int = 0
    inner: "Choice | None" = None


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"preset": "gophr"}, "preset: unknown value 'gophr'; did you mean 'gopher'? Known: c4, gopher"),
        ({"preset": "zzz"}, "preset: unknown value 'zzz'. Known: c4, gopher"),
        ({"preset": ["x"]}, "preset.0: unknown value 'x'. Known: fineweb"),
        ({"preset": "c4", "count": "3"}, "count: expected a whole number, not text"),
        (
            {"preset": "c4", "inner": {"preset": "c5"}},
            "inner.preset: unknown value 'c5'; did you mean 'c4'? Known: c4, gopher",
        ),
        ({}, "the key 'preset' is missing; add it here"),
    ],
)
def test_k10_a_wrong_value_is_said_in_words(tree: dict[str, object], says: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(tree, Choice)
    assert explain_conversion(caught.value, Choice) == says


class Bounded(msgspec.Struct, frozen=True):
    count: Annotated[int, msgspec.Meta(ge=1)]


def test_a_number_out_of_bounds_is_said_in_a_sentence_that_goes_on() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"count": 0}, Bounded)
    assert explain_conversion(caught.value, Bounded) == "count: expected `int` >= 1"


def test_numbers_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    """Section 10.3.2; YAML 1.1 reads 12:30 as 750 and 1e3 as a text."""
    read, _ = read_mapping(write(tmp_path, "a: 12:30\nb: 1e3\nc: -1_000\nd: .5\ne: 0x1f\nf: 1.5.1\n"))
    assert read == {"a": "12:30", "b": 1000.0, "c": -1000, "d": 0.5, "e": 31, "f": "1.5.1"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 010\n", ":2: b: 010 is octal to some and decimal to others; "),
        ("a: 2026-02-30\n", ": a value cannot be read (day is out of range for month); quote it if it is text"),
        ("a: &a [*a]\n", ": nested too deeply; an alias (*name) may contain itself"),
        ("a: " + "9" * 5000 + "\n", ": a value cannot be read (Exceeds the limit (4300 digits) for integer string "),
    ],
)
def test_a_value_that_cannot_be_read_is_said(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_mapping(write(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'policy.yaml'}{says}")


def test_a_file_has_at_most_100_000_values_with_its_aliases_written_out() -> None:
    one = yaml.ScalarNode("tag:yaml.org,2002:int", "1")
    check_size(yaml.SequenceNode("tag:yaml.org,2002:seq", [one] * 99_999))  # and the list itself
    with pytest.raises(yaml.YAMLError, match="more than 100,000 values"):
        check_size(yaml.SequenceNode("tag:yaml.org,2002:seq", [one] * 100_000))
    pairs = [(one, one)] * 49_999
    check_size(yaml.MappingNode("tag:yaml.org,2002:map", [*pairs]))
    with pytest.raises(yaml.YAMLError):
        check_size(yaml.MappingNode("tag:yaml.org,2002:map", [*pairs, (one, one)]))
