import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.data.arpa import load_model, measure_perplexity

ARPA = """
\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.5
-0.5\t</s>
-0.4\ta\t-0.3
-0.6\tb\t-0.2

\\2-grams:
-0.1\t<s> a
-0.2\ta b

\\end\\
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "m.arpa").write_text(ARPA)
    return str(tmp_path / "m.arpa")


@pytest.mark.parametrize(
    ("text", "total", "words"),
    [
        ("a b", -0.1 - 0.2 - (0.2 + 0.5), 3),  # <s> a, a b, back-off of b and </s>
        ("b", -(0.5 + 0.6) - (0.2 + 0.5), 2),  # back-off of <s> and b
        ("zzz", -(0.5 + 1.0) - 0.5, 2),  # <unk> has no back-off
        ("a\n\na", 2 * (-0.1 - (0.3 + 0.5)), 4),  # two sentences; an empty line is none
    ],
)
def test_the_longest_ngram_counts_and_shorter_ones_with_back_off(
    model: str, text: str, total: float, words: int
) -> None:
    """By hand, as Katz's back-off has it."""
    assert measure_perplexity(text, load_model(model)) == pytest.approx(10 ** (-total / words))


def test_a_text_without_words_has_none(model: str) -> None:
    assert measure_perplexity(" \n", load_model(model)) is None


@pytest.mark.parametrize(("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_compressed_model_is_the_same(model: str, ending: str, compress: Callable[[bytes], bytes]) -> None:
    path = Path(model).with_suffix(f".arpa.{ending}")
    path.write_bytes(compress(ARPA.encode()))
    assert load_model(str(path)).grams == load_model(model).grams
    assert load_model(model).order == 2 and load_model(model).grams["a b"] == (-0.2, 0.0)


def test_a_model_without_unknown_words_makes_them_very_unlikely(tmp_path: Path) -> None:
    (tmp_path / "m.arpa").write_text(ARPA.replace("-1.0\t<unk>\n", "").replace("\t", " "))
    assert measure_perplexity("zzz", load_model(str(tmp_path / "m.arpa"))) == pytest.approx(10 ** ((100.5 + 0.5) / 2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ARPA.replace("\\end\\", "").encode(), "expected a whole ARPA file"), (b"", "expected a whole ARPA file"),
        (b"\\end\\\n", "has no n-gram"), (b"\xff\xfe\x00", "is no ARPA file"),
        (b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(40), "binary of KenLM.*lmplz -o 5 <"),
        (ARPA.replace("-0.4", "x").encode(), "m.arpa:10: not a line"),
    ],
)  # fmt: skip
def test_what_is_no_model_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.arpa").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_model(str(tmp_path / "m.arpa"))
    with pytest.raises(InputError, match="cannot be read"):
        load_model(str(tmp_path / "none.arpa"))


def test_a_torn_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "m.arpa.gz").write_bytes(gzip.compress(ARPA.encode())[:-12])
    with pytest.raises(InputError, match="cannot be read"):
        load_model(str(tmp_path / "m.arpa.gz"))


def test_three_words_of_context_back_off_by_all_of_their_weights(tmp_path: Path) -> None:
    """By hand: after `<s> a`, b is unknown to the 3-grams and the 2-grams, so both weights come before its own."""
    grams = "\\1-grams:\n-2\t<unk>\n-99\t<s>\t-0.1\n-1\t</s>\n-0.7\ta\t-0.2\n-0.9\tb\t-0.3\n"
    grams += "\\2-grams:\n-0.4\t<s> a\t-0.5\n-0.6\tb </s>\n\\3-grams:\n-0.25\ta b </s>\n\\end\\\n"
    (tmp_path / "m.arpa").write_text("\\data\\\n" + grams)
    total = -0.4 + (-0.5 - 0.2 - 0.9) - 0.25  # <s> a; back-off of `<s> a` and of a, then b; a b </s>
    assert measure_perplexity("a b", load_model(str(tmp_path / "m.arpa"))) == pytest.approx(10 ** (-total / 3))
