import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from steward.core.extras import install_command, install_package, list_requirements, name_installer, name_python


def write_source(monkeypatch: pytest.MonkeyPatch, source: dict[str, object] | None) -> None:
    """As if pip had installed this copy from there (PEP 610)."""

    class Distribution:
        def read_text(self, name: str) -> str | None:
            return json.dumps(source) if source is not None else None

    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Distribution())


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """The programs that the reader's shell finds."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text("")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_k11_the_line_names_the_extras_and_where_this_copy_came_from() -> None:
    line = install_command("data", "ray")
    assert " install " in line and "[data,ray]'" in line


def test_k11_no_page_and_no_message_spells_the_line_itself() -> None:
    """The distribution is on no index yet: only `install_command` knows where this copy came from."""
    root = Path(__file__).parents[3]
    pages = [root / "README.md", *(root / "docs").rglob("*.md"), *(root / "src").rglob("*.py")]
    wrong = "pip install 'llm-" + "steward["
    assert [str(page) for page in pages if wrong in page.read_text()] == []


def test_k11_a_clone_stays_a_clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without -e, pip would put a copy in the place of the clone, and edits would change nothing any more."""
    clone = tmp_path / "it's mine"
    clone.mkdir()
    write_source(monkeypatch, {"url": clone.as_uri(), "dir_info": {"editable": True}})
    assert install_command("load").endswith(f""" install -e '{tmp_path}/it'"'"'s mine[load]'""")
    write_source(monkeypatch, {"url": clone.as_uri(), "dir_info": {}})
    assert " -e " not in install_command("load")


def test_k11_a_tree_that_is_not_installed_is_named_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    root = Path(__file__).parents[3]
    assert install_command("load").endswith(f"install -e '{root}[load]'") and (root / "pyproject.toml").is_file()


def test_k11_where_the_wheel_is_gone_what_the_extra_brings_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an image that was built with one."""
    write_source(monkeypatch, {"url": "file:///nowhere/llm_steward-0.2.0-py3-none-any.whl", "archive_info": {}})
    stated = ["httpx>=0.27", "numpy>=1.26,<3; extra == 'load'", 'uvloop>=0.19; sys_platform == "linux"']
    monkeypatch.setattr("importlib.metadata.requires", lambda name: stated)
    assert install_command("load").endswith("install 'numpy>=1.26,<3'")


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("""pandas; python_version < "3.13" and extra == 'a'""", ['pandas; python_version < "3.13"']),
        ("pandas>=2; extra == 'a'", ["pandas>=2"]),
        ("pandas>=2; extra == 'ab'", []),
        ("pandas", []),
    ],
)
def test_k11_a_requirement_keeps_its_other_conditions(requirement: str, expected: list[str]) -> None:
    assert list_requirements([requirement], ["a"]) == expected


def test_k11_the_pip_of_this_environment_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not the one that the reader's shell finds, which installs into another."""
    here = tmp_path / "here"
    put_on_path(here, monkeypatch, "pip", "python")
    monkeypatch.setattr(sys, "executable", str(here / "python"))
    assert (name_installer(), name_python()) == ("pip install", "python")
    put_on_path(tmp_path / "elsewhere", monkeypatch, "pip", "python")
    assert name_installer() == f"{here}/python -m pip install" and name_python() == f"{here}/python"
    assert install_package("sacrebleu[ja]") == f"{here}/python -m pip install 'sacrebleu[ja]'"


def test_k11_an_environment_without_pip_is_filled_by_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_on_path(tmp_path / "bin", monkeypatch, "uv")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/a folder/python")
    assert name_installer() == "uv pip install --python '/a folder/python'"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())  # uv is there, and so is pip
    assert name_installer() == "'/a folder/python' -m pip install"
    put_on_path(tmp_path / "empty", monkeypatch)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # neither is
    assert name_installer() == "'/a folder/python' -m pip install"


def test_e17_pytorch_comes_as_its_build_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI's build for Linux fetches 6 GB of CUDA."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    first = "install torch --index-url https://download.pytorch.org/whl/cpu && "
    assert first in install_command("eval", "train").replace(f"--python {sys.executable} ", "")
    assert "torch" not in install_command("eval")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert "torch" not in install_command("eval", "train")
