"""What a stage is: a pure function from a batch of rows to a batch of rows and the ledger entries that explain them.

Every batch has the columns `row` (int64: unique in the run, ascending in the order of the input) and `id` (string: the
user's, else made from file and line), the content, and whatever else the input had, passed through. The content is one
of

    text                       large_string                              a document
    messages                   list<struct<role, content: large_string>> a chat
    prompt, chosen, rejected   large_string, or lists as of `messages`   a preference pair

Stages see it through `texts` (one string a row) and change it through `rewritten` (every string of a row apart).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

Action = Literal["drop", "change", "merge", "add", "fail"]
PAIR = ("prompt", "chosen", "rejected")
_BLANK = pa.scalar("\n\n", pa.large_string())


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Why one row was dropped, changed, merged, added or failed. Never carries the row's words."""

    row: int
    id: str
    stage: str
    action: Action
    rule: str  # of the stage: "too_few_words"
    value: float | str | None = None  # what was seen
    threshold: float | str | None = None  # what was allowed
    duplicate_of: str | None = None  # the id of the row that stays
    where: str | None = None  # file and line, where the row could not be read


class Result(msgspec.Struct, frozen=True):
    """What a stage made of a batch: rows in + added = rows out + dropped + merged + failed."""

    batch: pa.RecordBatch
    entries: tuple[Entry, ...] = ()
    noted: dict[str, int] = {}  # rows by what the stage gave them, such as "part train"; they count beside the rules


class Stage(Protocol):
    """A frozen msgspec Struct whose fields are its parameters in pipeline.yaml. Sees one batch at a time."""

    def apply(self, batch: pa.RecordBatch) -> Result: ...


class CorpusStage(Protocol):
    """Decides over the whole corpus: surveys batches in parallel, decides once, applies in parallel.

    `survey` gives a few columns a row (with `row`), which the executor keeps on disk; `decide` reads all of them in the
    order of the input, more than once if it likes, and returns what happens to which row, as the columns of `Entry`
    without `stage` (with `id` where the survey had it); `apply` carries it out on one batch, `decision` being the rows
    of that batch only.
    """

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch: ...

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table: ...

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result: ...


def list_content_columns(batch: pa.RecordBatch) -> list[str]:
    """The columns that are the row's content. Beside `text`, others of these names are passed through like any."""
    names = batch.schema.names
    if "text" in names:
        return ["text"]
    return ["messages"] if "messages" in names else [name for name in PAIR if name in names]


def list_message_columns(batch: pa.RecordBatch) -> list[str]:
    """The columns of the content that hold lists of messages: of a chat one, of a pair of chats three."""
    return [name for name in list_content_columns(batch) if name != "text" and _is_list(batch.schema.field(name).type)]


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def get_texts(batch: pa.RecordBatch) -> pa.LargeStringArray:
    """One string a row: the document, a chat's contents or a pair's texts, joined by blank lines. Nulls become ''."""
    columns = [_column_texts(batch[name]) for name in list_content_columns(batch)]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, _BLANK)


def _column_texts(column: pa.Array) -> pa.LargeStringArray:
    if not _is_list(column.type):
        return pc.fill_null(column.cast(pa.large_string()), "")
    contents = pc.fill_null(column.flatten().field("content").cast(pa.large_string()), "")
    return pc.binary_join(pa.ListArray.from_arrays(_offsets(column), contents), _BLANK)


def is_chat(batch: pa.RecordBatch) -> bool:
    """Beside a column `text`, one that is called `messages` is passed through like any other."""
    return list_content_columns(batch) == ["messages"]


def rewrite_strings(batch: pa.RecordBatch, change: Callable[[Sequence[str]], Sequence[str]]) -> pa.RecordBatch:
    """The batch with every string of its content passed through `change` (as many out as in, same order)."""
    for name in list_content_columns(batch):
        batch = rewrite_column(batch, name, change)
    return batch


def rewrite_column(
    batch: pa.RecordBatch, name: str, change: Callable[[Sequence[str]], Sequence[str]]
) -> pa.RecordBatch:
    """As `rewrite_strings`, of one column of the content."""
    column = batch[name]
    if not _is_list(column.type):
        values = pc.fill_null(column.cast(pa.large_string()), "").to_pylist()
        return _replace_column(batch, name, pa.array(change(values), pa.large_string()))
    flat = column.flatten()
    fields = {field.name: flat.field(field.name) for field in flat.type}
    fields["content"] = pa.array(change(pc.fill_null(fields["content"], "").to_pylist()), pa.large_string())
    structs = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    return _replace_column(batch, name, pa.ListArray.from_arrays(_offsets(column), structs))


def filter_rows(batch: pa.RecordBatch, keep: pa.BooleanArray, entries: Iterable[Entry]) -> Result:
    """The rows where `keep` is true; `entries` explain the others."""
    return Result(batch.filter(keep), tuple(entries))


def _offsets(lists: pa.Array) -> pa.Array:
    """Of the flattened values; a null list is an empty one."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).cast(pa.int32())
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])


def _replace_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    return batch.set_column(batch.schema.get_field_index(name), name, values)
