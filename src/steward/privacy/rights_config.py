"""The sections `retention`, `processors` and `personal_files` of steward.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from steward.configuration.section import Section

FileKind = Literal["files", "dataset", "study", "cache"]
PlainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]{0,63}$")]
Days = Annotated[float, Field(gt=0, le=36_500)]
DAY_S = 86_400.0


class RetentionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How long classes of data are kept that no other section speaks of, in seconds; None: for ever."""

    feedback_text_s: float | None = None
    request_people_s: float | None = None


class Processor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who processes personal data for us: an entry of the register."""

    name: str
    purpose: str
    country: str
    transfer: str = ""  # on what ground the data may go there
    models: tuple[str, ...] = ()  # whose requests go there
    keeps_days: float | None = None  # None: it keeps nothing
    delete_at: str = ""  # where a deletion is asked for


class PersonalFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files outside the home in which people may stand."""

    name: str
    path: str
    kind: FileKind
    keep_days: float | None = None  # after their last change; None: for ever


class RightsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes know of these sections."""

    retention: RetentionPlan = RetentionPlan()
    processors: tuple[Processor, ...] = ()
    files: tuple[PersonalFiles, ...] = ()


class RetentionConfig(Section):
    """How long data about people are kept. Captured exchanges say so in their rules, stored responses in
    `gateway.responses_store`, traces and series in `monitoring`, batches in `batches`."""

    feedback_text_days: Days | None = Field(
        None, description="after which comments and corrections are deleted; scores stay. None: kept"
    )
    request_people_days: Days | None = Field(
        None, description="after which requests no longer name their subject and conversation. None: they do"
    )

    def plan(self) -> RetentionPlan:
        return RetentionPlan(
            feedback_text_s=_seconds(self.feedback_text_days), request_people_s=_seconds(self.request_people_days)
        )


class ProcessorConfig(Section):
    """An entry of the register of processors and transfers."""

    name: PlainName = Field(description="who it is")
    purpose: str = Field(min_length=1, description="what for")
    country: str = Field(min_length=2, max_length=60, description="where the data go")
    transfer: str = Field("", description="on what ground they may, such as an adequacy decision or standard clauses")
    models: list[str] = Field(default=[], description="models whose requests go there")
    keeps_days: Days | None = Field(None, description="how long it keeps what it gets. None: not at all")
    delete_at: str = Field("", description="address where a deletion is asked for")

    def record(self) -> Processor:
        return Processor(**{**self.model_dump(), "models": tuple(self.models)})


class PersonalFilesConfig(Section):
    """A file or folder in which people may stand, so that exports and erasures look there."""

    name: PlainName = Field(description="what it is called in reports")
    path: str = Field(min_length=1, description="file or folder; a relative one from the folder that home stands in")
    kind: FileKind = Field("files", description="what it is: files, dataset, study (of `steward eval rate`) or cache")
    keep_days: Days | None = Field(
        None, description="after which a file that nothing has changed since is deleted. None: never"
    )


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * DAY_S
