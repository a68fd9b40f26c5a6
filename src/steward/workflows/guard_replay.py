"""What the guards of a configuration would do with texts and requests that are kept in a file; nothing is sent."""

from __future__ import annotations

import secrets
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.errors import InputError
from steward.core.extend import Verdict
from steward.core.identity import DEFAULT_PROJECT, DEFAULT_TENANT
from steward.gateway.text_fields import replace_request_texts
from steward.privacy.entities import ENTITIES, label_entity
from steward.privacy.guard import PrivacyGuard
from steward.privacy.policy import PrivacyPolicy
from steward.privacy.pseudonyms import replace
from steward.privacy.scan import PersonalFinding, scan_text

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
    return PrivacyGuard(policy, secrets.token_bytes(32)).request(ReplayContext("test", route, key), [text])


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
    guard = PrivacyGuard(policy, secrets.token_bytes(32))
    verdicts: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    took_ms: list[float] = []
    examples: list[ReplayExample] = []
    errors: list[str] = []
    for number, body in _read_rows(path, progress):
        fields = None if body is None else _read_texts(body)
        if fields is None:
            verdicts["failed"] += 1
            errors += [f"line {number} is no JSON object"] if len(errors) < MOST_EXAMPLES else []
            continue
        context = ReplayContext(str(number), route, key)
        began = time.perf_counter()
        try:
            verdict = guard.request(context, fields)
        except Exception as error:  # as in the gateway, where a guard that cannot decide blocks
            verdict = Verdict("block", f"the guard failed ({type(error).__name__})")
        took_ms.append((time.perf_counter() - began) * 1e3)
        verdicts[verdict.action] += 1
        masked.update(verdict.masked)
        if verdict.action == "block":
            reasons[verdict.reason] += 1
        if verdict.action != "allow" and len(examples) < MOST_EXAMPLES:
            examples += _make_examples(number, fields, frozenset(policy.choose_actions(route, key)))
    if not sum(verdicts.values()):
        raise InputError(f"{path}: no rows; expected JSON Lines, one request or text a line")
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


def _make_examples(number: int, fields: Sequence[str], entities: frozenset[str]) -> Iterator[ReplayExample]:
    for text in fields:
        findings = scan_text(text, entities)
        for finding in findings[:2]:
            yield ReplayExample(str(number), label_entity(finding.entity), _redact_around(text, finding))


def _redact_around(text: str, finding: PersonalFinding) -> str:
    """The whole words around a find; what is a find of any kind is named, and digits are `#`."""
    start, end = max(0, finding.start - _AROUND), min(len(text), finding.end + _AROUND)
    rows = [one for one in scan_text(text, ENTITIES) if one.end > start and one.start < end]
    start, end = min([start, *(one.start for one in rows)]), max([end, *(one.end for one in rows)])
    moved = [msgspec.structs.replace(one, start=one.start - start, end=one.end - start) for one in rows]
    shown = replace(text[start:end], moved, lambda one, value: f"[{label_entity(one.entity)}]")
    return "".join("#" if letter.isdigit() else " " if letter.isspace() else letter for letter in shown)
