from pathlib import Path

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
