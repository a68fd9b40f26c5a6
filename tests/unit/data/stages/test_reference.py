"""Each stage and each format has a page: its parameters, its source, what it reads and what not."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from steward.data import c4, chat_checks, fineweb, gopher
from steward.data.config import GIVEN_BY_CODE, Format
from steward.data.contract import Contract
from steward.data.stage_table import STAGES

FOLDER = Path(__file__).parents[4] / "docs" / "reference" / "data"
NAMES = [name for name in STAGES if not name.startswith("t.")]  # those of other tests


def read_page(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_a_stage_is_on_its_page(name):
    module, _, cls = STAGES[name].partition(":")
    stage = getattr(__import__(module, fromlist=[cls]), cls)
    page = read_page(name)
    fields = {field.name for field in msgspec.structs.fields(stage)} - set(GIVEN_BY_CODE)
    assert {field for field in fields if f"`{field}`" not in page and f"{field}:" not in page} == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_names_its_source(name):
    """A year, an RFC, a standard, or whose list or code it is."""
    assert re.search(r"\b(19|20)\d\d\b|RFC \d{4}|[Ss]ources?\b|your own", read_page(name))


@pytest.mark.parametrize("name", [*NAMES, *(f"format-{kind}" for kind in get_args(Format) if kind != "tsv")])
def test_every_page_says_what_is_not_read(name):
    assert "not read" in " ".join(read_page(name).split()).lower()


def test_every_rule_of_a_contract_is_on_its_page():
    page = read_page("contract")
    names = [field.alias or name for name, field in Contract.model_fields.items()]
    assert [name for name in names if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("limits", [gopher.LIMITS, fineweb.LIMITS, chat_checks.LIMITS])
def test_thresholds_on_the_page_are_those_of_the_code(limits):
    flat = " ".join(read_page("quality").split())
    for rule, limit in limits.items():
        shown = f"`{rule}` {limit:,}" if limit else f"`{rule}`"
        assert shown in flat or (rule.startswith("duplicated") and 5 < int(rule.split("_")[1]) < 10), rule
    assert c4._DATATROVE.limits == {"too_few_sentences": 5, "min_words_per_line": 3}
