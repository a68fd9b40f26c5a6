from pathlib import Path

import pytest

from steward.core.errors import InputError, UnknownName
from steward.settings import build_json_schema, list_values, load_settings, resolve_home


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
        ("models: {a: 1}\n", "steward.yaml:1: models: expected a list"),
        ("gateway:\n  port: 99999\n", "steward.yaml:2: gateway.port: should be less than or equal to 65535"),
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
