"""dataset.yaml: where training rows come from, under which purpose and basis, and how they are chosen.

name: support
sources:
  - {path: answers.jsonl, basis: consent, consent: agreed, subject: customer}
  - {kind: feedback, path: exchanges.jsonl, basis: consent}
replay: {path: old.jsonl, share: 0.25}
evaluation_sets: [{path: suites/*.jsonl, fields: [question]}]
balance: {column: topic, traffic: {orders: 60, returns: 40}}
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from steward.configuration.section import Section
from steward.improvement.dataset.rows import Basis
from steward.improvement.dataset.selection import MODEL_SHARE, PURPOSE

SourceKind = Literal["file", "feedback", "captured"]


class RowSource(Section):
    """Where rows come from."""

    kind: SourceKind = Field(
        "file",
        description="file: rows of your own; feedback: ratings and corrections of this home, joined by request_id to "
        "the exchanges in `path`; captured: exchanges that this home has kept",
    )
    path: str | list[str] | None = Field(None, description="files or patterns, relative to this file")
    purposes: list[str] = Field(
        [PURPOSE], description="what the rows may be used for; without `training` none is taken"
    )
    basis: Basis | None = Field(
        None,
        description="why they may be used; with `consent` each row must say yes. Default: consent for captured "
        "exchanges, else own data",
    )
    consent: str | None = Field(
        None, description="column that says whether the person agreed: yes or no; no is heard whatever the basis"
    )
    subject: str = Field("subject", description="column that names the person; only its HMAC is kept")
    conversation: str = Field("conversation", description="column that names the conversation")
    time: str = Field("at", description="column of the time: seconds since 1970, or 2026-11-29T12:00:00Z")
    correction: str = Field("correction", description="column of the answer that should have been given")
    score: str = Field("score", description="column of a rating from -1 to 1")
    written_by: Literal["people", "model"] = Field("people", description="who wrote the answers in `path`")
    unrated: bool = Field(False, description="also take exchanges that nobody rated; of captured and feedback only")

    @field_validator("path")
    @classmethod
    def _require_paths(cls, value: str | list[str] | None) -> str | list[str] | None:
        if value in ("", []):
            raise ValueError("expected at least one file or pattern, such as answers/*.jsonl")
        return value

    @model_validator(mode="after")
    def _check_kind(self) -> RowSource:
        if self.kind != "captured" and self.path is None:
            raise ValueError(f"a source of kind {self.kind} needs `path`: the files with the exchanges")
        if self.kind == "captured" and self.path is not None:
            raise ValueError("a source of kind captured has no `path`: it reads what this home has kept")
        if self.unrated and self.kind == "file":
            raise ValueError(
                "`unrated` is for captured exchanges and feedback; a file's rows are taken without a rating"
            )
        if self.kind != "captured" and self.basis == "consent" and self.consent is None:
            raise ValueError("basis consent needs `consent`: the column that says whether each person agreed")
        return self

    def list_patterns(self) -> list[str]:
        return [self.path] if isinstance(self.path, str) else self.path or []

    def choose_basis(self) -> Basis:
        """The basis that is written, else the usual one of the kind."""
        return self.basis or ("consent" if self.kind == "captured" else "own data")


class ReplayConfig(Section):
    """Old rows beside the new ones, so that a model does not forget what it could."""

    path: str | list[str] = Field(description="files with old rows, relative to this file")
    share: float = Field(
        0.25, ge=0, lt=1, description="their share of the training slice; without any, old topics are forgotten"
    )
    written_by: Literal["people", "model"] = Field("people", description="who wrote the answers")


class EvaluationSet(Section):
    """Items that must not be trained on."""

    path: str = Field(description="files or patterns, relative to this file")
    fields: list[str] = Field(
        [], description="fields to look for; default all. Name the question's where answers are templates"
    )
    subject: str = Field("subject", description="field that names the person of an item; their rows are left out")


class BalanceConfig(Section):
    """Rows that are rated are no sample of the traffic."""

    column: str = Field(description="column that rows are grouped by, such as topic, route or language")
    traffic: dict[str, float] = Field(min_length=1, description="how much of the traffic each group is, in any unit")
    tolerance: float = Field(2.0, ge=1, description="a group may be so many times its share of the traffic")

    @field_validator("traffic")
    @classmethod
    def _check_traffic(cls, value: dict[str, float]) -> dict[str, float]:
        if negative := [name for name, share in value.items() if not share > 0]:
            raise ValueError(f"{negative[0]}: expected a number above 0; leave out what does not occur")
        return value


class CapConfig(Section):
    """How much one person may weigh."""

    share: float = Field(0.05, gt=0, le=1, description="of all rows, from one person at most")
    rows: int = Field(20, ge=1, description="from one person at most")


class FloorConfig(Section):
    """What is not worth training on is not built."""

    rows: int = Field(200, ge=1, description="new rows in the training slice at least")
    subjects: int = Field(10, ge=1, description="people, conversations or different questions at least")


class NewestConfig(Section):
    """The newest rows judge whether what was learned holds for what is asked now."""

    days: float = Field(7.0, ge=0, description="so many days' rows are sealed as a second slice to judge by; 0: none")
    share: float = Field(
        0.2, gt=0, lt=1, description="where they are a larger share of the new rows, they are split like all others"
    )


class ScrubConfig(Section):
    """Personal data in the texts."""

    profile: str = Field("default", description="what is looked for, as in `steward privacy scan`; off: nothing")


class DuplicatesConfig(Section):
    """Rows that say the same."""

    near: float | None = Field(
        0.9, gt=0, le=1, description="Jaccard similarity of two rows that are the same; null: exact duplicates only"
    )


class DatasetConfig(Section):
    """dataset.yaml, whole."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="letters, digits and . _ -")
    description: str = Field("", description="for people, in the Croissant file")
    license: str = Field("", description="such as https://spdx.org/licenses/CC-BY-4.0.html, in the Croissant file")
    tenant: str = Field("default", description="whose people they are")
    project: str = Field("default", description="pseudonyms of people are made for one project")
    sources: list[RowSource] = Field(min_length=1, description="where rows come from")
    replay: ReplayConfig | None = Field(None, description="old rows beside the new ones")
    evaluation_sets: list[EvaluationSet] = Field([], description="items that must not be trained on")
    balance: BalanceConfig | None = Field(None, description="keep groups near their share of the traffic")
    cap: CapConfig = Field(CapConfig.defaults(), description="how much one person may weigh")
    floor: FloorConfig = Field(FloorConfig.defaults(), description="what is not worth training on is not built")
    newest: NewestConfig = Field(NewestConfig.defaults(), description="a second slice to judge by: the newest rows")
    scrub: ScrubConfig = Field(ScrubConfig.defaults(), description="personal data in the texts")
    duplicates: DuplicatesConfig = Field(DuplicatesConfig.defaults(), description="rows that say the same")
    model_share: float = Field(
        MODEL_SHARE, gt=0, le=1, description="share of the training slice that a model may have written"
    )
    contract: dict[str, Any] | None = Field(
        None, description="a data contract for the finished set, as `steward data check` takes it"
    )
