from pathlib import Path
from typing import Any

import pytest

from data_batches import batch
from steward.core.errors import InputError
from steward.data.stages.blocklist import Blocklist, count_listed_words, find_entry, load_entries


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, str]:
    contents = {
        "urls": "# ours\nhttps://www.Bad.example/\nshop.example/offers # only these\n",
        "url_words": "casino\npoker\n",
        "words": "foul word\n悪い\n",
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in contents}


def judge(stage: Blocklist, *rows: tuple[str, str | None]) -> list[Any]:
    result = stage.apply(batch(*(text for text, _ in rows), url=[url for _, url in rows]))
    return [(entry.id, entry.rule, entry.value, entry.threshold) for entry in result.entries]


def test_addresses_go_by_domain_and_by_their_beginning(lists: dict[str, str]) -> None:
    stage = Blocklist(urls=lists["urls"])
    urls = [
        "http://bad.example/x", "https://sub.bad.example", "https://notbad.example/", "https://shop.example/",
        "https://shop.example/offers/1?a=1", "https://shop.example/offersnow", "https://shop.example/offers?x=1", None,
    ]  # fmt: skip
    assert [entry[:3] for entry in judge(stage, *(("t", url) for url in urls))] == [
        ("d0", "listed_url", "bad.example"), ("d1", "listed_url", "bad.example"),
        ("d4", "listed_url", "shop.example/offers"), ("d6", "listed_url", "shop.example/offers"),
    ]  # fmt: skip


def test_words_of_addresses_are_counted(lists: dict[str, str]) -> None:
    rows = [
        ("t", "https://a.example/Casino-poker"),
        ("t", "https://a.example/poker"),
        ("t", "https://a.example/pokers"),
    ]
    assert judge(Blocklist(url_words=lists["url_words"], min_url_words=2), *rows) == [
        ("d0", "listed_url_words", 2.0, 2.0)
    ]
    assert [entry[0] for entry in judge(Blocklist(url_words=lists["url_words"]), *rows)] == ["d0", "d1"]


def test_words_of_texts_are_counted_also_without_spaces(lists: dict[str, str]) -> None:
    assert count_listed_words("A Foul  word, foul words; とても悪い日。悪い", lists["words"]) == 3
    rows = [("foul word", None), ("foul word foul word", None), ("fine", None)]
    stage = Blocklist(words=lists["words"], max_words=1, column="url")
    assert judge(stage, *rows) == [("d1", "listed_words", 2.0, 1.0)]
    assert Blocklist(words=lists["words"]).apply(batch("no addresses here")).batch.num_rows == 1


def test_what_is_missing_is_said(lists: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no list is named"):
        Blocklist()
    with pytest.raises(InputError, match="unknown column 'url'"):
        Blocklist(urls=lists["urls"]).apply(batch("t"))
    (tmp_path / "empty").write_text("# nothing\n")
    for name, message in (("empty", "has no entry"), ("none", "cannot be read")):
        with pytest.raises(InputError, match=message):
            Blocklist(words=str(tmp_path / name)).check()
    assert load_entries(lists["urls"]) == {"bad.example", "shop.example/offers"}


def test_a_port_or_a_query_is_no_part_of_the_domain() -> None:
    listed = frozenset({"a.example"})
    assert find_entry("a.example:8080/x", listed) == find_entry("a.example?x=1", listed) == "a.example"
    assert find_entry("example", listed) is None
