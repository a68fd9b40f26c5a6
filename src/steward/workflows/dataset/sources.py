"""Rows of a training set from where they are: the user's files, and the ratings and corrections of this home.

A row that was corrected teaches the correction; one that was liked teaches the answer that was served; one that was
disliked teaches what not to say. A person becomes an HMAC here, the same that the gateway makes, so that whoever asks
to be erased is found in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from steward.core.captures import CapturedContent, CapturedExchange
from steward.core.errors import ContentErased, InputError
from steward.core.excerpts import cut_text
from steward.core.records import Feedback, RatedExchange
from steward.data.config import Source
from steward.data.locations import resolve_location
from steward.data.planner import plan_reading
from steward.data.read_plan import row_location
from steward.data.reader import read_shard
from steward.data.sinks import restore_rows
from steward.gateway.feedback import FeedbackContent
from steward.improvement.dataset.config import DatasetConfig, ReplayConfig, RowSource
from steward.improvement.dataset.manifest import DatasetFile
from steward.improvement.dataset.rows import Consent, Message, Origin, TrainingRow
from steward.workflows.curate import add_store

NameSubject = Callable[[str], str]  # a person's name to the HMAC
_CHATS = ("/v1/chat/completions", "/v1/messages")
_ANSWERS = ("content", "text")
_YES, _NO = ("yes", "true", "1", "given"), ("no", "false", "0", "withheld")


class RatingSummary(msgspec.Struct, frozen=True):
    """What was said of one request: the newest score, and the newest correction."""

    score: float
    correction: str | None
    subject: str
    conversation: str
    at: float


def summarise_ratings(
    rated: list[RatedExchange], unseal: Callable[[Any], bytes], project: str
) -> dict[str, RatingSummary]:
    """By request, of one project. `rated` is sorted by time. :raises InputError: content that does not open"""
    ratings: dict[str, RatingSummary] = {}
    for one in rated:
        record = one.feedback
        if record.project != project:
            continue
        content = _open_content(record, unseal)
        before = ratings.get(record.request_id)
        correction = (content.correction if content else None) or (before.correction if before else None)
        ratings[record.request_id] = RatingSummary(
            record.score, correction, one.subject or "", one.conversation or "", record.at
        )
    return ratings


def _open_content(record: Feedback, unseal: Callable[[Any], bytes]) -> FeedbackContent | None:
    """None: there is none, or it was erased."""
    try:
        return msgspec.msgpack.decode(unseal(record), type=FeedbackContent) if record.sealed else None
    except ContentErased:
        return None


class SourceReader:
    """Reads sources into rows, and notes the files that it read."""

    def __init__(self, config: DatasetConfig, base: Path, name: NameSubject) -> None:
        self._config, self._base, self._name = config, base, name
        self.files: list[DatasetFile] = []
        self.skipped: dict[str, int] = {}  # rows that are no training rows, by reason

    def read(self, source: RowSource, ratings: Mapping[str, RatingSummary]) -> Iterator[TrainingRow]:
        """:raises InputError: files that cannot be read, or a column that is not there"""
        for place, row in self._read_files(source.list_patterns(), source):
            identity, said = place, None
            if source.kind == "feedback":
                identity = str(row.get("request_id") or "")
                if not identity:
                    raise InputError(f"{place}: no request_id; expected the x-request-id of the answer in each row")
                said = ratings.get(identity)
            yield from self._make_row(source, identity, place, row, said)

    def read_replay(self, replay: ReplayConfig) -> Iterator[TrainingRow]:
        """Old rows: of people who are in them nothing is kept but, where a column names them, their HMAC."""
        patterns = [replay.path] if isinstance(replay.path, str) else replay.path
        source = RowSource(path=patterns, basis="own data", written_by=replay.written_by)
        for place, row in self._read_files(patterns, source):
            for made in self._make_row(source, f"replay {place}", place, row, None):
                yield msgspec.structs.replace(made, origin="replay")

    def read_captured(
        self,
        source: RowSource,
        captures: Iterable[tuple[CapturedExchange, CapturedContent]],
        ratings: Mapping[str, RatingSummary],
    ) -> Iterator[TrainingRow]:
        """Exchanges that this home has kept, with what people said of them."""
        count = 0
        for record, content in captures:
            count += 1
            if record.project != self._config.project:
                continue
            messages, problem = read_captured_chat(record, content)
            said = ratings.get(record.request_id)
            if problem:
                self._pass_over(problem)
                continue
            row = {"messages": messages, "tools": _read_request(content).get("tools"), "route": record.route}
            for made in self._make_row(source, record.request_id, record.request_id, row, said):
                yield msgspec.structs.replace(
                    made, subject=record.subject or made.subject, conversation=record.conversation or made.conversation,
                    at=record.at, source="captured exchanges",
                    purposes=(record.purpose,) if record.purpose in source.purposes else (),
                    consent={True: "given", False: "withheld", None: "not asked"}[record.consent],
                )  # fmt: skip
        self.files.append(DatasetFile("captured exchanges", count, 0, ""))

    def _pass_over(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def _read_files(self, patterns: list[str], source: RowSource) -> Iterator[tuple[str, dict[str, Any]]]:
        reading = add_store(Source(path=[resolve_location(self._base, pattern) for pattern in patterns]))
        plan = plan_reading(reading)
        if plan.shape.kind == "text":
            raise InputError(
                f"{plan.inputs[0].name}: documents, not questions with answers; expected columns such as messages, "
                "prompt and completion, or prompt, chosen and rejected"
            )
        columns = {name for name, _ in plan.shape.columns}
        if source.consent is not None and source.consent not in columns:
            raise InputError(
                f"{plan.inputs[0].name}: no column {source.consent!r}, which says who agreed; "
                f"its columns are {', '.join(sorted(columns)) or 'none'}"
            )
        counts: dict[str, int] = {}
        for shard in plan.shards:
            for item in read_shard(shard, plan.shape, reading):
                places = [row_location(row, plan.shards) for row in item.batch["row"].to_pylist()]
                for place, row in zip(places, restore_rows(item.batch), strict=True):
                    counts[shard.path] = counts.get(shard.path, 0) + 1
                    yield place, {name: _decode_raw(value) for name, value in row.items()}
        for path, rows in counts.items():
            self.files.append(_describe_file(Path(path), rows))

    def _make_row(
        self, source: RowSource, identity: str, place: str, row: dict[str, Any], said: RatingSummary | None
    ) -> Iterator[TrainingRow]:
        prompt, answer, rejected = _split_row(row, place)
        correction = _read_text(row, source.correction) or (said.correction if said else None)
        score = said.score if said else _read_score(row, source.score, place)
        is_served = source.kind != "file"
        if correction is None and not score and (score is not None or (is_served and not source.unrated)):
            self._pass_over("not rated" if score is None else "rated 0")
            return
        label = not (score is not None and score < 0) and row.get("label") is not False
        by_model = is_served or source.written_by == "model"
        origin: Origin = "rating" if score is not None else "exchange" if is_served else "file"
        if correction:
            origin, label, by_model = "correction", True, False
            answer, rejected = ({"role": "assistant", "content": correction},), answer
        subject, conversation = self._name_people(source, row, said)
        yield TrainingRow(
            id=identity, origin=origin, source=place.rpartition(":")[0] or place, prompt=prompt, completion=answer,
            rejected=rejected if rejected != answer else (), label=label, tools=tuple(_read_tools(row)),
            by_model=by_model, subject=subject, conversation=conversation,
            at=said.at if said else _read_time(row.get(source.time), f"{place}: {source.time}"),
            group=str(row.get(self._config.balance.column) or "") if self._config.balance else "",
            purposes=tuple(source.purposes), basis=source.choose_basis(), consent=_read_consent(row, source, place),
        )  # fmt: skip

    def _name_people(self, source: RowSource, row: dict[str, Any], said: RatingSummary | None) -> tuple[str, str]:
        subject, conversation = (
            self._name(value) if (value := _read_text(row, column)) else ""
            for column in (source.subject, source.conversation)
        )
        return (said.subject if said else "") or subject, (said.conversation if said else "") or conversation


def read_captured_chat(record: CapturedExchange, content: CapturedContent) -> tuple[list[Message], str]:
    """The exchange as messages, or why it is no chat to learn from."""
    if record.endpoint not in _CHATS:
        return [], f"not a chat ({record.endpoint})"
    if not record.complete:
        return [], "the answer broke off"
    first = [piece for piece in content.answer if piece.choice == 0]
    if any(piece.field.partition(".")[0] not in _ANSWERS and "reason" not in piece.field for piece in first):
        return [], "an answer that is more than text"
    text = "".join(piece.text for piece in first if piece.field.partition(".")[0] in _ANSWERS)
    request = _read_request(content)
    messages = [_clean_message(message) for message in request.get("messages") or ()]
    if system := request.get("system"):  # Anthropic's dialect has it beside the messages
        messages.insert(0, {"role": "system", "content": system})
    return [*messages, {"role": "assistant", "content": text}], ""


def _read_request(content: CapturedContent) -> dict[str, Any]:
    return msgspec.json.decode(content.request, type=dict[str, Any])


def _split_row(row: dict[str, Any], place: str) -> tuple[tuple[Message, ...], tuple[Message, ...], tuple[Message, ...]]:
    """(prompt, answer, answer that was liked less) of a chat or a pair."""
    if "messages" in row:
        messages = [_clean_message(message) for message in row["messages"] or ()]
        cut = next((at for at in range(len(messages), 0, -1) if messages[at - 1]["role"] == "user"), 0)
        if any(message["role"] == "tool" for message in messages[cut:]):  # only the last answer is one to learn
            cut = len(messages) - 1
        return tuple(messages[:cut]), tuple(messages[cut:]), ()
    prompt, chosen, rejected = (
        tuple(_as_messages(role, row.get(name)))
        for name, role in (("prompt", "user"), ("chosen", "assistant"), ("rejected", "assistant"))
    )
    if not prompt:
        common = next(
            (at for at, (one, other) in enumerate(zip(chosen, rejected, strict=False)) if one != other),
            min(len(chosen), len(rejected)),
        )
        common = max(0, min(common, len(chosen) - 1, len(rejected) - 1))
        prompt, chosen, rejected = chosen[:common], chosen[common:], rejected[common:]
    return prompt, chosen, rejected


def _as_messages(role: str, value: Any) -> list[Message]:
    if isinstance(value, str):
        return [{"role": role, "content": value}] if value else []
    return [_clean_message(message) for message in value or ()]


def _clean_message(message: Message) -> Message:
    return {name: value for name, value in message.items() if value is not None or name == "content"}


def _read_text(row: dict[str, Any], column: str) -> str | None:
    value = row.get(column)
    return str(value) if value not in (None, "") else None


def _read_score(row: dict[str, Any], column: str, place: str) -> float | None:
    value = row.get(column)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1 <= value <= 1:
        raise InputError(f"{place}: {column} is {cut_text(value)!r}; expected a number from -1 to 1")
    return float(value)


def _read_tools(row: dict[str, Any]) -> list[Any]:
    tools = row.get("tools")
    if isinstance(tools, str):
        try:
            tools = msgspec.json.decode(tools)
        except msgspec.DecodeError:
            tools = None
    return tools if isinstance(tools, list) else []


def _read_consent(row: dict[str, Any], source: RowSource, place: str) -> Consent:
    """What the row says; silence is no consent."""
    value = row.get(source.consent) if source.consent else row.get("training")
    if value in (None, ""):
        return "not asked"
    word = str(value).strip().lower()
    if word in _YES:
        return "given"
    if word in _NO:
        return "withheld"
    column = source.consent or "training"
    raise InputError(f"{place}: {column} is {cut_text(word)!r}; expected yes or no")


def _read_time(value: Any, where: str) -> float | None:
    """:raises InputError: neither seconds nor a date"""
    if value in (None, ""):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise InputError(
            f"{where} is {cut_text(value)!r}; expected seconds since 1970 or 2026-11-29T12:00:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _decode_raw(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def _describe_file(path: Path, rows: int) -> DatasetFile:
    if not path.is_file():  # at an address
        return DatasetFile(str(path), rows, 0, "")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return DatasetFile(path.name, rows, path.stat().st_size, digest)
