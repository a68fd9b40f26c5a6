import subprocess
import sys

import pytest

from data_batches import batch
from steward.core.errors import InputError
from steward.data.stages.preprocess import Preprocess


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
