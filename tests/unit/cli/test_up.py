"""What `steward up` asks of a home, and says once it is ready."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from typer.testing import CliRunner

from steward.cli import up
from steward.cli.main import app
from steward.core.errors import InputError
from steward.core.files import spell_home
from steward.core.identity import operator
from steward.settings import load_settings
from steward.workflows.keys import list_keys


def test_k8_what_model_replaces_is_said(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text(
        "models:\n- {name: a, backend: openai, url: 'http://127.0.0.1:1/v1'}\n- {name: b, backend: openai, url: 'http://127.0.0.1:2/v1'}\n"
        "routes:\n- {name: r, targets: [{model: a}]}\n"
    )
    settings = load_settings(folder=tmp_path).settings
    assert up._say_replaced(settings, "m.gguf") == ["--model replaces what steward.yaml has: 2 models, 1 route", ""]
    assert up._say_replaced(settings, None) == []


def test_k8_a_printed_command_finds_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert spell_home(tmp_path / ".steward") == ""
    assert spell_home(Path("/a b")) == " --home '/a b'"


def test_k12_the_help_names_the_ports() -> None:
    text = CliRunner().invoke(app, ["up", "--help"], env={"COLUMNS": "200"}).output
    assert "8080 by default" in text and "8081 by default" in text


def test_k10_a_folder_that_cannot_be_written_names_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/home cannot be made: .*choose a folder of yours with --home"):
        up._make_home(tmp_path / "file" / "home")


def test_k8_a_single_thing_that_is_replaced_is_counted_as_one(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("models:\n- {name: a, backend: openai, url: 'http://127.0.0.1:1/v1'}\n")
    settings = load_settings(folder=tmp_path).settings
    assert up._say_replaced(settings, "m.gguf")[0].endswith("has: 1 model")
    assert up._say_replaced(load_settings(folder=tmp_path / "none").settings, "m.gguf") == []


def test_only_what_was_typed_goes_before_the_file() -> None:
    assert up._collect_overrides(None, None, None, None, False) == {}
    assert up._collect_overrides(0, 81, 2, Path("h"), True) == {
        "gateway.port": 0, "console.port": 81, "gateway.workers": 2, "home": "h", "gateway.tls.insecure_http": True,
    }  # fmt: skip


def test_a_home_is_its_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    up._make_home(home)
    home.chmod(0o755)
    up._make_home(home)
    assert home.stat().st_mode & 0o777 == 0o700


def test_one_steward_runs_in_a_home(tmp_path: Path) -> None:
    with up._hold_home(tmp_path):
        with pytest.raises(InputError, match=r"already running in .*; stop it first, or choose another --home"):
            with up._hold_home(tmp_path):
                pass
    with up._hold_home(tmp_path):
        assert (tmp_path / "up.lock").exists()


def test_the_first_key_is_shown_once(tmp_path: Path) -> None:
    home = tmp_path / ".steward"
    home.mkdir()
    key = up._ensure_first_key(home)
    assert key is not None and (home / "first-key").read_text() == key
    assert (home / "first-key").stat().st_mode & 0o777 == 0o600
    assert up._ensure_first_key(home) is None
    assert [view.name for view in list_keys(home, actor=operator(0))] == ["first"]


def test_the_demonstration_has_settings_and_a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"--demo has settings of its own; leave out --config mine\.yaml"):
        up._prepare_demo(Path("mine.yaml"), None)
    assert up._prepare_demo(None, tmp_path / "show")[1] == tmp_path / "show"
    settings, home = up._prepare_demo(None, None)
    assert home.parent == tmp_path and settings.exists()


def supervise(folder: Path, models: list[str], **tls: Any) -> Any:
    (folder / "token").write_text("secret\n")
    plan = SimpleNamespace(
        models=[SimpleNamespace(name=name) for name in models], home=str(folder), tls=None, console_tls=None
    )
    for name, names in tls.items():
        setattr(plan, name, SimpleNamespace(names=names, certificate=str(folder / "tls" / "own.pem")))
    return SimpleNamespace(plan=plan, gateway_url="http://g", console_url="http://c", token_file=folder / "token")


@pytest.mark.parametrize(
    ("models", "said"), [(["a"], "  model        a"), (["a", "b"], "  model        a and 1 more"),
                         (["a", "b", "c"], "  model        a and 2 more")]
)  # fmt: skip
def test_whoever_starts_it_sees_where_everything_is(tmp_path: Path, models: list[str], said: str) -> None:
    lines = up._greeting(supervise(tmp_path, models), None)
    assert lines[:5] == ["Ready: http://g/v1", "", said, "  status page  http://c", "  its token    secret"]
    assert lines[5:] == ["", "Stop: Ctrl-C"]  # no key, no certificate
    record = up._record(cast(Any, supervise(tmp_path, models)), None)
    assert (record["models"], record["key"], record["home"]) == (models, None, str(tmp_path))


def test_a_newcomer_gets_a_request_to_paste(tmp_path: Path) -> None:
    text = "\n".join(up._greeting(supervise(tmp_path, ["a"]), "stw_live_1"))
    assert "  your key     stw_live_1   (shown once)" in text and '-d \'{"model": "a", "messages": ' in text
    assert "\n  curl http://g/v1/chat/completions" in text and "Authorization: Bearer stw_live_1'" in text


@pytest.mark.parametrize(
    ("tls", "is_named"),
    [({"tls": ["localhost"]}, True), ({"console_tls": ["localhost"]}, True), ({"tls": []}, False)],
)
def test_the_authority_of_a_generated_certificate_is_named(tmp_path: Path, tls: Any, is_named: bool) -> None:
    """Of a certificate that somebody else made, its clients know whom to trust."""
    lines = up._greeting(supervise(tmp_path, ["a"], **tls), None)
    assert (f"  clients trust {tmp_path / 'tls' / 'ca.pem'}" in lines) is is_named


class TlsPlan(msgspec.Struct):
    """As much of a plan as an address needs."""

    host: str
    names: tuple[str, ...]
    certificate: str
    console_tls: None = None
    models: tuple[Any, ...] = (SimpleNamespace(name="a"),)
    home: str = ".steward"

    @property
    def tls(self) -> TlsPlan:
        return self

    @property
    def gateway_url(self) -> str:
        return f"https://{self.host}:8443"


@pytest.mark.parametrize(
    ("host", "names", "curl"),
    [
        ("0.0.0.0", ("localhost",), "--cacert '/a b/ca.pem' https://localhost:8443"),
        ("::", ("localhost",), "--cacert '/a b/ca.pem' https://localhost:8443"),
        ("10.0.0.1", ("localhost",), "--cacert '/a b/ca.pem' https://10.0.0.1:8443"),
        ("0.0.0.0", (), "https://public.example"),  # somebody else's certificate, which curl trusts already
    ],
)
def test_a_request_to_paste_trusts_a_generated_certificate(
    tmp_path: Path, host: str, names: tuple[str, ...], curl: str
) -> None:
    supervisor = supervise(tmp_path, ["a"])
    supervisor.plan, supervisor.gateway_url = TlsPlan(host, names, "/a b/own.pem"), "https://public.example"
    assert f"  curl {curl}/v1/chat/completions -H 'Content-Type: application/json' \\" in up._greeting(
        supervisor, "key"
    )
