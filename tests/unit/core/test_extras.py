from pathlib import Path

import pytest

from steward.core.extras import install_command


def test_k11_the_line_names_the_extras_and_where_this_copy_came_from() -> None:
    line = install_command("data", "ray")
    assert line.startswith("pip install '") and "[data,ray]" in line


def test_k11_no_page_and_no_message_spells_the_line_itself() -> None:
    """The distribution is on no index yet: only `install_command` knows where this copy came from."""
    root = Path(__file__).parents[3]
    pages = [root / "README.md", *(root / "docs").rglob("*.md"), *(root / "src").rglob("*.py")]
    wrong = "pip install 'llm-" + "steward["
    assert [str(page) for page in pages if wrong in page.read_text()] == []


def test_e17_pytorch_comes_as_its_build_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI's build for Linux fetches 6 GB of CUDA."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert install_command("eval", "train").startswith(
        "pip install torch --index-url https://download.pytorch.org/whl/cpu && "
    )
    assert "torch" not in install_command("eval")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert "torch" not in install_command("eval", "train")
