"""The page on stages names every parameter and every rule of the filters."""

import re
from pathlib import Path

import msgspec
import pytest

from steward.data import c4, chat_checks, fineweb, gopher
from steward.data.stage_table import STAGES

FOLDER = Path(__file__).parents[4] / "docs" / "reference"
PAGE, OTHER, SHAPING = ((FOLDER / name).read_text() for name in ("data-stages.md", "data-dedupe.md", "data-shaping.md"))
SHAPE = ("tokens", "filter", "columns", "split", "sample", "mix", "pack", "sort")
HERE = (
    "quality",
    "normalise",
    "language",
    "secrets",
    "pii",
    "custom",
    "sources",
    "classifier",
    "blocklist",
    "perplexity",
    "toxicity",
    "preprocess",
    "extract",
    *SHAPE,
)


def find_section(name: str) -> str:
    page = SHAPING if name in SHAPE else PAGE if name in HERE else OTHER
    return page.split(f"\n## {name}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", HERE)
def test_every_parameter_of_a_stage_is_on_the_page(name):
    module, _, cls = STAGES[name].partition(":")
    stage = getattr(__import__(module, fromlist=[cls]), cls)
    section = find_section(name)
    fields = {field.name for field in msgspec.structs.fields(stage)} - {
        "detector",
        "change",
        "counter",
        "extractor",
        "segmenter",
        "scorer",
    }
    assert {field for field in fields if f"`{field}`" not in section and f"{field}:" not in section} == set()


@pytest.mark.parametrize("name", [name for name in STAGES if not name.startswith("t.")])  # those of other tests
def test_every_stage_names_its_source(name):
    """A year, an RFC, a standard, or whose list or code it is."""
    section = find_section(name)
    assert re.search(r"\b(19|20)\d\d\b|RFC \d{4}|[Ss]ources?\b|your own", section)


@pytest.mark.parametrize("limits", [gopher.LIMITS, fineweb.LIMITS, chat_checks.LIMITS])
def test_thresholds_on_the_page_are_those_of_the_code(limits):
    flat = " ".join(PAGE.split())
    for rule, limit in limits.items():
        shown = f"`{rule}` {limit:,}" if limit else f"`{rule}`"
        assert shown in flat or (rule.startswith("duplicated") and 5 < int(rule.split("_")[1]) < 10), rule
    assert c4._DATATROVE.limits == {"too_few_sentences": 5, "min_words_per_line": 3}
