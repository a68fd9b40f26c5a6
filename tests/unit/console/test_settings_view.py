from pathlib import Path

import pytest

from steward.console.settings_view import diff_texts, find_description, list_settings, write_value
from steward.settings import load_settings


def test_rows_say_where_a_value_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "steward.yaml"
    file.write_text("models:\n- {name: big, backend: openai, url: 'http://x/v1', headers: {x-a: sesame}}\n")
    environ = {"STEWARD_GATEWAY__PORT": "81"}
    rows = {row.key: row for row in list_settings(load_settings(file, {"console.port": 82}, environ))}
    assert rows["gateway.port"][1:3] == ("81", "environment STEWARD_GATEWAY__PORT") and rows["gateway.port"].fixed
    assert rows["console.port"].fixed and not rows["models.0.name"].fixed and not rows["gateway.host"].fixed
    header = rows["models.0.headers.x-a"]
    assert (header.value, header.hidden) == ("hidden", True) and not rows["models.0.url"].hidden


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("gateway.port", "port to listen on; 0 takes a free one"),
        ("privacy.routes.assistant.profile", "which kinds are pseudonymised or changed; off: none"),
        ("models.3.name", "what clients ask for as `model`"),
        ("gateway.none", ""),
        ("", ""),
    ],
)
def test_a_key_is_described_as_in_the_reference(key: str, words: str) -> None:
    assert find_description(key) == words


def test_values_are_written_as_yaml_has_them() -> None:
    assert write_value(1.5) == "1.5" and write_value({"a": None}) == '{"a":null}' and write_value("x") == "x"


def test_texts_differ_by_lines() -> None:
    assert diff_texts("a\n", "a\n") == []
    assert diff_texts("", "a\n", ("x", "y")) == ["--- x", "+++ y", "@@ -0,0 +1 @@", "+a"]


def test_an_address_of_which_a_part_is_hidden_is_changed_in_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "steward.yaml"
    file.write_text(
        "monitoring:\n  channels:\n"
        "  - {name: ops, kind: webhook, url: 'https://hooks.example/services/T0ABC/B0ABC/a1B2c3D4e5F6g7H8i9J0k1L2'}\n"
        "  - {name: plain, kind: webhook, url: 'https://hooks.example/x'}\n"
        "models: [{name: m, backend: openai, url: 'http://127.0.0.1/v1'}]\n"
        "routes: [{name: r, targets: [{model: m}], prompt: {system: 'See https://docs.example and so on…'}}]\n"
    )
    rows = {row.key: row for row in list_settings(load_settings(file, {}, {}))}
    shown = [rows[f"monitoring.channels.{number}.url"] for number in (0, 1)]
    assert [(row.value, row.hidden) for row in shown] == [
        ("https://hooks.example/services/T0ABC/B0ABC/…", True), ("https://hooks.example/x", False),
    ]  # fmt: skip
    assert not rows["routes.0.prompt.system"].hidden  # a text of whoever wrote the file
