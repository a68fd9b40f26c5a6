import pytest

from data_batches import batch, chat
from steward.data.stages.extract import Extract, is_page

PAGE = "<html><body><p>Hello.</p></body></html>"


class Upper:
    def extract(self, page: str, precision: bool, comments: bool, tables: bool) -> str | None:
        return None if "empty" in page else f"{precision} {comments} {tables}"


def test_pages_become_texts_and_other_documents_stay() -> None:
    result = Extract(precision=True, tables=False, extractor=Upper()).apply(batch(PAGE, "plain", "<html>empty</html>"))
    assert result.batch["text"].to_pylist() == ["True False False", "plain"]
    assert [(entry.id, entry.action, entry.rule, entry.value) for entry in result.entries] == [
        ("d0", "change", "extracted", float(len(PAGE))), ("d2", "drop", "nothing_extracted", 18.0)
    ]  # fmt: skip


def test_chats_pass_unchanged() -> None:
    rows = chat(("user", PAGE))
    assert Extract(extractor=Upper()).apply(rows).batch.equals(rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<!DOCTYPE html><p>x", True), ("  \n<HTML lang='en'>", True), ('<?xml version="1.0"?><html>', True),
        ("<!-- a --> <!-- b --><head>", True), ("<body>x", True), ("<p>x</p>", False), ("text <html>", False),
        ("<htmlx>", False), ("", False),
    ],
)  # fmt: skip
def test_pages_are_told_by_their_beginning(text: str, expected: bool) -> None:
    assert is_page(text) is expected
