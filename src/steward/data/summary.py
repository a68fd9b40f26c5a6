"""The record of a finished run: what came in, what each stage did, what was written."""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path

import msgspec

from steward import __version__
from steward.core.errors import Contradiction, InputError
from steward.data.profile import LengthStatistics
from steward.data.read_plan import InputFile

SUMMARY, LEDGER_FILE = "summary.json", "ledger/entries.parquet"
ROWS = "rows"  # the folder of the rows, for readers that take a folder
SUCCESS = "_SUCCESS"  # an empty file beside them, once all of them are there (Hadoop's name)


class StageCount(msgspec.Struct, frozen=True):
    """What one stage did. in + added = out + dropped + merged + failed."""

    name: str
    rows_in: int = 0
    rows_out: int = 0
    added: int = 0
    dropped: int = 0
    merged: int = 0
    failed: int = 0
    changed: int = 0
    rules: dict[str, int] = {}  # "drop too_few_words": rows; and what a stage notes, as "part train"

    def add_counts(self, other: StageCount) -> StageCount:
        numbers = {
            name: getattr(self, name) + getattr(other, name)
            for name in self.__struct_fields__
            if name not in ("name", "rules")
        }
        return StageCount(
            self.name, **numbers, rules=dict(sorted((Counter(self.rules) + Counter(other.rules)).items()))
        )

    def check(self, where: str) -> None:
        """:raises Contradiction: rows came or went without an entry"""
        if self.rows_in + self.added != self.rows_out + self.dropped + self.merged + self.failed:
            raise Contradiction(
                f"{where}: stage {self.name!r} does not balance: {self.rows_in} rows in + {self.added} added, but "
                f"{self.rows_out} out + {self.dropped} dropped + {self.merged} merged + {self.failed} failed; every "
                "row that goes or comes needs an entry"
            )


class OutputPart(msgspec.Struct, frozen=True):
    """One file of the output, in the folder `rows`."""

    name: str
    rows: int
    sha256: str


class ShardResult(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of one phase."""

    shard: int
    stages: tuple[StageCount, ...]
    first_row: int
    last_row: int
    blank: int = 0
    more: bool = False  # a row has keys beside the columns
    lengths: LengthStatistics = LengthStatistics()
    parts: tuple[OutputPart, ...] = ()


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a whole run: out/summary.json. rows_in + added = rows_out + dropped + merged + failed."""

    rows_in: int
    rows_out: int
    added: int
    dropped: int
    merged: int
    failed: int
    blank_lines: int
    empty_files: int
    stages: tuple[StageCount, ...]
    digest: str  # SHA-256 over those of the parts, in order
    parts: tuple[OutputPart, ...]
    inputs: tuple[InputFile, ...]
    key: str
    kind: str
    before: LengthStatistics
    after: LengthStatistics
    version: str = __version__
    warnings: tuple[str, ...] = ()  # of the stages, before and after the run
    shards_redone: int = 0  # that this call worked on; the others had been done before

    def _repr_html_(self) -> str:
        """What a notebook shows: the stages and their numbers."""
        names = ("rows_in", "rows_out", "dropped", "merged", "failed", "added", "changed")
        head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in ("stage", *names))
        rows = "".join(
            f"<tr><th>{escape(stage.name)}</th>"
            + "".join(f"<td>{getattr(stage, name):,}</td>" for name in names)
            + "</tr>"
            for stage in self.stages
        )
        notes = "".join(f"<p>{escape(text)}</p>" for text in (*self.warnings, *find_problems(self)))
        tokens = f", {self.after.tokens:,} tokens" if self.after.token_buckets else ""
        return (
            f"<p><b>{self.rows_out:,} of {self.rows_in:,} rows</b>{tokens}, digest <code>{self.digest[:16]}</code></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{notes}"
        )


def find_problems(summary: Summary) -> list[str]:
    """Stages that let nothing through: most often a wrong setting. A run with one of them ends with exit code 1."""
    return [
        f"stage {count.name!r} removed all of its {count.rows_in:,} rows ("
        + ", ".join(f"{number:,} {rule}" for rule, number in Counter(count.rules).most_common(3))
        + "); check its settings"
        for count in summary.stages
        if count.rows_in and not count.rows_out
    ]


def read_summary(output: Path) -> Summary:
    """:raises InputError: no run has finished there"""
    try:
        return msgspec.json.decode((output / SUMMARY).read_bytes(), type=Summary)
    except OSError as error:
        raise InputError(f"{output}: no finished run; expected the output.path of `steward data run`") from error
    except msgspec.MsgspecError as error:
        raise InputError(
            f"{output / SUMMARY}: not the summary of this version's run ({error}); run it again"
        ) from error
