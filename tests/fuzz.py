"""What must hold for every byte string that a client or an upstream may send.

    python tests/fuzz.py [--seconds 60]

Runs each target under atheris (coverage-guided), or under hypothesis where atheris is not installed. The unit tests run
the same targets on fewer examples (`tests/unit/gateway/test_fuzz.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steward.core.errors import Refused
from steward.core.extend import GuardContext, Verdict
from steward.gateway import dialects
from steward.gateway.answer import Answer
from steward.gateway.error_answers import convert_error
from steward.gateway.exchange import Exchange
from steward.gateway.guards import GuardedStream, guard_answer, guard_request
from steward.gateway.models import ModelEntry
from steward.gateway.outgoing import Outgoing, build_outgoing
from steward.gateway.output_limits import declared_maximum
from steward.gateway.relay import Relay, convert_answer, parse_early_error
from steward.gateway.sse import event_data
from steward.gateway.upstream_errors import read_upstream_error
from steward.gateway.wire import decode_request

ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/responses")
ENTRY = ModelEntry("m", engine=None, upstream_model="u")  # type: ignore[arg-type]
ASKED = {"model": "m", "stream": True}


class Passing:
    """A guard that changes every request and no answer."""

    name = "passing"

    def request(self, exchange: GuardContext, fields: Any) -> Verdict:
        return Verdict("rewrite", texts=tuple(fields))

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        return text

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")


def request_target(data: bytes) -> None:
    """Every body is taken in and forwarded, or refused with a 4xx that has a message and is JSON."""
    for endpoint in ENDPOINTS:
        exchange = Exchange("req_1", endpoint, {}, data, 0.0, 0.0)
        try:
            exchange.request = decode_request(endpoint, data)
            exchange.request.content_bytes()
            assert (declared_maximum(exchange.request, endpoint) or 1) < 2**63
            guard_request([Passing()], exchange)
            json.loads(build_outgoing(exchange, ENTRY).body)
        except Refused as error:
            assert 400 <= error.status < 500 and error.message
            json.loads(dialects.find_dialect(endpoint).error_body(error, "req_1"))


def stream_target(data: bytes) -> None:
    """Every stream ends in the client's dialect, whatever the pieces it came in."""
    step = 1 + data[0] % 7 if data else 1
    for endpoint in ENDPOINTS:
        translation = dialects.find_translation(endpoint, ENTRY.endpoints)
        for native in (True, False) if translation else (True,):
            outgoing = Outgoing(endpoint, b"") if native else Outgoing(dialects.CHAT, b"", translation, ASKED)
            exchange = Exchange("req_1", endpoint, {}, b"", 0.0, 0.0)
            relay = Relay(exchange, outgoing)
            out = b"".join(
                relay.relay_events(relay.scanner.feed(data[at : at + step])) for at in range(0, len(data), step)
            )
            out += relay.end()
            if exchange.truncated:
                assert b"stream_truncated" in out or b'"type":"error"' in out
            guarded = GuardedStream([Passing()], exchange)
            for event in (*dialects.find_dialect(endpoint).scanner().feed(out), data + b"\n\n"):
                try:
                    guarded.feed(event)
                except Refused as error:
                    assert error.status == 502
    parse_early_error(event_data(data))


def answer_target(data: bytes) -> None:
    """Every whole answer is passed on or refused with 502."""
    read_upstream_error(500, data)
    for endpoint in ENDPOINTS:
        exchange = Exchange("req_1", endpoint, {}, b"", 0.0, 0.0)
        translation = dialects.find_translation(endpoint, ENTRY.endpoints)
        outgoing = Outgoing(dialects.CHAT, b"", translation, ASKED) if translation else Outgoing(endpoint, b"")
        convert_error(exchange, outgoing, 500, data)
        try:
            answer: Answer = convert_answer(exchange, outgoing, data)
            guard_answer([Passing()], exchange, answer.body)
        except Refused as error:
            assert error.status == 502


TARGETS: dict[str, Callable[[bytes], None]] = {
    "request": request_target,
    "stream": stream_target,
    "answer": answer_target,
}


def with_atheris(name: str, seconds: int) -> None:
    """From valid inputs onwards: msgspec's parser is C, which shows the fuzzer no coverage. Does not return."""
    import atheris

    from shapes import seeds

    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(seeds(name)):
        (corpus / str(number)).write_bytes(seed)
    for module in [module for module in sys.modules if module.split(".")[0] == "steward"]:
        del sys.modules[module]
    with atheris.instrument_imports(include=["steward"]):
        import fuzz  # this file again, over instrumented modules
    flags = [f"-max_total_time={seconds}", "-max_len=4096", "-verbosity=1"]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], fuzz.TARGETS[name])
    atheris.Fuzz()


def with_hypothesis(name: str, seconds: int) -> None:
    """In rounds, until the time is over."""
    from hypothesis import HealthCheck, given, settings

    from shapes import shaped

    end = time.monotonic() + seconds
    check = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))(
        given(shaped(name))(TARGETS[name])
    )
    while time.monotonic() < end:
        check()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", choices=sorted(TARGETS))
    given = parser.parse_args()
    try:
        import atheris  # noqa: F401

        run = with_atheris
    except ModuleNotFoundError:
        run = with_hypothesis
    if given.target:
        run(given.target, given.seconds)
        return
    for name in TARGETS:
        print(f"{name}: {run.__name__.removeprefix('with_')} for {given.seconds} s", flush=True)
        command = [sys.executable, __file__, "--target", name, "--seconds", str(given.seconds)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


if __name__ == "__main__":
    main()
