"""Stages that go by word lists and lists of the user's."""

import subprocess
import sys

import pyarrow as pa
import pytest

from steward.core.errors import InputError, UnknownName
from steward.data.stages.preprocess import Preprocess
from steward.data.stages.sources import Sources, parse_domain
from steward.data.stages.toxicity import ToxicityStage
from steward.text.mentions import count_mentions


def batch(*texts, **columns):
    rows = list(range(len(texts)))
    content = {"row": rows, "id": [f"d{row}" for row in rows], "text": pa.array(texts, pa.large_string())}
    return pa.record_batch({**content, **columns})


def test_toxicity_counts_whole_words_per_thousand():
    kind, rude = "The Scunthorpe cockpit crew were classy. " * 5, "You idiot, kill yourself. " + "word " * 46
    result = ToxicityStage(max_per_thousand=30).apply(batch(kind, rude))
    assert [(e.id, e.rule, e.value, e.threshold) for e in result.entries] == [
        ("d1", "toxic_words_per_thousand", 40.0, 30)
    ]
    assert result.batch["toxicity"].to_pylist() == [0.0]


def test_toxicity_without_a_limit_only_adds_columns():
    result = ToxicityStage(max_per_thousand=None).apply(batch("She told her idiot son about the old people.", ""))
    assert result.entries == ()
    assert result.batch["mentions"].to_pylist() == ["men:1,old:1,women:2", ""]


def test_mentions_take_the_longest_phrase_and_the_users_list(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("[a]\nnew york  # city\n[b]\nyork, new york times\n")
    assert count_mentions("The New York Times, New York, York; Yorkshire", str(mine)) == {"b": 2, "a": 1}
    with pytest.raises(UnknownName, match="did you mean 'groups'"):
        count_mentions("x", "group")


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "sources.csv"
    path.write_text("domain,reputation,group\nexample.org,0.9,quality\nblog.example.org,0.2,blog\nother.net,,\n")
    return str(path)


def test_sources_go_by_the_closest_domain(listed):
    urls = ["https://www.example.org/x", "news.example.org", "http://me.blog.example.org:80/", "https://new.com/", None]
    result = Sources(file=listed).apply(batch(*"abcde", url=urls))
    assert result.batch["source_group"].to_pylist() == ["quality", "quality", "unknown", "unknown"]
    assert [(e.id, e.rule, e.value, e.threshold) for e in result.entries] == [("d2", "reputation", 0.2, 0.5)]


def test_sources_can_drop_the_unknown(listed):
    result = Sources(file=listed, unknown="drop").apply(batch("a", "b", url=["other.net", "http://[bad"]))
    assert [(e.id, e.rule) for e in result.entries] == [("d1", "unknown_source")]
    assert parse_domain("EXAMPLE.org.") == "example.org"


def test_sources_name_what_is_wrong_with_the_list(tmp_path, listed):
    bad = tmp_path / "bad.csv"
    bad.write_text("domain,reputation\nexample.org,high\n")
    with pytest.raises(InputError, match=r"bad.csv:2: reputation 'high'"):
        Sources(file=str(bad)).apply(batch("a", url=["x.org"]))
    with pytest.raises(UnknownName, match="column 'link'"):
        Sources(file=listed, column="link").apply(batch("a", url=["x.org"]))


def prepared(text, **options):
    return Preprocess(**options).apply(batch(text)).batch["text"].to_pylist()[0]


def test_preprocess_as_classic_models_want_it():
    text = "The runners were running quickly. They can't stop!"
    assert prepared(text) == "runners running quickly\ncan't stop"
    assert prepared(text, stem="snowball") == "runner run quick\ncan't stop"
    assert prepared(text, tokens="treebank", stop_words=None, lower=False) == (
        "The runners were running quickly .\nThey ca n't stop !"
    )


def test_the_stemmers_are_porters_and_snowballs():  # generously, flies: from the stemmers' published vocabularies
    assert prepared("generously flies", stem="porter", stop_words=None) == "gener fli"
    assert prepared("generously flies", stem="snowball", stop_words=None) == "generous fli"
    assert prepared("Häuser", stem="snowball", language="german", stop_words=None) == "haus"


def test_preprocess_names_the_stemmer_that_is_missing():
    with pytest.raises(InputError, match="no Snowball stemmer for 'klingon'"):
        prepared("x", stem="snowball", language="klingon")


LEMMAS = """
import sys
import nltk, pyarrow as pa
from steward.data.stages.preprocess import Preprocess
nltk.data.path[:] = sys.argv[1:]
row = {"row": [0], "id": ["a"], "text": pa.array(["The children packed boxes."], pa.large_string())}
print(Preprocess(lemmatise=True).apply(pa.record_batch(row)).batch["text"][0])
"""


def lemmas(*folders):
    command = [sys.executable, "-W", "error", "-c", LEMMAS, *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True)


def test_lemmas_are_wordnets(tmp_path):
    """Of a WordNet of two nouns and one exception, in the files' form (wndb(5WN)); the real one is a download."""
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    names = [f"{kind}.{pos}" for kind in ("index", "data") for pos in ("noun", "verb", "adj", "adv")]
    for name in (*names, "noun.exc", "verb.exc", "adj.exc", "adv.exc", "lexnames", "cntlist.rev", "index.sense"):
        (folder / name).write_text("")
    (folder / "index.noun").write_text("box n 1 0 1 0 00000002\nchild n 1 0 1 0 00000001\n")
    (folder / "noun.exc").write_text("children child\n")
    assert lemmas(tmp_path).stdout == "child packed box\n"


def test_lemmas_without_wordnet_name_the_stage_and_the_step(tmp_path):
    error = lemmas(tmp_path).stderr
    assert "stage preprocess: lemmatise needs WordNet" in error
    assert "python -m nltk.downloader wordnet" in error and "stem: snowball" in error
