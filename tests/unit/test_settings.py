from pathlib import Path

import pytest

from ranges import read_ranges
from steward.configuration.section import Section
from steward.core.errors import InputError, UnknownName
from steward.settings import (
    ConsoleConfig,
    Settings,
    build_json_schema,
    hide_secret,
    list_values,
    load_settings,
    resolve_home,
)
from steward.workflows.reload import diff_facts


def write(folder: Path, text: str) -> Path:
    path = folder / "steward.yaml"
    path.write_text(text)
    return path


def test_precedence(tmp_path: Path) -> None:
    path = write(tmp_path, "gateway: {port: 1, host: a, workers: 1}\n")
    loaded = load_settings(path, {"gateway.port": 3}, {"STEWARD_GATEWAY__PORT": "2", "STEWARD_GATEWAY__WORKERS": "2"})
    gateway = loaded.settings.gateway
    assert (gateway.port, gateway.workers, gateway.host) == (3, 2, "a")
    origins = {key: origin for key, _, origin in list_values(loaded.settings, loaded.origins)}
    assert origins["gateway.port"] == "command line"
    assert origins["gateway.workers"] == "environment STEWARD_GATEWAY__WORKERS"
    assert origins["gateway.host"] == "steward.yaml:1" and origins["store.kind"] == "default"


def test_no_secret_of_a_header_or_an_address_is_listed(tmp_path: Path) -> None:
    """S16, K2: what `config show`, the console and `reload --dry-run` print."""
    url = "https://example.com/api/paas/v4"
    slack = "https://hooks.slack.com/services/T0ABC/B0ABC/a1B2c3D4e5F6g7H8i9J0k1L2"
    path = write(
        tmp_path,
        f"models: [{{name: a, backend: openai, url: '{url}?key=sesame', headers: {{x-team: sesame}}}}]\n"
        f"monitoring: {{channels: [{{name: s, kind: slack, url: '{slack}'}}]}}\n",
    )
    loaded = load_settings(path)
    shown = {key: value for key, value, _ in list_values(loaded.settings, loaded.origins)}
    assert shown["models.0.url"] == f"{url}?…" and shown["models.0.headers.x-team"] == "hidden"
    assert shown["monitoring.channels.0.url"] == "https://hooks.slack.com/services/T0ABC/B0ABC/…"
    before = {"models[a].url": f"{url}?key=sesame", "models[a].headers.x": "sesame"}
    changes = diff_facts(before, {"models[a].url": f"{url}?key=other", "models[a].headers.x": "other"})
    assert len(changes) == 2 and "sesame" not in str(changes) and "other" not in str(changes)


@pytest.mark.parametrize("key", ["monitoring.heartbeat", "monitoring.traces.otlp", "audit.witness"])
def test_an_address_is_hidden_whatever_its_key_is_called(tmp_path: Path, key: str) -> None:
    """Healthchecks' ping URL and a collector's ingest key, of which the path is all that protects them."""
    secret = "https://hc.example/ping/3f1c0c1e-1b9c-4d6e-9f5a-0123456789ab?k=sesame"
    loaded = load_settings(write(tmp_path, ""), {key: secret})
    shown = {name: value for name, value, _ in list_values(loaded.settings, loaded.origins)}
    assert shown[key] == "https://hc.example/ping/…?…"
    assert hide_secret("routes.0.prompt.system", f"Read {secret}") == f"Read {secret}"  # a text is shown whole


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gatway: {}\n", "steward.yaml:1: gatway: unknown key; did you mean 'gateway'?"),
        ("models:\n  - {name: a, backend: openai, url: 'http://x', prise: {}}\n", "models.0.prise: unknown key"),
        ("gateway:\n  port: many\n", "steward.yaml:2: gateway.port"),
        ("gateway: [\n", "not valid YAML"),
        ("- a\n", "expected sections"),
        ("home: a\nhome: b\n", "steward.yaml:2: 'home' is written twice"),
        ("models: [{name: a, backend: openai}]\n", "needs a url"),
        ("gateway: 5\n", "steward.yaml:1: gateway: expected a section"),
        (
            "models: [{name: a, backend: openai, url: 'http://x'}]\n"
            "routes: [{name: r, prompt: p, targets: [{model: a}]}]\n",
            "steward.yaml:2: routes.0.prompt: expected a section: keys and their values, such as {name: …}",
        ),
        ("gateway: {disclose: maybe}\n", "gateway.disclose: expected true or false"),
        (
            "models: [{name: a, backend: openai, url: 'http://x', headers: {X.Key: b}}]\n",
            "expected letters, digits and _ -",
        ),
        (
            "models: [{name: a, backend: openai, url: 'http://x', headers: {X-A: b, x-a: c}}]\n",
            "two names differ only in capitals",
        ),
        ("models: [{name: a, backend: openai, url: 'http://x', headers: {Host: b}}]\n", "Host is set by the gateway"),
        ("slos: [{name: A b}]\n", "expected small letters, digits and -"),
        ("models: {a: 1}\n", "steward.yaml:1: models: expected a list"),
        ("gateway:\n  port: 99999\n", "steward.yaml:2: gateway.port: should be less than or equal to 65535, not 99999"),
        ("models: [{name: a b, backend: embedded}]\n", "models.0.name: expected letters, digits"),
        ("models: [{name: a, backend: openai, url: 'ftp://x'}]\n", "models.0.url: expected http://"),
        ("routes:\n  - targets: [{model: starter}]\n", "steward.yaml:2: routes.0.name: this key is required"),
        ("store: {kind: postgresql}\n", "steward.yaml:1: store: kind: postgresql needs a url"),
        ("1: 2\n", "steward.yaml:1: a key must be a word"),
        ("? [a, b]\n: c\n", "steward.yaml:1: a key must be a word"),
        ("a: &x [*x]\n", "nested too deeply"),
        ("home: !!python/object:os.system {}\n", "steward.yaml:1: not valid YAML"),
        ("a: \x01\n", "not valid YAML"),
        ("models: [{name: a, backend: openai, url: 'http://x', embeddings: mean}]\n", "for backend: embedded"),
    ],
)
def test_errors_name_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        load_settings(write(tmp_path, text), environ={})
    assert says in str(caught.value)


def test_a_literal_secret_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = "models: [{name: a, backend: openai, url: 'http://x', key: sk-12345}]\n"
    with pytest.raises(InputError, match="never the value itself") as caught:
        load_settings(write(tmp_path, text), environ={})
    assert "sk-12345" not in str(caught.value)


def test_routes_must_lead_somewhere(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'starter'"):
        load_settings(write(tmp_path, "routes: [{name: r, targets: [{model: startr}]}]\n"), environ={})


def test_missing_file_and_home(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_settings(tmp_path / "none.yaml", environ={})
    assert resolve_home(load_settings(write(tmp_path, "home: data\n"), environ={})) == tmp_path / "data"
    assert load_settings(folder=tmp_path / "empty", environ={}).settings.effective_models()[0].name == "starter"


def test_schema_forbids_unknown_keys() -> None:
    assert build_json_schema()["additionalProperties"] is False


@pytest.mark.parametrize(("port", "allowed"), [(0, True), (65_535, True), (65_536, False), (-1, False)])
def test_a_port_of_the_console_is_one(tmp_path: Path, port: int, allowed: bool) -> None:
    file = write(tmp_path, f"console: {{port: {port}}}\n")
    if allowed:
        assert load_settings(file, environ={}).settings.console.port == port
    else:
        with pytest.raises(InputError, match=r"console\.port"):
            load_settings(file, environ={})
    assert load_settings(folder=tmp_path / "empty", environ={}).settings.console.port == 8081  # docs/reference


@pytest.mark.parametrize(
    ("gateway", "console", "port", "clash"),
    [
        ("127.0.0.1", "127.0.0.1", 8080, True),
        ("127.0.0.1", "127.0.0.2", 8080, False),
        ("0.0.0.0", "127.0.0.2", 8080, True),
        ("127.0.0.1", "::", 8080, True),
        ("127.0.0.1", "127.0.0.1", 0, False),  # each takes a free one
    ],
)
def test_two_servers_cannot_listen_at_one_place(
    tmp_path: Path, gateway: str, console: str, port: int, clash: bool
) -> None:
    text = f"gateway: {{host: '{gateway}', port: {port}}}\nconsole: {{host: '{console}', port: {port}}}\n"
    if clash:
        with pytest.raises(InputError, match=f"are both {port}"):
            load_settings(write(tmp_path, text), environ={})
    else:
        assert load_settings(write(tmp_path, text), environ={}).settings.console.port == port


def test_a_file_takes_no_url_and_a_server_needs_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kind: sqlite takes no url"):
        load_settings(write(tmp_path, "store: {url: 'env:URL'}\n"), environ={})
    server = load_settings(write(tmp_path, "store: {kind: postgresql, url: 'env:URL'}\n"), environ={}).settings.store
    assert server.reference() == "env:URL"
    assert load_settings(folder=tmp_path / "empty", environ={}).settings.store.reference() is None


def test_the_file_is_looked_for_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "home: here\n")
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner", "home: inner\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).settings.home == "here"
    assert load_settings(folder=tmp_path / "inner", environ={}).settings.home == "inner"


def test_a_home_that_was_named_outside_the_file_stands_where_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    path = write(tmp_path / "conf", "home: data\n")
    assert resolve_home(load_settings(path, environ={})) == tmp_path / "conf" / "data"
    assert resolve_home(load_settings(path, {"home": "x"}, {})) == tmp_path / "elsewhere" / "x"
    assert resolve_home(load_settings(path, environ={"STEWARD_HOME": "y"})) == tmp_path / "elsewhere" / "y"


def test_a_word_of_the_environment_that_yaml_takes_for_a_truth_value_is_a_word(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    assert load_settings(folder=empty, environ={"STEWARD_HOME": "off"}).settings.home == "off"
    assert load_settings(overrides={"watch": False}, folder=empty, environ={}).settings.watch is False
    with pytest.raises(InputError, match="home: expected a text"):
        load_settings(folder=empty, environ={"STEWARD_HOME": "5"})


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    others = {"GATEWAY__PORT": "1", "X__Y": "1", "STEWARD_KEY": "sk-1", "STEWARD_TRACEBACK": "1", "PATH": "/bin"}
    loaded = load_settings(folder=tmp_path, environ=others)
    assert loaded.origins == {}
    with pytest.raises(InputError, match="gatway: unknown key; did you mean 'gateway'"):
        load_settings(folder=tmp_path, environ={"STEWARD_GATWAY__PORT": "1"})


@pytest.mark.parametrize(
    ("text", "overrides", "environ", "says"),
    [
        ("", {"gateway.port": 9000, "console.port": 9000}, {}, "^--port and --console-port are both 9000; choose"),
        (
            "console: {port: 9000}\n",
            {"gateway.port": 9000},
            {},
            r"^--port and console\.port \(.*steward\.yaml:1\) are both",
        ),
        ("", {"gateway.port": 8081}, {}, r"^--port and console\.port \(the default\) are both 8081"),
        (
            "",
            {"console.port": 7},
            {"STEWARD_GATEWAY__PORT": "7"},
            r"^gateway\.port \(environment STEWARD_GATEWAY__PORT\) and --console-port are both 7;",
        ),
    ],
)
def test_k10_one_port_for_both_is_said_by_what_was_written(
    tmp_path: Path, text: str, overrides: dict[str, object], environ: dict[str, str], says: str
) -> None:
    if text:
        (tmp_path / "steward.yaml").write_text(text)
    with pytest.raises(InputError, match=says):
        load_settings(overrides=overrides, environ=environ, folder=tmp_path)


def test_the_console_listens_on_8081_of_this_machine_unless_told() -> None:
    console = Settings().console
    assert (console.host, console.port) == ("127.0.0.1", 8081)
    month = "60 <= x <= 2592000"
    assert read_ranges(ConsoleConfig) == {"port": "0 <= x <= 65535", "idle_s": month, "session_s": month}


def list_sections(kind: type[Section] = Section) -> list[type[Section]]:
    return [kind, *(inner for each in kind.__subclasses__() for inner in list_sections(each))]


def test_sections_that_stand_as_defaults_unchecked_are_what_a_check_makes_of_them() -> None:
    found = [field.default for kind in list_sections() for field in kind.model_fields.values()]
    sections = [default for default in found if isinstance(default, Section)]
    assert len(sections) > 20 and all(default == type(default)() for default in sections)
