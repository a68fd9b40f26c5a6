"""pipeline.yaml: what goes in, which stages it passes, where it goes out.

Decides that every name exists before anything runs, and says file, line and the nearest name where one does not.
Knows nothing of what a stage does: it looks the class up and fills its fields.
"""

from __future__ import annotations

import codecs
import importlib
import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import Field, PrivateAttr, field_validator

from steward.configuration.section import Section
from steward.configuration.validation import validate
from steward.configuration.yaml_lines import explain_conversion, locate, read_mapping
from steward.core.errors import InputError, UnknownName
from steward.core.extend import FileStore
from steward.core.extras import install_command
from steward.data.locations import is_remote, resolve_location
from steward.data.stage_files import resolve_paths
from steward.data.stage_table import STAGES

GIVEN_BY_CODE = (
    "detector",
    "detector_files",
    "change",
    "counter",
    "extractor",
    "segmenter",
    "scorer",
)  # fields of stages that a workflow fills
ENTRY_POINT_GROUP = "steward.stages"  # entry points of other packages: name = "module:Class"


Format = Literal["jsonl", "json", "parquet", "csv", "tsv", "txt", "html", "warc"]
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
ColumnType = Literal["string", "int64", "double", "bool", "json"]


class Source(Section):
    """The rows that come in."""

    path: str | list[str] = Field(description="files, folders or patterns, relative to the pipeline's file")
    text: str | None = Field(None, description="column that holds the text; not needed for chats and preference pairs")
    id: str | None = Field(None, description="column that holds the row's id; default `id`, else file and line")
    format: Format | None = Field(None, description="format of the files; default: by the end of their names")
    on_error: Literal["fail", "skip"] = Field(
        "fail", description="what to do with a row that cannot be read: stop, or count it as failed and continue"
    )
    rename: dict[str, str] = Field({}, description="new names of columns, such as {language: language_before}")
    types: dict[str, ColumnType] = Field({}, description="types of columns, where the first rows do not show them")
    roles: dict[str, Role] = Field({}, description="other names of roles in chats, such as {narrator: assistant}")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="of CSV; default a comma, or a tab")
    encoding: str = Field("utf-8", description="of JSON lines, CSV and plain text, such as latin-1 or utf-16")
    text_unit: Literal["line", "paragraph", "file"] = Field("line", description="what a row of a plain text file is")
    shard_mb: float = Field(16.0, gt=0, description="size in megabytes of the parts that large files are split into")
    max_line_mb: float = Field(32.0, gt=0, description="a line longer than this many megabytes cannot be read")
    _store: FileStore | None = PrivateAttr(None)

    @property
    def store(self) -> FileStore | None:
        """Where addresses such as s3://bucket/a.jsonl are read from."""
        return self._store

    def with_store(self, store: FileStore) -> Source:
        """A copy that reads addresses with this store."""
        copy = self.model_copy()
        copy._store = store
        return copy

    def list_patterns(self) -> list[str]:
        """The paths, patterns and addresses."""
        return [self.path] if isinstance(self.path, str) else self.path

    @field_validator("path", mode="before")
    @classmethod
    def _accept_paths(cls, value: Any) -> Any:
        """Paths of `pathlib` become strings."""
        if isinstance(value, list | tuple):
            return [os.fspath(item) if isinstance(item, os.PathLike) else item for item in value]
        return os.fspath(value) if isinstance(value, os.PathLike) else value

    @field_validator("path")
    @classmethod
    def _require_pattern(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError("expected at least one file or pattern, such as corpus/*.jsonl")
        return value

    @field_validator("encoding")
    @classmethod
    def _require_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError(f"unknown encoding {value!r}; expected a name such as utf-8, latin-1 or utf-16") from None
        return value


class Sink(Section):
    """The rows that go out, and the ledger beside them."""

    path: str = Field(description="folder on this machine, relative to the pipeline's file")
    format: Literal["parquet", "jsonl"] = Field("parquet", description="of the rows; the ledger is parquet")
    part_mb: float | None = Field(
        None,
        gt=0,
        description="most megabytes of a part, before compression; default: one part for each part of the input",
    )
    folders: str | None = Field(
        None, description="column, such as `split`, whose values become folders: rows/train, rows/test"
    )
    copy_to: str | None = Field(
        None, description="folder or address, such as s3://bucket/clean, to which the finished output is copied"
    )

    @property
    def part_bytes(self) -> int | None:
        return int(self.part_mb * (1 << 20)) if self.part_mb else None

    @field_validator("path", "copy_to", mode="before")
    @classmethod
    def _accept_path(cls, value: Any) -> Any:
        return os.fspath(value) if isinstance(value, os.PathLike) else value

    @field_validator("path")
    @classmethod
    def _require_folder(cls, value: str) -> str:
        if is_remote(value):
            raise ValueError(f"{value} is an address; name a folder here, and the address as output.copy_to")
        return value


class PipelineConfig(Section):
    """pipeline.yaml, whole."""

    input: Source
    stages: list[dict[str, Any]] = Field([], description="in order; `use` names the stage, the rest are its parameters")
    output: Sink


class LoadedPipeline(msgspec.Struct, frozen=True):
    """A pipeline ready to run: paths absolute, stages made."""

    source: Source
    stages: tuple[Any, ...]
    names: tuple[str, ...]  # of the stages, as pipeline.yaml has them
    sink: Sink


def load_pipeline(file: Path) -> LoadedPipeline:
    """Read and check pipeline.yaml. :raises InputError: with file, line and the next step"""
    tree, lines = read_mapping(file)
    config = validate(PipelineConfig, tree, lambda dotted: locate(file, lines, dotted), lines.words)
    base = file.absolute().parent
    stage_objects = [
        make_stage(parameters, locate(file, lines, f"stages.{index}"), base)
        for index, parameters in enumerate(config.stages)
    ]
    source = config.input.model_copy(
        update={"path": [resolve_location(base, pattern) for pattern in config.input.list_patterns()]}
    )
    copy_to = config.output.copy_to and resolve_location(base, config.output.copy_to)
    sink = config.output.model_copy(
        update={"path": str(base / os.path.expanduser(config.output.path)), "copy_to": copy_to}
    )
    return LoadedPipeline(source, tuple(stage_objects), tuple(parameters["use"] for parameters in config.stages), sink)


def make_stage(settings: Mapping[str, Any], place: str = "", base: Path | None = None) -> Any:
    """The stage that `use` names, its other keys as its fields. Files that it names are relative to `base`, if given.

    :raises InputError: no such stage, no such parameter, a value of another type, a library that is not installed
    """
    prefix = f"{place}: " if place else ""
    parameters = dict(settings)
    name = parameters.pop("use", None)
    if not isinstance(name, str):
        raise InputError(f"{prefix}a stage needs a name, such as {{use: normalise}}")
    stage_class = _find_stage_class(name, place)
    known_fields = [field for field in stage_class.__struct_fields__ if field not in GIVEN_BY_CODE]
    for parameter in parameters:
        if parameter not in known_fields:
            raise UnknownName(f"parameter (of stage {name!r})", str(parameter), known_fields, place)
    if base is not None:
        parameters = resolve_paths(
            parameters, (*getattr(stage_class, "files", ()), *getattr(stage_class, "folders", ())), base
        )
    try:
        return msgspec.convert(parameters, stage_class)
    except msgspec.ValidationError as error:
        raise InputError(f"{prefix}stage {name!r}: {explain_conversion(error, stage_class)}") from None
    except InputError as error:
        raise InputError(f"{prefix}stage {name!r}: {error}") from None


def _find_stage_class(name: str, place: str) -> Any:
    target = STAGES.get(name) or _find_installed_stage(name, place)
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name == module:  # a table line whose file is not there is steward's own mistake
            raise
        prefix = f"{place}: " if place else ""
        raise InputError(f"{prefix}stage {name!r} needs {error.name}; {install_command('data')}") from error


def _find_installed_stage(name: str, place: str) -> str:
    """Of a package that is installed beside steward. To look for one reads the names of all packages."""
    installed = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in installed:
        raise UnknownName("stage", name, [*STAGES, *installed], place)
    return installed[name]


def stage_name(stage: object) -> str:
    """The name that pipeline.yaml has for this stage; of one that it has no name for, the class's."""
    kind = type(stage)
    target = f"{kind.__module__}:{kind.__qualname__}"
    return next((name for name, value in STAGES.items() if value == target), kind.__qualname__.lower())
