"""A suite: which items, how each is asked, and what is measured. Read from YAML; the data lies beside it.

Texts are read with one kind of line end: a carriage return before a line feed, or alone, is a line feed (`compose` in
`text_tokens` does the same to answers).
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from steward.configuration.yaml_lines import read_struct
from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_reason
from steward.core.extras import install_command
from steward.evaluation.answer_filters import DEFAULT, PatternFilter, check_filters
from steward.evaluation.metrics import MetricOption, is_graded, is_measured, make_metric
from steward.evaluation.templates import check_placeholders, fill, list_fields, look_up
from steward.evaluation.text_files import read_text_file
from steward.evaluation.text_tokens import unify_line_ends
from steward.evaluation.tools import MOST_TURNS, SimulatedUser, ToolSpec, check_tools
from steward.text.swaps import swap_kinds


class MetricSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric and its options."""

    name: str
    options: dict[str, MetricOption] = {}


class PromptMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of the template."""

    role: str
    content: str


class MustPass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items that no release may fail: each one's value of `metric` is at least `least`."""

    metric: str
    items: tuple[str, ...]
    least: float = 1.0


class QuestionChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way to ask otherwise: `use` names a perturbation or a swap; or text is added, or replaced.

    `fields`: which of the data's fields; without it, all that the user's messages hold. `words`: a list of synonyms.
    """

    use: str = ""
    append: str = ""
    prepend: str = ""
    replace: dict[str, str] = {}
    fields: tuple[str, ...] = ()
    words: str = "synonyms"
    seed: int = 0

    @property
    def title(self) -> str:
        if self.use:
            return self.use
        return next(f"{name} {text!r}" for name in ("append", "prepend", "replace") if (text := getattr(self, name)))

    @property
    def swaps(self) -> bool:
        return self.use in swap_kinds()

    @property
    def other_person(self) -> bool:
        """Whether who is spoken of changes, so that an answer about them rightly changes with it."""
        return self.swaps and not self.use.startswith("dialect:")


class BehaviorCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A test of behaviour (Ribeiro et al. 2020, CheckList, section 2): passed where `at_least` of its items do.

    MFT    minimum functionality: an item's value of `metric`, else of the first one, is at least `least`
    INV    invariance: under `change` the answer stays
    DIR    direction: under `change` the answer moves as `expect` says, among `labels` in rising order, or as a number
    """

    name: str
    kind: Literal["MFT", "INV", "DIR"]
    where: dict[str, str] = {}  # slices: only items with these values
    metric: str = ""
    least: float = 1.0
    change: QuestionChange | None = None
    expect: Literal["higher", "lower", "not higher", "not lower", "different"] | None = None
    labels: tuple[str, ...] = ()
    at_least: float = 1.0


class FewShot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Worked examples: `count` rows of `data`, or of the suite's own rows but the one that is asked, drawn by `seed`.
    Each is the last user message, filled with the row, and its first right answer."""

    count: int
    data: str = ""
    seed: int = 0


class SuiteSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """suite.yaml, as written."""

    name: str
    data: str  # .jsonl, .csv or .parquet, relative to the suite
    metrics: tuple[str | MetricSpec, ...]
    prompt: str | None = None  # one user message; or
    messages: tuple[PromptMessage, ...] = ()
    id: str | None = None  # the field; else the row's number from 1
    references: str | None = "references"  # the field: a list, or one value; null where nothing is right beforehand
    contexts: str | None = None  # the field with the texts that were retrieved: a list, or one text
    choices: str | None = None  # the field that lists options: "{field}" shows them lettered, a letter is right
    filters: tuple[str | PatternFilter, ...] = DEFAULT  # of answers, before any metric (`answer_filters`)
    parameters: dict[str, Any] = {}  # of the request: temperature, max_tokens, stop
    slices: tuple[str, ...] = ()  # fields whose values are reported apart
    cluster: str | None = None  # field of what belongs together
    few_shot: FewShot | None = None  # worked examples before each question
    tools: tuple[ToolSpec, ...] = ()  # that the model may call
    user: SimulatedUser | None = None  # who answers the model
    max_turns: int = 10  # requests of one item, with tools or a user
    must_pass: MustPass | None = None
    checks: tuple[BehaviorCheck, ...] = ()  # of `steward eval checks`
    repeats: int = 1

    def metric_specs(self) -> list[MetricSpec]:
        return [MetricSpec(metric) if isinstance(metric, str) else metric for metric in self.metrics]


class SuiteItem(msgspec.Struct, frozen=True):
    """One item, ready to be asked. `id` carries "#2" for the second repeat."""

    id: str
    messages: tuple[PromptMessage, ...]
    references: tuple[Any, ...]
    slices: dict[str, str]
    cluster: str
    contexts: tuple[str, ...] = ()
    script: tuple[str, ...] = ()  # what the simulated user says, one after the other
    instructions: str = ""  # of the model that plays the user


class Suite(msgspec.Struct, frozen=True):
    """A suite with its items. `data_sha256` covers ids, references, slices and clusters, not the wording of prompts."""

    spec: SuiteSpec
    items: tuple[SuiteItem, ...]
    data_sha256: str
    prompts_sha256: str


RowRewrite = Callable[[dict[str, Any], str], dict[str, Any] | None]


def load_suite_spec(path: Path) -> SuiteSpec:
    """The suite without its data. :raises InputError: what is wrong, and what was expected"""
    spec = read_struct(path, SuiteSpec, such_as="metrics")
    _check_spec(spec, path)
    return spec


def load_suite(path: Path, limit: int | None = None, rewrite: RowRewrite | None = None) -> Suite:
    """`rewrite` gives the row to ask instead, by its item's name, or None to leave the item out. Slices, cluster and
    references stay those of the row; options and the letters of the right ones are the other's.

    :raises InputError: by file and line, or by item, what is wrong and what was expected
    """
    spec = load_suite_spec(path)
    return build_suite(
        spec, _read_rows(path.parent / spec.data)[:limit], path, rewrite, whole=limit is None and rewrite is None
    )


def build_suite(
    spec: SuiteSpec, rows: Sequence[dict[str, Any]], path: Path, rewrite: RowRewrite | None = None, whole: bool = True
) -> Suite:
    """`rows` made into items; `path` names the suite in errors. :raises InputError: by item, what is wrong"""
    draw = _example_drawer(spec, rows, path)
    items = [item for number, row in enumerate(rows, 1) for item in _make_items(spec, row, number, path, draw, rewrite)]
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise InputError(f"{path.parent / spec.data}: id {item.id!r} appears twice; ids must be unique")
        seen.add(item.id)
    _check_differences(spec, items, path)
    _check_references(spec, items, path)
    if spec.must_pass and whole and (gone := [i for i in spec.must_pass.items if not _is_known_item(i, seen)]):
        raise InputError(f"{path}: must_pass names {gone[0]!r}, which is not an item of {spec.data}")
    data = [  # contexts only where there are some: hashes of suites without them stay
        (item.id, item.references, item.slices, item.cluster, *([item.contexts] if item.contexts else []))
        for item in items
    ]
    return Suite(spec, tuple(items), _hash_json(data), _hash_json([item.messages for item in items]))


def _check_differences(spec: SuiteSpec, items: Sequence[SuiteItem], path: Path) -> None:
    """:raises InputError: a template without any field, so that all items are asked the same"""
    if spec.user is not None or any(map(list_fields, (message.content for message in message_templates(spec)))):
        return
    if len(items) > spec.repeats and len({(item.messages, item.script) for item in items}) == 1:
        raise InputError(
            f"{path}: the prompt shows no field of the data, so that all {len(items)} items are asked the same; write "
            "a field in braces, such as {question}, or `repeats` to ask one item several times"
        )


def _is_known_item(item: str, ids: set[str]) -> bool:
    return item in ids or f"{item}#1" in ids


def _check_spec(spec: SuiteSpec, path: Path) -> None:
    if (spec.prompt is None) == (not spec.messages):
        raise InputError(f"{path}: expected either `prompt` or `messages`")
    if not spec.metrics:
        raise InputError(f"{path}: `metrics` is empty; name at least one metric, such as exact_match")
    check_tools(spec.tools, spec.user, str(path))
    if not 1 <= spec.max_turns <= MOST_TURNS:
        raise InputError(f"{path}: max_turns {spec.max_turns}, expected 1 to {MOST_TURNS}")
    if spec.few_shot is not None and spec.references is None:
        raise InputError(f"{path}: few_shot needs `references`: the field with the right answers of the examples")
    if not 1 <= spec.repeats <= 1000:
        raise InputError(f"{path}: repeats {spec.repeats}, expected 1 to 1000")
    check_filters(spec.filters, str(path))
    names = [metric.name for metric in spec.metric_specs()]
    for metric in spec.metric_specs():
        make_metric(metric.name, metric.options)
    if len(set(names)) < len(names):
        raise InputError(f"{path}: a metric is listed twice: {names}")
    if spec.choices is not None and spec.references is None:
        raise InputError(f"{path}: `choices` needs `references`: the field that names the right option")
    if spec.must_pass and spec.must_pass.metric not in names:
        raise InputError(f"{path}: must_pass.metric {spec.must_pass.metric!r} is not among the metrics {names}")
    for check in spec.checks:
        _check_behavior(check, spec, names, f"{path}: check {check.name!r}")
    if len({check.name for check in spec.checks}) < len(spec.checks):
        raise InputError(f"{path}: two checks have the same name: {[check.name for check in spec.checks]}")


def _check_behavior(check: BehaviorCheck, spec: SuiteSpec, names: list[str], where: str) -> None:
    """:raises InputError: a key that this kind needs and has not, or has and does not take"""
    if unknown := [field for field in check.where if field not in spec.slices]:
        raise UnknownName("slice of the suite", unknown[0], spec.slices, where)
    if check.metric and check.metric not in names:
        raise UnknownName("metric of the suite", check.metric, names, where)
    if not 0 <= check.at_least <= 1:
        raise InputError(f"{where}: at_least {check.at_least}, expected 0 to 1")
    parts = {"metric": bool(check.metric), "change": check.change is not None, "expect": check.expect is not None}
    needed = {"MFT": set(), "INV": {"change"}, "DIR": {"change", "expect"}}[check.kind]
    allowed = needed | ({"metric"} if check.kind == "MFT" else set())
    present = {key for key, there in parts.items() if there}
    if not needed <= present <= allowed or (check.labels and check.kind != "DIR"):
        raise InputError(f"{where}: {check.kind} takes {sorted(allowed)}, found {sorted(present)}")


def _check_references(spec: SuiteSpec, items: Sequence[SuiteItem], path: Path) -> None:
    """Before anything is asked: that every metric can judge some answer to every item.

    :raises InputError: the item whose references are of the wrong kind, or none
    """
    for metric_spec in spec.metric_specs():
        if is_graded(metric_spec.name) or is_measured(metric_spec.name):
            continue
        metric = make_metric(metric_spec.name, metric_spec.options)
        for item in items:
            try:
                metric.screen("", item.references)
            except InputError as error:
                raise InputError(f"{path}: item {item.id!r}, metric {metric_spec.name}: {error}") from error


def list_asked_fields(spec: SuiteSpec) -> list[str]:
    """The data's fields in what the user says, in order; the list of options apart."""
    asked = [
        name for message in message_templates(spec) if message.role == "user" for name in list_fields(message.content)
    ]
    return [name for name in dict.fromkeys(asked) if name != spec.choices]


def message_templates(spec: SuiteSpec) -> tuple[PromptMessage, ...]:
    return spec.messages or (PromptMessage("user", spec.prompt or ""),)


def option_letters(references: Any, options: Any, where: str) -> list[str]:
    """Letters of the right options, which are named by text or by letter. :raises InputError: no such option"""
    texts = [str(option) for option in options]
    letters = []
    for reference in references if isinstance(references, list) else [references]:
        at = texts.index(str(reference)) if str(reference) in texts else ord(f"{reference}"[:1] or "?") - ord("A")
        if not 0 <= at < len(texts) or (len(str(reference)) != 1 and str(reference) not in texts):
            raise InputError(
                f"{where}: reference {reference!r} is neither an option nor the letter of an option; the "
                f"options are {texts}"
            )
        letters.append(chr(ord("A") + at))
    return letters


def _make_items(
    spec: SuiteSpec,
    row: dict[str, Any],
    number: int,
    path: Path,
    draw: Callable[[int], tuple[PromptMessage, ...]],
    rewrite: RowRewrite | None = None,
) -> list[SuiteItem]:
    name = str(number) if spec.id is None else str(_require_field(row, spec.id, f"row {number}", path))
    where = f"item {name!r}"
    asked = row if rewrite is None else rewrite(row, name)
    if asked is None:
        return []
    options: dict[str, Any] = {}
    references = [] if spec.references is None else _require_field(row, spec.references, where, path)
    if spec.choices is not None:
        listed = _require_field(asked, spec.choices, where, path)
        options = {spec.choices: _letter_options(listed, where)}
        references = option_letters(asked[str(spec.references)], listed, where)
    references = tuple(references) if isinstance(references, list) else (references,)
    if number == 1:
        templates = [message.content for message in message_templates(spec)]
        check_placeholders(templates, {**row, **options}, f"{path}: {where}")
    user, others = {**asked, **options}, {**row, **options}  # only what the user says is asked in another way

    def fill_message(message: PromptMessage) -> PromptMessage:
        shown = user if message.role == "user" else others
        text = fill(message.content, shown, f"{path}: {where}")
        return PromptMessage(message.role, text)

    filled = tuple(map(fill_message, message_templates(spec)))
    messages = (*filled[:-1], *draw(number - 1), *filled[-1:])
    slices = {field: str(_require_field(row, field, where, path)) for field in spec.slices}
    cluster = str(_require_field(row, spec.cluster, where, path)) if spec.cluster else name
    ids = [name] if spec.repeats == 1 else [f"{name}#{repeat}" for repeat in range(1, spec.repeats + 1)]
    extras = _read_contexts(spec, row, where, path), _read_script(spec, row, where, path)
    instructions = fill(spec.user.instructions, others, f"{path}: {where}") if spec.user else ""
    return [SuiteItem(each, messages, references, slices, cluster, *extras, instructions) for each in ids]


def _example_drawer(
    spec: SuiteSpec, rows: Sequence[dict[str, Any]], path: Path
) -> Callable[[int], tuple[PromptMessage, ...]]:
    """Gives the worked examples before the row of a place. :raises InputError: fewer rows than examples"""
    shots = spec.few_shot
    if shots is None:
        return lambda place: ()
    pool = _read_rows(path.parent / shots.data) if shots.data else rows
    room = len(pool) - (not shots.data)
    if not 1 <= shots.count <= room:
        raise InputError(f"{path}: few_shot.count {shots.count}, expected 1 to {room}, the rows there are to draw from")

    def draw(place: int) -> tuple[PromptMessage, ...]:
        seed = f"{shots.seed}" if shots.data else f"{shots.seed} {place}"
        others = [at for at in range(len(pool)) if shots.data or at != place]
        picked = random.Random(seed).sample(others, shots.count)
        return tuple(message for at in picked for message in _make_example(spec, pool[at], at, path))

    return draw


def _make_example(spec: SuiteSpec, row: dict[str, Any], at: int, path: Path) -> tuple[PromptMessage, PromptMessage]:
    """:raises InputError: a row without a right answer"""
    where = f"few_shot row {at + 1}"
    references = _require_field(row, str(spec.references), where, path)
    shown = dict(row)
    if spec.choices is not None:
        listed = _require_field(row, spec.choices, where, path)
        references, shown = (
            option_letters(references, listed, where),
            {**row, spec.choices: _letter_options(listed, where)},
        )
    answers = references if isinstance(references, list) else [references]
    if not answers:
        raise InputError(f"{path}: {where} has no right answer to show; give it one, or leave it out")
    question = fill(message_templates(spec)[-1].content, shown, f"{path}: {where}")
    return PromptMessage("user", question), PromptMessage("assistant", str(answers[0]))


def _read_script(spec: SuiteSpec, row: dict[str, Any], where: str, path: Path) -> tuple[str, ...]:
    """:raises InputError: no list of texts"""
    if spec.user is None or not spec.user.script:
        return ()
    texts = _require_field(row, spec.user.script, where, path)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{path}: {where}: {spec.user.script} is not a list of texts")
    return tuple(texts)


def _read_contexts(spec: SuiteSpec, row: dict[str, Any], where: str, path: Path) -> tuple[str, ...]:
    """:raises InputError: no text and no list of texts"""
    if spec.contexts is None:
        return ()
    texts = _require_field(row, spec.contexts, where, path)
    texts = texts if isinstance(texts, list) else [texts]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{path}: {where}: {spec.contexts} is not a text or a list of texts")
    return tuple(texts)


def _letter_options(options: Any, where: str) -> str:
    if not isinstance(options, list) or not 2 <= len(options) <= 26:
        raise InputError(f"{where}: the options are {options!r}, expected a list of 2 to 26 options")
    return "\n".join(f"{chr(ord('A') + at)}. {option}" for at, option in enumerate(options))


def _require_field(row: dict[str, Any], field: str, where: str, path: Path) -> Any:
    return look_up(row, field, f"{path}: {where}")


def _read_rows(path: Path) -> list[dict[str, Any]]:
    rows = read_parquet_rows(path) if path.suffix == ".parquet" else _read_text_rows(path)
    if not rows:
        raise InputError(f"{path}: no rows")
    return [{name: unify_line_ends(value) for name, value in row.items()} for row in rows]


def read_parquet_rows(path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise InputError(f"{path}: reading Parquet needs an extra: {install_command('data')}") from error
    try:
        with path.open("rb") as file:
            rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; expected the suite's data") from error
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: not a Parquet file ({cut_reason(error)})") from error
    return rows


def _read_text_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a text file: CSV, cells between tabs, JSON lines or a JSON array."""
    text = read_text_file(path, "the suite's data as .jsonl, .json, .csv, .tsv or .parquet")
    if path.suffix in (".csv", ".tsv"):
        delimiter = "\t" if path.suffix == ".tsv" else ","
        try:
            rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text), strict=True, delimiter=delimiter))
        except csv.Error as error:
            raise InputError(f"{path}: {error}; expected a header and a row an item") from error
        short = next((number for number, row in enumerate(rows, 2) if None in row or None in row.values()), None)
        if short is not None:
            raise InputError(f"{path}:{short}: the row and the header have different numbers of cells")
        return rows
    if text.lstrip().startswith("["):  # an array of rows
        try:
            return msgspec.json.decode(text, type=list[dict[str, Any]])
        except msgspec.MsgspecError as error:
            raise InputError(f"{path}: {error}; expected JSON lines, or one JSON array of objects") from error
    return [_parse_object(line, f"{path}:{n}") for n, line in enumerate(text.split("\n"), 1) if line.strip()]


def _parse_object(line: str, where: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise InputError(f"{where}: {error}") from error


def _hash_json(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
