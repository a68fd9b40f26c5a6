"""Cards: every figure names its record, statements go stale, and other programs can read them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from steward.core.errors import Contradiction
from steward.core.evidence import Evidence
from steward.governance.cards import (
    STATED,
    CardFigure,
    CardSection,
    CardStatement,
    SubjectCard,
    figures_of,
    make_card,
    make_card_bom,
    render_card_markdown,
    render_card_page,
    render_hub_card,
)

WORDS = {"owner": "Anna", "intended_use": "help <desk>", "not_for": "medicine", "limitations": "knows no May"}
FIGURE = CardFigure(name="gate", value="met: passed", source="ev_1", at=86400.0, verdict="pass")
SECTIONS = (
    CardSection(title="Training", figures=(CardFigure(name="seed", value="7", source="sha256:a"),)),
    CardSection(title="Evaluation", figures=(FIGURE,)),
    CardSection(title="Load", figures=(), none="Nothing was <proved>"),
)


def said(digest: str = "sha256:a", **words: str) -> CardStatement:
    return CardStatement(kind="model", name="m", digest=digest, words=words or WORDS, by="operator:1", at=0.0)


def card(statement: CardStatement | None = None, sections: tuple[CardSection, ...] = SECTIONS) -> SubjectCard:
    return make_card("model", "m@a", "sha256:a", sections, statement, 86400.0)


def proof(**changes: Any) -> Evidence:
    whole = Evidence(
        id="ev_1", check="evaluation.run", subject="model m on suite s", subject_digest="sha256:a", verdict="pass",
        value="0.9", expected="", source="", produced_at=1.0, valid_until=None, command="", signer="operator:1",
    )  # fmt: skip
    return msgspec.structs.replace(whole, **changes)


def test_a_figure_without_its_record_does_not_build() -> None:
    orphan = CardSection(title="Evaluation", figures=(msgspec.structs.replace(FIGURE, source=""),))
    with pytest.raises(Contradiction, match="'gate' has no record"):
        card(sections=(*SECTIONS, orphan))


def test_of_proofs_the_newest_of_each_kind_and_subject_is_shown() -> None:
    figures = figures_of([
        proof(id="ev_new", produced_at=9.0, value="0.8", expected="> 0.7"), proof(),
        proof(id="ev_2", subject="model m on suite t"), proof(id="ev_3", check="evaluation.gate", verdict="fail"),
    ])  # fmt: skip
    assert [(one.name, one.value, one.source, one.verdict) for one in figures] == [
        ("evaluation.gate: model m on suite s", "0.9", "ev_3", "fail"),
        ("evaluation.run: model m on suite s", "0.8 (expected: > 0.7)", "ev_new", "pass"),
        ("evaluation.run: model m on suite t", "0.9", "ev_2", "pass"),
    ]
    assert figures_of([]) == () and figures[1].at == 9.0


@pytest.mark.parametrize(
    ("statement", "stale", "unstated"),
    [
        (None, False, tuple(STATED)),
        (said(), False, ()),
        (said("sha256:b"), True, ()),
        (said(owner="Anna", not_for=" "), False, ("intended_use", "not_for", "limitations")),
    ],
)
def test_a_card_is_whole_where_people_have_said_all_of_this_digest(
    statement: CardStatement | None, stale: bool, unstated: tuple[str, ...]
) -> None:
    made = card(statement)
    assert (made.stale, made.unstated, made.is_whole) == (stale, unstated, not stale and not unstated)


def test_markdown_names_records_and_says_what_is_missing() -> None:
    text = render_card_markdown(card(said("sha256:b", owner="Anna")))
    assert text.startswith("# Model card: m@a\n\nDigest: `sha256:a`. Made on 1970-01-02 from live records.\n")
    assert "- Who answers for it: Anna\n- What it is for: not stated\n" in text
    assert "Stated by operator:1 on 1970-01-01 of another version (sha256:b): stale until it is confirmed." in text
    assert "## Evaluation\n\n- gate: met: passed [pass] (`ev_1`, 1970-01-02)\n" in text
    assert "- seed: 7 (`sha256:a`)\n" in text and text.endswith("## Load\n\nNothing was <proved>.\n")
    assert "Nobody has stated" in render_card_markdown(card())


def test_the_page_escapes_and_has_the_same() -> None:
    page = render_card_page(card(said()))
    assert "help &lt;desk&gt;" in page and "Nothing was &lt;proved&gt;" in page and "<proved>" not in page
    assert "Stated by operator:1 on 1970-01-01." in page and "ev_1" in page and "default-src 'none'" in page


def test_the_hub_card_begins_with_yaml() -> None:
    head, _, rest = (
        render_hub_card(card(), {"base_model": "x", "license": "mit"}).removeprefix("---\n").partition("---\n")
    )
    assert msgspec.yaml.decode(head) == {"base_model": "x", "license": "mit"} and "# Model card: m@a" in rest


@pytest.mark.parametrize("statement", [None, said(), said("sha256:b")])
@pytest.mark.parametrize("dataset", ["", "sha256:d"])
@pytest.mark.parametrize("sections", [SECTIONS, ()])
def test_the_bill_of_materials_is_valid_cyclonedx(
    statement: CardStatement | None, dataset: str, sections: tuple[CardSection, ...]
) -> None:
    bom = make_card_bom(card(statement, sections), [("m.gguf", "0" * 64)], dataset)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom)) is None


def test_the_bill_of_materials_holds_the_card_and_no_stale_words() -> None:
    component = make_card_bom(card(said()), [("m.gguf", "0" * 64)], "sha256:d")["metadata"]["component"]
    inner = component["modelCard"]
    assert component["version"] == "sha256:a" and component["publisher"] == "Anna"
    assert inner["considerations"] == {"useCases": ["help <desk>"], "technicalLimitations": ["knows no May"]}
    assert inner["quantitativeAnalysis"]["performanceMetrics"] == [{"type": "gate", "value": "met: passed"}]
    assert inner["properties"] == [
        {"name": "steward:evidence:gate", "value": "ev_1"}, {"name": "steward:seed", "value": "7"},
    ]  # fmt: skip
    assert inner["modelParameters"] == {"datasets": [{"ref": "sha256:d"}]}
    stale = make_card_bom(card(said("sha256:b")), [], "")
    assert "considerations" not in stale["metadata"]["component"]["modelCard"] and stale["components"] == []
    assert "publisher" not in stale["metadata"]["component"]


def test_the_page_shows_verdicts_and_a_bom_is_its_first_version() -> None:
    """CycloneDX 1.6: `version` begins with 1."""
    page = render_card_page(card(said()))
    assert "<td>pass</td>" in page and "<td>1970-01-02</td>" in page and page.count("1970-01-02") == 2
    assert make_card_bom(card(said()), [], "")["version"] == 1
