import pytest

from steward.adapters.tokenizers import load_counter
from steward.core.errors import InputError
from steward.loadtest.prompts import WORDS, build_vocabulary


def test_tokens_are_the_librarys_and_prompts_follow_them(tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="the library `tokenizers` is not installed")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")  # a token a character
    made.save(str(tmp_path / "tokenizer.json"))
    count = load_counter(str(tmp_path / "tokenizer.json"))
    assert count("four") == 4
    assert build_vocabulary(count).per_token == pytest.approx(len(WORDS) / len(" ".join(WORDS)))


def test_a_file_that_is_none(tmp_path):
    pytest.importorskip("tokenizers", reason="the library `tokenizers` is not installed")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"expected a model's tokenizer\.json"):
        load_counter(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="no such file"):
        load_counter(str(tmp_path / "nothing"))
