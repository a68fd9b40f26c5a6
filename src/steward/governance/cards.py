"""Cards of models, systems and training sets: figures with their proofs, and what only people know. Pure.

A card holds no number of its own: each figure names the record that it comes from, and one without does not build.
What people have stated is bound to the digest of the subject, and is stale when that is another.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final, Literal

import msgspec

from steward.core.errors import Contradiction
from steward.core.evidence import Evidence
from steward.web.page import card as page_card
from steward.web.page import report_page, table

CardKind = Literal["model", "system", "data"]
STATED: Final = {
    "owner": "Who answers for it",
    "intended_use": "What it is for",
    "not_for": "What it must not be used for",
    "limitations": "Known limits",
}


class CardFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of a card."""

    name: str
    value: str
    source: str  # id of the evidence, or digest of the manifest, version or settings that says so
    at: float | None = None
    verdict: str = ""


class CardSection(msgspec.Struct, frozen=True, kw_only=True):
    """Facts under one heading; `none` is said where there are none."""

    title: str
    figures: tuple[CardFigure, ...]
    none: str = "nothing is known"


class CardStatement(msgspec.Struct, frozen=True, kw_only=True):
    """What only people know, of the subject as it was when they said so."""

    kind: CardKind
    name: str
    digest: str
    words: dict[str, str]  # keys of STATED
    by: str  # an actor
    at: float


class SubjectCard(msgspec.Struct, frozen=True, kw_only=True):
    """`steward card … --json`. `unstated`: what nobody has said; `stale`: it was said of another digest."""

    kind: CardKind
    name: str
    digest: str
    made_at: float
    sections: tuple[CardSection, ...]
    statement: CardStatement | None
    stale: bool
    unstated: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        return not self.stale and not self.unstated


def make_card(
    kind: CardKind,
    name: str,
    digest: str,
    sections: Iterable[CardSection],
    statement: CardStatement | None,
    now: float,
) -> SubjectCard:
    """:raises Contradiction: a figure without a record that it comes from"""
    listed = tuple(sections)
    for section in listed:
        for figure in section.figures:
            if not figure.source:
                raise Contradiction(f"card of {kind} {name}: {figure.name!r} has no record that it comes from")
    words = {} if statement is None else statement.words
    return SubjectCard(
        kind=kind,
        name=name,
        digest=digest,
        made_at=now,
        sections=listed,
        statement=statement,
        stale=statement is not None and statement.digest != digest,
        unstated=tuple(key for key in STATED if not words.get(key, "").strip()),
    )


def figures_of(proofs: Sequence[Evidence]) -> tuple[CardFigure, ...]:
    """The newest proof of each kind and subject, in the order of their kinds."""
    newest: dict[tuple[str, str], Evidence] = {}
    for proof in sorted(proofs, key=lambda proof: proof.produced_at):
        newest[proof.check, proof.subject] = proof
    return tuple(
        CardFigure(
            name=f"{proof.check}: {proof.subject}",
            value=proof.value + (f" (expected: {proof.expected})" if proof.expected else ""),
            source=proof.id,
            at=proof.produced_at,
            verdict=proof.verdict,
        )
        for _, proof in sorted(newest.items())
    )


# -- what people read --------------------------------------------------------------------------------


def list_statements(card: SubjectCard) -> list[tuple[str, str]]:
    """Headings and words, with a note where they are missing or stale."""
    words = {} if card.statement is None else card.statement.words
    return [(title, words.get(key, "").strip() or "not stated") for key, title in STATED.items()]


def describe_statement(card: SubjectCard) -> str:
    if card.statement is None:
        return "Nobody has stated what this is for."
    said = f"Stated by {card.statement.by} on {_day(card.statement.at)}"
    return (
        f"{said} of another version ({card.statement.digest}): stale until it is confirmed."
        if card.stale
        else f"{said}."
    )


def render_card_markdown(card: SubjectCard) -> str:
    lines = [f"# {_title(card)}", "", f"Digest: `{card.digest}`. Made on {_day(card.made_at)} from live records.", ""]
    lines += ["## Purpose and limits", "", describe_statement(card), ""]
    lines += [f"- {title}: {words}" for title, words in list_statements(card)]
    for section in card.sections:
        lines += ["", f"## {section.title}", ""]
        lines += [f"- {_describe(figure)}" for figure in section.figures] or [f"{section.none}."]
    return "\n".join(lines) + "\n"


def _describe(figure: CardFigure) -> str:
    at = "" if figure.at is None else f", {_day(figure.at)}"
    verdict = f" [{figure.verdict}]" if figure.verdict else ""
    return f"{figure.name}: {figure.value}{verdict} (`{figure.source}`{at})"


def render_card_page(card: SubjectCard) -> str:
    """One HTML file without a network."""
    said = table("|what people say", [list(item) for item in list_statements(card)])
    parts = [page_card("Purpose and limits", f"<p>{escape(describe_statement(card))}</p>{said}")]
    for section in card.sections:
        rows = [
            [figure.name, figure.value, figure.verdict or None, figure.source, figure.at and _day(figure.at)]
            for figure in section.figures
        ]
        body = table("what|value|verdict|record|at", rows) if rows else f"<p>{escape(section.none)}.</p>"
        parts.append(page_card(section.title, body))
    return report_page(_title(card), f"{escape(card.digest)} · {_day(card.made_at)}", "".join(parts))


def _title(card: SubjectCard) -> str:
    return {"model": "Model", "system": "System", "data": "Data"}[card.kind] + f" card: {card.name}"


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


# -- what programs read ------------------------------------------------------------------------------


def render_hub_card(card: SubjectCard, fields: dict[str, Any]) -> str:
    """As the Hugging Face Hub reads it: YAML between dashes, then what people read. `fields`: for the YAML."""
    return f"---\n{msgspec.yaml.encode(fields).decode()}---\n\n{render_card_markdown(card)}"


def make_card_bom(card: SubjectCard, files: Sequence[tuple[str, str]], dataset: str) -> dict[str, Any]:
    """A model as CycloneDX 1.6. `files`: paths with SHA-256; `dataset`: digest of the training set, or nothing."""
    words = {} if card.statement is None or card.stale else card.statement.words
    considerations = {
        target: [words[key]]
        for key, target in (("intended_use", "useCases"), ("limitations", "technicalLimitations"))
        if words.get(key)
    }
    proofs = [figure for section in card.sections for figure in section.figures if figure.verdict]
    facts = [figure for section in card.sections for figure in section.figures if not figure.verdict]
    model_card: dict[str, Any] = {
        "quantitativeAnalysis": {
            "performanceMetrics": [{"type": figure.name, "value": figure.value} for figure in proofs]
        },
        "properties": [{"name": f"steward:evidence:{figure.name}", "value": figure.source} for figure in proofs]
        + [{"name": f"steward:{figure.name}", "value": figure.value} for figure in facts],
    }
    model_card |= {"considerations": considerations} if considerations else {}
    model_card |= {"modelParameters": {"datasets": [{"ref": dataset}]}} if dataset else {}
    component: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{card.digest}",
        "name": card.name,
        "version": card.digest,
        "modelCard": model_card,
    }
    component |= {"publisher": words["owner"]} if words.get("owner") else {}
    parts = [
        {"type": "file", "bom-ref": f"file:{path}", "name": path, "hashes": [{"alg": "SHA-256", "content": sha256}]}
        for path, sha256 in files
    ]
    data = [{"type": "data", "bom-ref": dataset, "name": f"training set {dataset}"}] if dataset else []
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(card.made_at)),
            "component": component,
        },
        "components": [*parts, *data],
    }
