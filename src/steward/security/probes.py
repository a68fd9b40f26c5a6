"""What is asked of a gateway to see whether a published advisory repeats in it, and what the answers mean.

Pure: requests are values, and somebody else sends them. Each probe is small and reads or is refused; none creates,
changes or deletes anything in a server that holds, and none runs code in one that does not. Numbers are those of
`tests/security/test_advisory_NN_*.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

ProbeVerdict = Literal["held", "failed", "cannot tell", "not run"]
MAX_SECONDS: Final = 5.0  # that a harmless answer may take
GIANT_HEADER: Final = 256 * 1024
BOUNDARY: Final = 70_000
EVIL: Final = "https://evil.example"
MARK: Final = "steward-selftest"


class ProbeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `host`: sent as `Host` in the place of the server's."""

    method: str = "GET"
    path: str = "/v1/models"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    host: str | None = None
    with_key: bool = False


class ProbeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `status` None: the connection ended, or `timed_out`."""

    status: int | None
    headers: dict[str, str] = {}
    body: bytes = b""
    seconds: float = 0.0
    timed_out: bool = False


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one advisory came out."""

    number: int
    advisory: str
    title: str
    verdict: ProbeVerdict
    because: str


Judge = Callable[[Sequence[ProbeAnswer]], tuple[ProbeVerdict, str]]


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One advisory. `listens`: some request holds `{listener}`, the address of a port that nobody may call."""

    number: int
    advisory: str
    title: str
    requests: tuple[ProbeRequest, ...]
    judge: Judge
    needs_key: bool = False
    listens: bool = False


# -- judges --------------------------------------------------------------------------------------------


def judge_refused(answers: Sequence[ProbeAnswer]) -> tuple[ProbeVerdict, str]:
    """Every request is refused with a 4xx or sent to a login, in time."""
    for answer in answers:
        problem = _find_fault(answer)
        if problem:
            return "failed", problem
        if answer.status is not None and answer.status < 300:  # a redirect leads to a login
            return "failed", f"answered {answer.status} where a refusal was due"
    return "held", f"refused with {_list_statuses(answers)}"


def judge_alive(answers: Sequence[ProbeAnswer]) -> tuple[ProbeVerdict, str]:
    """Whatever is answered, it is answered in time and without a failure of the server."""
    for answer in answers:
        problem = _find_fault(answer)
        if problem:
            return "failed", problem
    return "held", f"answered {_list_statuses(answers)}"


def judge_bounded(answers: Sequence[ProbeAnswer]) -> tuple[ProbeVerdict, str]:
    """Too much is refused, or the connection is closed on it; the last answer is to an ordinary request."""
    *large, last = answers
    for answer in large:
        if answer.timed_out or answer.seconds > MAX_SECONDS:
            return "failed", f"took {answer.seconds:.1f} s"
        if answer.status is not None and (answer.status >= 500 or answer.status < 400):
            return "failed", f"answered {answer.status} where a refusal was due"
    if last.status is None or last.status >= 500:
        return "failed", "the server does not answer any more"
    return "held", f"refused with {_list_statuses(large)}"


def judge_no_file(answers: Sequence[ProbeAnswer]) -> tuple[ProbeVerdict, str]:
    """No answer holds the file of a system's accounts."""
    for answer in answers:
        if b"root:" in answer.body and b":0:0:" in answer.body:
            return "failed", "a file from outside was sent"
        problem = _find_fault(answer)
        if problem:
            return "failed", problem
    return "held", f"no file; answered {_list_statuses(answers)}"


def judge_origin(answers: Sequence[ProbeAnswer]) -> tuple[ProbeVerdict, str]:
    """No page of another origin may read answers, least of all with the visitor's credentials."""
    for answer in answers:
        allowed = answer.headers.get("access-control-allow-origin", "")
        credentials = answer.headers.get("access-control-allow-credentials", "").lower() == "true"
        if allowed == EVIL or (allowed == "*" and credentials):
            return "failed", f"lets pages of {EVIL} read answers" + (" with credentials" if credentials else "")
    return "held", "lets no page of an unknown origin read answers"


def judge_template(answers: Sequence[ProbeAnswer]) -> tuple[ProbeVerdict, str]:
    """No text of a request is worked out as a template."""
    for answer in answers:
        if b"1522756" in answer.body:  # 1234 * 1234
            return "failed", "worked out a template of a request"
    return judge_refused(answers)


def judge_unheard(answers: Sequence[ProbeAnswer]) -> tuple[ProbeVerdict, str]:
    """Judged by whether the listener was called, which whoever sends it adds (see `judge_listener`)."""
    return judge_alive(answers)


def judge_listener(is_local: bool, calls: int, verdict: tuple[ProbeVerdict, str]) -> tuple[ProbeVerdict, str]:
    """A server elsewhere may be unable to reach the listener, so that silence proves nothing."""
    if calls:
        return "failed", "called an address that the request named"
    if not is_local:
        return "cannot tell", "the server may not reach this machine; run it beside the server"
    return verdict


def _find_fault(answer: ProbeAnswer) -> str | None:
    if answer.timed_out or answer.seconds > MAX_SECONDS:
        return f"took {answer.seconds:.1f} s"
    if answer.status is None:
        return "ended the connection without an answer"
    return f"failed with {answer.status}" if answer.status >= 500 else None


def _list_statuses(answers: Sequence[ProbeAnswer]) -> str:
    seen = {"a closed connection" if answer.status is None else str(answer.status) for answer in answers}
    return ", ".join(sorted(seen))


# -- the table -------------------------------------------------------------------------------------------


def _bearer(text: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {text}"),)


def _post(path: str, body: object, **more: object) -> ProbeRequest:
    data = json.dumps(body).encode()
    return msgspec.structs.replace(
        ProbeRequest(method="POST", path=path, headers=(("Content-Type", "application/json"),), body=data), **more
    )


def _chat(model: str, **more: object) -> ProbeRequest:
    body = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": MARK}], **more}
    return _post("/v1/chat/completions", body, with_key=True)


def list_probes(model: str = "") -> tuple[Probe, ...]:
    """Every probe, in the order of the advisories. `model`: one that answers, for those that need a key."""
    return (*_OPEN_PROBES, *_list_keyed_probes(model or f"{MARK}-no-such-model"))


_UNSIGNED: Final = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJwcm94eV9hZG1pbiJ9."
_OPEN_PROBES: Final = (
    Probe(
        number=1,
        advisory="CVE-2026-42208",
        title="SQL in the Authorization header",
        requests=tuple(
            ProbeRequest(headers=_bearer(text))
            for text in (
                "' OR '1'='1",
                "sk-x' UNION SELECT 1--",
                "sk-x'; SELECT pg_sleep(6)--",
                "sk-%27%20OR%201=1",
            )
        ),
        judge=judge_refused,
    ),
    Probe(
        number=3,
        advisory="CVE-2026-35029",
        title="Configuration without a key",
        requests=(_post("/config/update", {}), ProbeRequest(path="/config/yaml"), ProbeRequest(path="/get/config")),
        judge=judge_refused,
    ),
    Probe(
        number=5,
        advisory="CVE-2026-30623",
        title="A command in a request",
        requests=(_post("/mcp-rest/test/connection", {}), _post("/mcp-rest/test/tools/list", {})),
        judge=judge_refused,
    ),
    Probe(
        number=6,
        advisory="GHSA-xqmj-j6mv-4862",
        title="A template in a request",
        requests=(_post("/prompts/test", {"dotprompt_content": "{{ 1234 * 1234 }}"}),),
        judge=judge_template,
    ),
    Probe(
        number=9,
        advisory="CVE-2026-49468",
        title="A Host header that confuses routes",
        requests=tuple(
            ProbeRequest(path=path, host=host)
            for path in ("/v1/models", "/key/list")
            for host in ("localhost:4000/#@x", "localhost/v1/models?x=")
        ),
        judge=judge_refused,
    ),
    Probe(
        number=11,
        advisory="CVE-2024-8984",
        title="A multipart boundary without end",
        requests=(
            ProbeRequest(
                method="POST",
                path="/v1/audio/transcriptions",
                headers=(("Content-Type", f"multipart/form-data; boundary={'-' * 4000}"),),
                body=b"--" + b"-" * BOUNDARY,
            ),
            ProbeRequest(),
        ),
        judge=judge_bounded,
    ),
    Probe(
        number=15,
        advisory="CVE-2025-3248",
        title="Code before a key",
        requests=(_post("/api/v1/validate/code", {"code": ""}),),
        judge=judge_refused,
    ),
    Probe(
        number=16,
        advisory="CVE-2025-34291",
        title="Pages of any origin",
        requests=tuple(
            ProbeRequest(
                method=method,
                path="/v1/models",
                headers=(("Origin", EVIL), ("Access-Control-Request-Method", "POST")),
            )
            for method in ("OPTIONS", "GET")
        ),
        judge=judge_origin,
    ),
    Probe(
        number=17,
        advisory="CVE-2023-48022",
        title="Administration without a key",
        requests=tuple(
            ProbeRequest(path=path)
            for path in ("/api/jobs/", "/key/list", "/user/list", "/model/info", "/api/v1/keys", "/api/v1/users")
        ),
        judge=judge_refused,
    ),
    Probe(
        number=18,
        advisory="CVE-2023-6977",
        title="A path that leaves its folder",
        requests=tuple(
            ProbeRequest(path=path)
            for path in (
                "/static/../../../../../../etc/passwd",
                "/static/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
                "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd#x",
                "/v1/files/..%2f..%2f..%2f..%2fetc%2fpasswd/content",
            )
        ),
        judge=judge_no_file,
    ),
    Probe(
        number=21,
        advisory="CVE-2025-48956",
        title="A giant header",
        requests=(ProbeRequest(headers=(("X-Filler", "a" * GIANT_HEADER),)), ProbeRequest()),
        judge=judge_bounded,
    ),
    Probe(
        number=26,
        advisory="CVE-2024-12537",
        title="A formatter without a key",
        requests=(_post("/api/v1/utils/code/format", {"code": ""}), _post("/api/v1/utils/markdown", {"md": ""})),
        judge=judge_refused,
    ),
    Probe(
        number=29,
        advisory="CVE-2025-66416",
        title="A foreign name on this address",
        requests=(
            _post("/v1/chat/completions", {}, host="evil.example", headers=(("Origin", EVIL),)),
            ProbeRequest(host="evil.example", headers=(("Origin", EVIL),)),
        ),
        judge=judge_refused,
    ),
    Probe(
        number=30,
        advisory="CVE-2025-62727",
        title="Ranges without end",
        requests=(ProbeRequest(headers=(("Range", "bytes=" + ",".join(["0-"] * 1500)),)),),
        judge=judge_alive,
    ),
    Probe(
        number=31,
        advisory="CVE-2026-48523",
        title="A token without a signature",
        requests=(ProbeRequest(headers=_bearer(_UNSIGNED)),),
        judge=judge_refused,
    ),
    Probe(
        number=33,
        advisory="langwatch#3702",
        title="No key, an empty key, a well-known key",
        requests=(
            ProbeRequest(),
            _post("/v1/chat/completions", {}),
            *(ProbeRequest(headers=_bearer(text)) for text in ("", "sk-1234", "null", "undefined")),
        ),
        judge=judge_refused,
    ),
)


def _list_keyed_probes(model: str) -> tuple[Probe, ...]:
    listener = "http://{listener}/v1"
    tools = [{"type": "function", "function": {"name": "x", "parameters": {"type": "object", "properties": {"a": {
        "type": "string", "pattern": "((((("}}}}}]  # fmt: skip
    return (
        Probe(
            number=7,
            advisory="CVE-2024-6587",
            title="An upstream that the client names",
            requests=tuple(_chat(model, **{name: listener}) for name in ("api_base", "base_url")),
            judge=judge_unheard,
            needs_key=True,
            listens=True,
        ),
        Probe(
            number=14,
            advisory="litellm#29114",
            title="Metadata that lifts a check",
            requests=(
                _chat(
                    f"{MARK}-no-such-model", metadata={"skip_model_check": "true", "_is_litellm_internal_call": "true"}
                ),
            ),
            judge=judge_refused,
            needs_key=True,
        ),
        Probe(
            number=22,
            advisory="CVE-2025-48944",
            title="Tools with a broken schema",
            requests=(_chat(model, tools=tools), ProbeRequest(with_key=True)),
            judge=judge_alive,
            needs_key=True,
        ),
    )
