"""`steward eval perplexity` from the command line: the shipped model, a server that can, and those that cannot."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, inside, served
from steward.core.errors import InputError
from steward.workflows.evaluate.perplexity import PerplexityOptions, measure_perplexity

HALF, OTHER = math.log(1 / 2), math.log(1 / 510)  # of tests/echoing_upstream.py


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/echoing_upstream.py")


@pytest.fixture(scope="module")
def chat() -> Iterator[str]:
    yield from served("tests/answering_upstream.py")


def measure(file: Path, *arguments: str) -> tuple[int, Any]:
    done = inside("eval", "perplexity", "--file", str(file), "--json", *arguments)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_the_shipped_model_in_this_process(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("Where is my order?\n\nI want to return a scarf.\n\nDo you ship to Norway?\n")
    code, found = measure(tmp_path / "t.txt", "--model", "starter", "--window", "128")
    byte, bits = found["byte_perplexity"]["value"], found["bits_per_byte"]
    assert code == 0 and byte == pytest.approx(2 ** bits["value"]) and bits["low"] < bits["value"] < bits["high"]
    assert (found["words"], found["documents"], found["setup"]["window"]) == (15, 3, 128)
    assert found["setup"]["prefix_token"] == 0 and "window:128|stride:128|prefix:0" in found["signature"]


def test_e08_a_text_with_crlf_is_as_likely_as_with_line_feeds(tmp_path: Path) -> None:
    """The same text, with the line ends of Windows, old Macs and Unix, as a file and within JSON: one number."""
    text = "Where is my order?\nI want to return a scarf.\nDo you ship to Norway?\n"
    found = []
    for name, ends in (("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r")):
        file, rows = tmp_path / f"{name}.txt", tmp_path / f"{name}.jsonl"
        file.write_bytes(text.replace("\n", ends).encode())
        rows.write_bytes(json.dumps({"text": text.replace("\n", ends)}).encode() + ends.encode())
        for each in (file, rows):
            code, measured = measure(each, "--model", "starter", "--window", "128", "--split", "file")
            assert code == 0
            found.append((measured["bits_per_byte"]["value"], measured["bytes"]))
    assert found == [found[0]] * 6 and found[0][1] == len(text)


def test_one_result_is_set_against_another(tmp_path: Path, upstream: str) -> None:
    """The same model saves nothing; documents are rows of the result, so the text itself is not needed."""
    (tmp_path / "t.txt").write_text("abc\n\nacb\n\nbca\n")
    arguments = ("--model", "honest", "--url", upstream)
    _, first = measure(tmp_path / "t.txt", *arguments)
    (tmp_path / "first.json").write_text(json.dumps(first))
    code, found = measure(tmp_path / "t.txt", *arguments, "--against", str(tmp_path / "first.json"))
    assert code == 0 and found["against"]["documents"] == 3
    # three documents that are all alike tell nothing of how others differ, so there is no interval
    assert [found["against"][name] for name in ("bits_per_byte", "low", "high", "ratio")] == [0, None, None, 1]
    (tmp_path / "u.txt").write_text("abcd")
    code, said = measure(tmp_path / "u.txt", *arguments, "--against", str(tmp_path / "first.json"))
    assert code == 2 and "over different texts" in said


def test_a_server_is_asked_in_windows_that_it_can_hold(tmp_path: Path, upstream: str) -> None:
    """By hand: "abc" * 50 has 149 steps scored without a prefix, 100 of them to the byte that follows."""
    (tmp_path / "t.txt").write_text("abc" * 50)
    for stride in ("62", "10"):
        code, found = measure(tmp_path / "t.txt", "--model", "honest", "--url", upstream, "--stride", stride)
        assert code == 0 and found["nats"] == pytest.approx(100 * HALF + 49 * OTHER)
        assert (found["tokens"], found["words"], found["bytes"]) == (149, 1, 150)
        assert found["token_perplexity"]["value"] == pytest.approx(math.exp(-found["nats"] / 149))


def test_documents_that_fail_are_named_and_counted_apart(tmp_path: Path, upstream: str) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "abc"}\n{"text": "x~z"}\n{"text": ""}\n{"text": "def"}\n')
    code, found = measure(tmp_path / "t.jsonl", "--model", "broken", "--url", upstream)
    assert code == 4 and found["errored"][0].startswith("2: broken: HTTP 503")
    assert (found["documents"], found["unscored"], found["nats"]) == (2, 1, pytest.approx(4 * HALF))


def test_a_server_that_cannot_is_refused(tmp_path: Path, upstream: str) -> None:
    (tmp_path / "t.txt").write_text("abc def")
    code, said = measure(tmp_path / "t.txt", "--model", "generated", "--url", upstream)
    assert code == 2 and "generated: the server does not return the log-probabilities of the prompt" in said


def test_a_server_without_completions_is_refused(tmp_path: Path, chat: str) -> None:
    """It has no /tokenize either, but to ask the user for a tokenizer would help nothing."""
    (tmp_path / "t.txt").write_text("abc def")
    code, said = measure(tmp_path / "t.txt", "--model", "right", "--url", chat)
    assert code == 2 and "right: the server does not return the log-probabilities of the prompt (HTTP 404" in said


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("startr", {}, "did you mean 'starter'"),
        ("starter", {"stride": 2000}, "--stride 2000 is larger than the window of 1023"),
        ("starter", {"backend": "url"}, "--backend url needs --url"),
        ("starter", {"backend": "embedded", "url": "http://x"}, "takes no --url"),
        ("starter", {"backend": "onnx"}, "unknown backend 'onnx'"),
        ("starter", {"prefix_token": "bos"}, "expected the number of a token, or none"),
        ("README.md", {}, "expected b'GGUF'"),
    ],
)
def test_what_cannot_be_measured_is_named(tmp_path: Path, model: str, options: dict[str, Any], said: str) -> None:
    (tmp_path / "t.txt").write_text("abc def")
    with pytest.raises(InputError, match=said):
        measure_perplexity(
            PerplexityOptions(str(ROOT / model) if "." in model else model, **options),
            tmp_path / "t.txt",
            split="blank",
            field="text",
            concurrency=1,
            progress=lambda total: lambda done, failed: None,
        )
