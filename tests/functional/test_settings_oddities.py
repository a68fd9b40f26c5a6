"""K1, K4, K10 of issue 15: what YAML makes of a value never serves as something else than was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import inside

MODEL = "models: [{name: m, backend: openai, url: 'http://127.0.0.1:9/v1'}]\n"


def check(folder: Path, text: str) -> tuple[int, str]:
    (folder / "steward.yaml").write_text(text)
    checked = inside("config", "check", "--config", str(folder / "steward.yaml"))
    return checked.returncode, checked.stderr


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("gateway: {port: 010}", "gateway.port: 010 is octal to some and decimal to others"),
        ("gateway: {port: yes}", "gateway.port: expected a number, not a truth value"),
        ("gateway: {drain_s: on}", "gateway.drain_s: expected a number, not a truth value"),
        ("gateway: {port: 2:30}", "gateway.port: expected a whole number"),
        ("gateway: {drain_s: .inf}", "gateway.drain_s: should be a finite number"),
        ("gateway: {drain_s: .nan}", "gateway.drain_s: should be"),
        ("gateway: {drain_s: 30s}", "gateway.drain_s: expected a number of seconds, without a unit"),
        ("gateway: {drain_s: 1m}", "gateway.drain_s: expected a number of seconds, without a unit"),
        ("gateway: {drain-s: 3}", "did you mean 'drain_s'?"),
        ("Gateway: {port: 8081}", "did you mean 'gateway'?"),
        ("privacy: {profile: OFF}", "did you mean 'off'?"),
        ("privacy: {profile: no}", "privacy.profile: should be 'off'"),
        ("gateway:\n\tport: 1", "steward.yaml:3: not valid YAML"),
        ("gateway: {port: 1, port: 2}", "'port' is written twice"),
        ("gateway:", "gateway: expected a section"),
    ],
)
def test_k4_what_is_written_oddly_is_refused_with_line_and_key(line: str, says: str, tmp_path: Path) -> None:
    code, error = check(tmp_path, f"{MODEL}{line}\n")
    assert code == 2 and "steward.yaml:" in error and says in error, error


@pytest.mark.parametrize(
    "line", ["gateway: {port: 1e3}", "gateway: {port: 0x1F90}", "gateway: {port: 8_080}", "watch: no"]
)
def test_k4_other_spellings_of_a_value_are_read(line: str, tmp_path: Path) -> None:
    assert check(tmp_path, f"{MODEL}{line}\n") == (0, "")


@pytest.mark.parametrize("url", ["http:// 127.0.0.1:9/v1", "http://127.0.0.1:9/v1 ", "http://127.0.0.1:9/v1#a"])
def test_k1_a_url_that_cannot_be_asked_is_refused(url: str, tmp_path: Path) -> None:
    code, error = check(tmp_path, MODEL.replace("http://127.0.0.1:9/v1", url))
    assert code == 2 and "steward.yaml:1: models.0.url:" in error and "expected http://HOST:PORT" in error


def test_k10_the_nearest_word_of_an_enumeration_is_named(tmp_path: Path) -> None:
    assert "did you mean 'openai'?" in check(tmp_path, MODEL.replace("openai", "OpenAI"))[1]
    assert "did you mean 'openai'?" in check(tmp_path, MODEL.replace("openai", "opnai"))[1]
