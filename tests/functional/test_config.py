"""`steward config` and `steward init` as a user meets them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import inside, run
from steward.core.files import hold_lock


def test_init_writes_a_file_that_checks(tmp_path: Path) -> None:
    assert run("init", cwd=tmp_path).returncode == 0
    assert inside("config", "check", cwd=tmp_path).returncode == 0
    assert inside("init", cwd=tmp_path).returncode == 2


def test_wrong_key_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("gateway:\n  host: 127.0.0.1\n  prot: 80\n")
    ended = inside("config", "check", cwd=tmp_path)
    assert ended.returncode == 2
    assert "steward.yaml:3: gateway.prot: unknown key; did you mean 'port'?" in ended.stderr


def test_show_says_where_each_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("gateway: {port: 9000}\n")
    shown = json.loads(inside("config", "show", "--json", cwd=tmp_path, STEWARD_CONSOLE__PORT="9001").stdout)
    origins = {item["key"]: (item["value"], item["origin"]) for item in shown}
    assert origins["gateway.port"] == (9000, "steward.yaml:1")
    assert origins["console.port"] == (9001, "environment STEWARD_CONSOLE__PORT")
    assert origins["gateway.host"] == ("127.0.0.1", "default")


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run("up", "--home", str(tmp_path / "file"))
    said = f"steward: the home {tmp_path}/file cannot be made: File exists; choose a folder of yours with --home\n"
    assert (ended.returncode, ended.stderr) == (2, said)


def test_no_deployment_is_a_clear_error(tmp_path: Path) -> None:
    ended = inside("usage", cwd=tmp_path, STEWARD_HOME="")
    assert ended.returncode == 2 and "steward up" in ended.stderr


def test_a_shell_completes_commands_and_their_options() -> None:
    steward = Path(sys.executable).with_name("steward")
    for words, last, wanted in (("steward ke", "1", "keys"), ("steward keys create --na", "3", "--name")):
        asked = {"_STEWARD_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": last}
        ended = subprocess.run([steward], capture_output=True, text=True, timeout=30, env={**os.environ, **asked})
        assert ended.stdout.split() == [wanted]


UPSTREAM = "models: [{name: m, backend: openai, url: 'http://127.0.0.1:9/v1'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models: [{name: m, backend: openai, url: 'http://127.0.0.1:19l00/v1'}]", "models.0.url: 'http://127.0.0.1:19l00"),
        ("models: [{name: m, backend: openai, url: 'http://:80'}]", "names no host"),
        ("models: [{name: m, backend: openai, url: 'http://h:99999'}]", "Port out of range"),
        ("models: [{name: m, backend: embedded, path: gone.gguf}]", "no such file"),
        ("models: [{name: m, backend: embedded, path: steward.yaml}]", "expected b'GGUF'"),
        (f"{UPSTREAM}, key: 'env:NOPE'}}]", "the environment variable NOPE is not set"),
        ("privacy: {actions: {email: block}}", "without effect while profile is off"),
        ("gateway: {port: 8081}", "console.port (the default) are both 8081"),
        ("store: {kind: postgresql, url: 'env:NOPE'}", "NOPE is not set"),
        ("limits: {models: {ms: {concurrent: 1}}}", "unknown model or route (in limits.models) 'ms'"),
        ("routes: [{name: r, targets: [{model: starter}], prompt: {name: gone}}]", "unknown prompt 'gone'"),
        ("monitoring: {channels: [{name: t, kind: apprise, url: 'nosuch://x'}]}", "t: its url is none that Apprise"),
        ("monitoring: {channels: [{name: t, kind: apprise, url: 'env:NOPE'}]}", "NOPE is not set"),
        (f"{UPSTREAM}}}]\nlimits: {{valkey: 'env:NOPE'}}", "NOPE is not set"),
        (f"{UPSTREAM}}}]\nlimits: {{valkey: 'env:HOME'}}", "expected redis://HOST"),
        (f"{UPSTREAM}}}]\nstore: {{kind: postgresql, url: 'env:HOME'}}", "expected postgresql://USER"),
        (f"{UPSTREAM}}}]\nguards: [{{name: g, kind: service, url: 'http://h', key: 'env:NOPE'}}]", "guards: g: secret"),
        (
            f"{UPSTREAM}}}]\nprivacy: {{profile: default, detectors: [{{name: d, function: 'no.py:f'}}]}}",
            "privacy.detectors: d: no file 'no.py'",
        ),
        (f"{UPSTREAM}}}]\nregistry: {{storage: 's3://'}}", "registry.storage: s3://: it names no bucket"),
        (f"{UPSTREAM}}}]\nregistry: {{storage: 'nosuch://x'}}", "Protocol not known: nosuch"),
        ("models: [{name: m, backend: openai, url: 'http://u:pw@127.0.0.1:9'}]", "holds a user name or password"),
        (f"home: {'x' * 120}", "too long for the socket"),
    ],
)  # fmt: skip
def test_k1_k2_k3_k10_check_refuses_what_up_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steward.yaml").write_text(text)
    for command in (("config", "check"), ("up",)):
        ended = inside(*command)
        assert ended.returncode == 2 and said in ended.stderr and "steward.yaml" in ended.stderr


def make_garbage_store(folder: Path) -> None:
    (folder / ".steward").mkdir()
    (folder / ".steward" / "steward.db").write_bytes(b"garbage" * 1000)


def make_short_root(folder: Path) -> None:
    (folder / ".steward").mkdir()
    (folder / ".steward" / "root-key").touch(0o600)
    (folder / ".steward" / "root-key").write_bytes(b"short")


def make_open_root(folder: Path) -> None:
    (folder / "rk").touch(0o644)
    (folder / "rk").write_bytes(bytes(32))


def make_garbage_releases(folder: Path) -> None:
    (folder / ".steward").mkdir()
    (folder / ".steward" / "releases.json").write_text("garbage")


@pytest.mark.parametrize(
    ("text", "make", "said"),
    [
        ("home: f", lambda folder: (folder / "f").touch(), "f cannot be made: File exists"),
        ("home: f/g", lambda folder: (folder / "f").touch(), "g cannot be made: Not a directory"),
        ("", make_garbage_store, ".steward/steward.db is damaged"),
        ("", make_short_root, ".steward/root-key: 5 bytes, expected 32"),
        ("", make_garbage_releases, ".steward/releases.json: JSON is malformed"),
        ("security: {root: 'file:rk'}", make_open_root, "lets others read it; expected 0600: chmod 600"),
        ("security: {root: 'file:none'}", lambda folder: None, "no root key there"),
        ("security: {root: 'env:NOPE'}", lambda folder: None, "NOPE is not set"),
        ("security: {root: 'env:HOME'}", lambda folder: None, "expected 64 hex digits"),
    ],
)
def test_k2_check_looks_at_the_home_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, make: Callable[[Path], None], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steward.yaml").write_text(f"{UPSTREAM}}}]\ngateway: {{port: 0}}\nconsole: {{port: 0}}\n{text}\n")
    make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ended = inside("config", "check")
    assert ended.returncode == 2 and said in ended.stderr and "steward.yaml: " in ended.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    up = run("up")
    assert up.returncode == 2 and said in up.stderr


def test_k2_check_refuses_ports_that_are_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for gateway, console, said in ((port, 0, "gateway"), (0, port, "console")):
            ports = f"gateway: {{port: {gateway}}}\nconsole: {{port: {console}}}\n"
            (tmp_path / "steward.yaml").write_text(f"{UPSTREAM}}}]\n{ports}")
            ended = inside("config", "check", cwd=tmp_path)
            assert ended.returncode == 2 and f"{said}: 127.0.0.1:{port} is taken" in ended.stderr


def test_k2_ports_of_the_deployment_that_runs_are_its_own(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = f"gateway: {{port: {taken.getsockname()[1]}}}\nconsole: {{port: 0}}\n"
        (tmp_path / "steward.yaml").write_text(f"{UPSTREAM}}}]\n{ports}")
        (tmp_path / ".steward").mkdir()
        with hold_lock(tmp_path / ".steward" / "up.lock"):
            assert inside("config", "check", cwd=tmp_path).returncode == 0
        assert inside("config", "check", cwd=tmp_path).returncode == 2


def test_k2_check_writes_nothing_and_live_asks_the_servers(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text(f"{UPSTREAM}}}]")
    assert inside("config", "check", cwd=tmp_path).returncode == 0
    ended = inside("config", "check", "--live", cwd=tmp_path)
    assert ended.returncode == 4 and "model 'm': no answer at http://127.0.0.1:9/v1" in ended.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "steward.yaml"]


@pytest.mark.parametrize("word", ["off", "Off", "OFF"])
def test_k4_the_truth_values_of_yaml_are_read_as_the_words_they_are(tmp_path: Path, word: str) -> None:
    (tmp_path / "steward.yaml").write_text(f"privacy: {{profile: {word.lower()}}}\nwatch: {word}\n")
    assert inside("config", "check", cwd=tmp_path).returncode == 0
    assert inside("config", "check", cwd=tmp_path, STEWARD_PRIVACY__PROFILE=word.lower()).returncode == 0


def test_k7_check_says_what_a_profile_does_not_mask(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("privacy: {profile: gdpr}\n")
    shown = inside("config", "check", cwd=tmp_path).stdout
    assert "masks e-mail addresses, phone numbers, payment cards, IP addresses" in shown
    assert "Does not mask organisations, dates, ages" in shown and "passwords and keys, or names without a cue" in shown


UNPRICED = """\
models:
  - {name: dear, backend: openai, url: "http://127.0.0.1:9/v1"}
  - {name: priced, backend: openai, url: "http://127.0.0.1:9/v1", price: {input: 1, output: 1}}
routes:
  - {name: both, targets: [{model: priced}], fallback: [dear]}
"""


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("default: {usd_per_day: 5}", "limits.default has a budget, and dear no price: requests that may reach it"),
        ("models: {both: {usd_per_month: 5}}", "limits.models.both has a budget, and dear no price"),
        ("teams: {a: {usd_per_day: 5}}", "limits.teams.a has a budget, and dear no price"),
        ("models: {priced: {usd_per_day: 5}}", ""),
        ("default: {tokens_per_minute: 5}", ""),
    ],
)
def test_k3_check_says_which_budgets_refuse_requests_for_want_of_a_price(
    tmp_path: Path, limits: str, said: str
) -> None:
    (tmp_path / "steward.yaml").write_text(f"{UNPRICED}limits: {{{limits}}}\n")
    shown = inside("config", "check", cwd=tmp_path).stdout
    assert "fine" in shown and (said in shown if said else "budget" not in shown)
    assert bool(json.loads(inside("config", "check", "--json", cwd=tmp_path).stdout)["warnings"]) is bool(said)


def test_k10_what_may_be_two_kinds_of_value_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text(
        UNPRICED.replace("fallback: [dear]", "fallback: [dear], fallback_on: {context: maybe}")
    )
    error = inside("config", "check", cwd=tmp_path).stderr
    assert error.count("routes.0.fallback_on.context: ") == 1 and "fallback_on.context.bool" not in error
    assert "expected a list" in error and "; or expected true or false" in error
