"""Prompts that are kept in versions: which is which, which is in use, and what a file may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.acts import AdministrativeAct
from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.gateway.prompts import PromptExample, digest
from steward.settings import Settings
from steward.workflows.prompts import (
    PromptText,
    PromptVersion,
    add,
    find,
    list_in_use,
    list_names,
    list_versions,
    prompts_of,
    read_text,
    use,
)


class Acts:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.acts: list[AdministrativeAct] = []

    def record(self, act: AdministrativeAct) -> None:
        self.acts.append(act)


ACTS = Acts()


def keep(home: Path, system: str | None, name: str = "greet", now: float = 1.0) -> PromptVersion:
    return add(home, name, PromptText(system), now, actor=operator(7), audit=ACTS)


def mark(system: str) -> str:
    return digest(system, ())


def test_the_first_version_is_in_use_and_the_next_is_not(tmp_path: Path) -> None:
    first, second = keep(tmp_path, "one"), keep(tmp_path, "two", now=2.0)
    assert (first.version, first.in_use, first.at) == (f"1-{mark('one')}", True, 1.0)
    assert (second.version, second.in_use, second.at) == (f"2-{mark('two')}", False, 2.0)
    assert list_in_use(tmp_path) == {"greet": first.version} and list_names(tmp_path) == ["greet"]
    assert [item.system for item in list_versions(tmp_path, "greet")] == ["one", "two"]


def test_the_same_texts_are_the_same_version(tmp_path: Path) -> None:
    first = keep(tmp_path, "one")
    keep(tmp_path, "two")
    assert keep(tmp_path, "one", now=9.0) == first and len(list_versions(tmp_path, "greet")) == 2


def test_a_version_has_three_names(tmp_path: Path) -> None:
    keep(tmp_path, "one")
    second = keep(tmp_path, "two")
    for name in (second.version, "2", mark("two")):
        assert find(tmp_path, "greet", name) == second
    assert find(tmp_path, "greet").system == "one"
    with pytest.raises(UnknownName, match="version of prompt 'greet'"):
        find(tmp_path, "greet", "3")
    with pytest.raises(UnknownName, match="prompt 'other'"):
        find(tmp_path, "other")


def test_another_version_is_put_in_use(tmp_path: Path) -> None:
    first, second = keep(tmp_path, "one"), keep(tmp_path, "two")
    chosen = use(tmp_path, "greet", "2", actor=operator(7), audit=ACTS)
    assert chosen.in_use and list_in_use(tmp_path) == {"greet": second.version}
    act = ACTS.acts[-1]
    assert (act.action, act.subject, act.before, act.after) == (
        "prompts.use", "prompt:greet", first.version, second.version,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["", "-x", "a/b", "../x", "x" * 65, "a b"])
def test_a_name_is_one_that_a_folder_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="1 to 64 letters"):
        keep(tmp_path, "one", name)
    assert list_versions(tmp_path, name) == []


def test_a_prompt_says_something(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is empty"):
        keep(tmp_path, None)
    examples = (PromptExample("hi", "hello"),)
    kept = add(tmp_path, "x" * 64, PromptText(None, examples), 1.0, actor=operator(7), audit=ACTS)
    assert kept.examples == examples and kept.version == f"1-{digest(None, examples)}"


def test_a_file_that_was_changed_by_hand_is_named(tmp_path: Path) -> None:
    kept = keep(tmp_path, "one")
    (file,) = (tmp_path / "prompts" / "greet").glob("0001-*.json")
    file.write_text(file.read_text().replace("one", "two"))
    with pytest.raises(InputError, match="does not match the digest"):
        find(tmp_path, "greet", kept.version)
    file.write_text("{}")
    with pytest.raises(InputError, match="written only by `steward prompts`"):
        list_versions(tmp_path, "greet")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", "  Be kind.\n", PromptText("Be kind.")),
        ("a.md", " \n", PromptText(None)),
        ("a.yaml", "system: Be kind.", PromptText("Be kind.")),
        ("a.json", '{"examples": [{"user": "hi", "assistant": "hello"}]}',
         PromptText(None, (PromptExample("hi", "hello"),))),
    ],
)  # fmt: skip
def test_a_prompt_from_a_file(tmp_path: Path, name: str, content: str, text: PromptText) -> None:
    (tmp_path / name).write_text(content)
    assert read_text(tmp_path / name) == text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.yaml", b"system: [", "not valid YAML"),
        ("a.yaml", b"\xff", "not valid YAML"),
        ("a.yaml", b"sytem: x", "expected `system` and `examples`"),
        ("a.yaml", b"- a", "expected `system` and `examples`"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_text(tmp_path / name)
    with pytest.raises(InputError, match="expected a readable file"):
        read_text(tmp_path / "gone.yaml")


def settings(prompt: object, written: object = ()) -> Settings:
    return Settings.model_validate(
        {
            "models": [{"name": "m", "backend": "openai", "url": "http://127.0.0.1:1"}],
            "prompts": written,
            "routes": [{"name": "r", "targets": [{"model": "m"}], "prompt": prompt}],
        }
    )


def test_which_prompt_a_route_has(tmp_path: Path) -> None:
    inline = prompts_of(settings({"system": "Be kind."}), tmp_path)["r"]
    assert (inline.version, inline.system) == (f"inline@{mark('Be kind.')}", "Be kind.")
    written = [{"name": "w", "system": "Be brief."}]
    named = prompts_of(settings({"name": "w"}, written), tmp_path)["r"]
    assert (named.version, named.system) == (f"w@{mark('Be brief.')}", "Be brief.")
    with pytest.raises(UnknownName, match="version of prompt 'w'"):
        prompts_of(settings({"name": "w", "version": "9"}, written), tmp_path)
    with pytest.raises(UnknownName, match="prompt 'none'"):
        prompts_of(settings({"name": "none"}), tmp_path)


def test_a_kept_prompt_is_the_version_that_is_asked_for_else_chosen_else_in_use(tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        keep(tmp_path, text)
    versions = [f"greet@{item.version}" for item in list_versions(tmp_path, "greet")]
    assert prompts_of(settings({"name": "greet"}), tmp_path)["r"].version == versions[0]
    assert prompts_of(settings({"name": "greet"}), tmp_path, {"greet": "2"})["r"].version == versions[1]
    asked = settings({"name": "greet", "version": "3"})
    assert prompts_of(asked, tmp_path, {"greet": "2"})["r"].version == versions[2]
    with pytest.raises(InputError, match="rename one of them"):
        prompts_of(settings({"name": "greet"}, [{"name": "greet", "system": "x"}]), tmp_path)
