"""What the guards of a configuration would do with requests that are kept, in a file or by `capture.rules`; nothing is
sent."""

from __future__ import annotations

import math
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from steward.core.errors import InputError
from steward.core.extend import Verdict
from steward.core.identity import DEFAULT_PROJECT, DEFAULT_TENANT
from steward.gateway.text_fields import replace_request_texts
from steward.privacy.custom import CustomDetectors
from steward.privacy.entities import ENTITIES, label_entity
from steward.privacy.finding import PersonalFinding
from steward.privacy.guard import PrivacyGuard
from steward.privacy.policy import PrivacyPolicy
from steward.privacy.pseudonyms import replace
from steward.privacy.scan import scan_text
from steward.workflows.captures import open_home_captures
from steward.workflows.detectors import open_detectors

MOST_EXAMPLES: Final = 10
_AROUND: Final = 24  # characters that an example shows on each side
Progress = Callable[[int, int, str], None]  # done, of how many, what


class ReplayContext:
    """A request as a guard sees one; its texts are read from a file."""

    endpoint = "/v1/chat/completions"
    tenant, project = DEFAULT_TENANT, DEFAULT_PROJECT

    def __init__(self, request_id: str, route: str = "", key_id: str = "") -> None:
        self.request_id, self.route, self.key_id = request_id, route, key_id
        self.conversation: str | None = None


class ReplayExample(msgspec.Struct, frozen=True):
    """Where a row would change; values and their like are redacted."""

    row: str
    entity: str
    excerpt: str


class GuardReplay(msgspec.Struct, frozen=True):
    """What a policy would have done with the rows of a file. Milliseconds are of one row, in this process."""

    rows: int
    allowed: int
    rewritten: int
    blocked: int
    failed: int  # rows that the guard could not judge, or that are no JSON objects: they would have been refused
    masked: dict[str, int]  # values by kind
    median_ms: float
    p99_ms: float
    reasons: dict[str, int]  # of refusals
    examples: tuple[ReplayExample, ...]
    errors: tuple[str, ...]  # the first lines that cannot be read


def judge_text(policy: PrivacyPolicy, text: str, route: str = "", key: str = "") -> Verdict:
    """What the guard would make of one text. Its tokens are of a key that nobody else has."""
    guard = PrivacyGuard(policy, secrets.token_bytes(), open_detectors(policy.detectors))
    return guard.request(ReplayContext("test", route, key), [text])


def replay_file(
    path: Path,
    policy: PrivacyPolicy,
    route: str = "",
    key: str = "",
    progress: Progress = lambda done, total, what: None,
) -> GuardReplay:
    """Each line of a JSON Lines file is a request's body, or has one in `request`, or a text in `text`.

    :raises InputError: no such file, or no rows in it
    """
    rows = (ReplayRow(f"{number}", body, route, key) for number, body in _read_rows(path, progress))
    result = _replay(rows, policy)
    if not result.rows:
        raise InputError(f"{path}: no rows; expected JSON Lines, one request or text a line")
    return result


def replay_captures(
    home: Path,
    policy: PrivacyPolicy,
    since: float,
    now: float,
    *,
    tenant: str | None = None,
    progress: Progress = lambda done, total, what: None,
) -> GuardReplay:
    """Captured exchanges from `since` on, each under the rules of its own route and key. Those that were kept as they
    were masked show what is left for the policy to find; those kept as sent show what it would have changed.

    :raises InputError: nothing was captured since then :raises Unavailable: the store does not answer
    """

    def list_rows() -> Iterator[ReplayRow]:
        for count, (record, content) in enumerate(open_home_captures(home, since, math.inf, tenant=tenant, now=now), 1):
            yield ReplayRow(record.request_id, _decode(content.request), record.route, record.key_id)
            progress(count, 0, "exchanges")

    result = _replay(list_rows(), policy)
    if not result.rows:
        raise InputError(
            "no exchange was captured since then; add capture.rules to steward.yaml, or give a longer --since"
        )
    return result


class ReplayRow(NamedTuple):
    """A request to replay; None as its body: it cannot be read."""

    name: str
    body: dict[str, Any] | None
    route: str
    key: str


def _replay(rows: Iterable[ReplayRow], policy: PrivacyPolicy) -> GuardReplay:
    custom = open_detectors(policy.detectors)
    guard = PrivacyGuard(policy, secrets.token_bytes(), custom)
    verdicts: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    took_ms: list[float] = []
    examples: list[ReplayExample] = []
    errors: list[str] = []
    for row in rows:
        fields = None if row.body is None else _read_texts(row.body)
        if fields is None:
            verdicts["failed"] += 1
            errors += [f"line {row.name} is no JSON object"] if len(errors) < MOST_EXAMPLES else []
            continue
        began = time.perf_counter()
        verdict = _judge(guard, row, fields)
        took_ms.append((time.perf_counter() - began) * 1e3)
        verdicts[verdict.action] += 1
        masked.update(verdict.masked)
        if verdict.action == "block":
            reasons[verdict.reason] += 1
        if verdict.action != "allow" and len(examples) < MOST_EXAMPLES:
            entities = frozenset(policy.choose_actions(row.route, row.key))
            examples += _make_examples(row.name, fields, entities, custom)
    return GuardReplay(
        rows=sum(verdicts.values()),
        allowed=verdicts["allow"],
        rewritten=verdicts["rewrite"],
        blocked=verdicts["block"],
        failed=verdicts["failed"],
        masked=dict(masked),
        median_ms=statistics.median(took_ms) if took_ms else 0.0,
        p99_ms=_find_p99(took_ms),
        reasons=dict(reasons),
        examples=tuple(examples[:MOST_EXAMPLES]),
        errors=tuple(errors),
    )


def _judge(guard: PrivacyGuard, row: ReplayRow, fields: Sequence[str]) -> Verdict:
    try:
        return guard.request(ReplayContext(row.name, row.route, row.key), fields)
    except Exception as error:  # as in the gateway, where a guard that cannot decide blocks
        return Verdict("block", f"the guard failed ({type(error).__name__})")


def _read_rows(path: Path, progress: Progress) -> Iterator[tuple[int, dict[str, Any] | None]]:
    try:
        size, read = path.stat().st_size, 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                read += len(line)
                if not line.isspace():
                    yield number, _decode(line)
                    progress(read, size, "bytes")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a file of JSON Lines") from error


def _decode(line: bytes) -> dict[str, Any] | None:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    request = row.get("request", row)
    return request if isinstance(request, dict) else None


def _read_texts(body: dict[str, Any]) -> list[str] | None:
    """What the gateway would show to guards."""
    texts: list[str] = []

    def collect(text: str) -> str:
        texts.append(text)
        return text

    try:
        replace_request_texts(body, collect)
    except RecursionError:
        return None
    return texts


def _find_p99(values: Sequence[float]) -> float:
    """By nearest rank; 0 of nothing."""
    return sorted(values)[-(-len(values) * 99 // 100) - 1] if values else 0.0


def _make_examples(
    name: str, fields: Sequence[str], entities: frozenset[str], custom: CustomDetectors
) -> Iterator[ReplayExample]:
    for text in fields:
        findings = scan_text(text, entities, custom=custom)
        for finding in findings[:2]:
            yield ReplayExample(name, label_entity(finding.entity), _redact_around(text, finding, custom))


def _redact_around(text: str, finding: PersonalFinding, custom: CustomDetectors) -> str:
    """The whole words around a find; what is a find of any kind is named, and digits are `#`."""
    start, end = max(0, finding.start - _AROUND), min(len(text), finding.end + _AROUND)
    rows = [one for one in scan_text(text, ENTITIES, custom=custom) if one.end > start and one.start < end]
    start, end = min([start, *(one.start for one in rows)]), max([end, *(one.end for one in rows)])
    moved = [msgspec.structs.replace(one, start=one.start - start, end=one.end - start) for one in rows]
    shown = replace(text[start:end], moved, lambda one, value: f"[{label_entity(one.entity)}]")
    return "".join("#" if letter.isdigit() else " " if letter.isspace() else letter for letter in shown)
