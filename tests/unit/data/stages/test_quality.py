from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_batches import apply, batch
from steward.core.errors import InputError, UnknownName
from steward.data.stages.quality import Quality

PROSE = (
    "The committee met on Tuesday to talk about the new library, and most of its members liked the plan. Some of them "
    "asked who would pay for it. The mayor answered that half of the money had been set aside in May, with the rest to "
    "come from a fund that few people have heard of. Nobody was sure whether that would be enough for a roof."
)


def rule(preset, text, **limits):
    entries = [e for e in Quality(preset=preset, limits=limits).apply(batch(text)).entries if e.action == "drop"]
    return entries[0].rule if entries else None


# Reasons by datatrove 0.10.0 for the same texts.
GOPHER = {
    "dup_para_frac": "\n\n".join(["The same."] * 3 + [PROSE]),
    "dup_line_char_frac": "\n".join([PROSE, PROSE[:150], PROSE, "And so on."]),
    "top_2_gram": "buy pills " * 30,
    "duplicated_5_n_grams": PROSE + " " + PROSE[:120],
    "gopher_short_doc": PROSE[:190],
    "gopher_above_avg_threshold": " ".join(f"internationalisation{i}" for i in range(60)),
    "gopher_too_many_hashes": PROSE.replace("a", "#"),
    "gopher_too_many_end_ellipsis": PROSE.replace(". ", "...\n"),
    "gopher_below_alpha_threshold": PROSE + " ".join(f"{i * 7919}" for i in range(40)),
    "gopher_enough_stop_words": " ".join(f"{a}{b}anto" for a in "bcdfgh" for b in "aeiouyklmn"),
    None: PROSE,
}

EN_TEXT = """This line has enough words and ends in punctuation, Dr. Roberts!
Economic History | All Institutions | Open Access Articles | Digital Commons Network
"Open Access. Powered by Scholars. Published by Universities."
Digital Commons Network™/ Social and Behavioral Sciences...
You need to enable javascript in your browser in order to see this page.
Adam Roberts has a cookie policy: always eat them.
You'd better follow our terms of use!"""


def test_an_entry_tells_value_and_threshold_and_nothing_of_the_text():
    (entry,) = Quality(preset="gopher@datatrove").apply(batch(PROSE[:190])).entries
    assert (entry.id, entry.rule, entry.value, entry.threshold) == ("d0", "gopher_short_doc", 38, 50)
    assert rule("gopher@datatrove", PROSE[:190], gopher_short_doc=30) is None


def test_presets_in_a_row_decide_as_one_after_another():
    texts = [*(text for text in GOPHER.values()), "", PROSE + "\nNo end mark", "{" + PROSE, EN_TEXT]
    presets = ("gopher@datatrove", "c4@datatrove", "fineweb@datatrove")
    at_once = Quality(preset=presets).apply(batch(*texts))
    left = batch(*texts)
    dropped: list[Any] = []
    for preset in presets:
        result = Quality(preset=preset).apply(left)
        left, dropped = result.batch, [*dropped, *(e for e in result.entries if e.action == "drop")]
    assert at_once.batch.equals(left)
    assert sorted(e.id for e in dropped) == sorted(e.id for e in at_once.entries if e.action == "drop")


def test_the_stage_is_made_from_the_pipelines_words():
    stage = msgspec.convert({"preset": ["gopher@datatrove", "sft"], "limits": {"gopher_short_doc": 10}}, Quality)
    (entry,) = stage.apply(batch(PROSE + "<|im_end|>", PROSE[:190])).entries
    assert (entry.id, entry.rule, type(entry.value)) == ("d0", "template_tokens", float)
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value"):
        msgspec.convert({"preset": "gopher"}, Quality)


def test_an_empty_batch_stays_one():
    for preset in ("gopher@datatrove", "gopher@paper", "c4@tfds", "fineweb@datatrove", "sft"):
        assert Quality(preset=preset).apply(batch("a").slice(0, 0)).batch.num_rows == 0


@given(st.lists(st.text(st.sampled_from("ab .,\n#•-…中'\"[]{"), max_size=200), max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_text_is_kept_or_explained(texts):
    for preset in ("gopher@datatrove", "gopher@paper", "c4@datatrove", "c4@tfds", "fineweb@datatrove", "sft"):
        result = Quality(preset=preset, limits={"gopher_short_doc": 0} if preset.startswith("gopher") else {}).apply(
            batch(*texts)
        )
        assert result.batch.num_rows + sum(e.action == "drop" for e in result.entries) == len(texts)


@pytest.mark.parametrize(
    ("preset", "limit", "near"), [("gopher@paper", "gopher_short_docs", "gopher_short_doc"), ("sft", "ecko", "echo")]
)
def test_d09_an_unknown_limit_is_refused_with_the_nearest(preset, limit, near):
    with pytest.raises(UnknownName, match=f"unknown limit '{limit}'; did you mean '{near}'"):
        Quality(preset=preset, limits={limit: 3})


def test_the_language_is_the_rows_or_the_parameters() -> None:
    text = "Der Ausschuss sprach am Dienstag mit vielen Leuten und fand, dass jemand Geld besorgen muss."
    stage = Quality(preset="gopher@language", limits={"gopher_short_doc": 1, "top_3_gram": 1, "top_4_gram": 1})
    assert apply(stage, text, language=["de"]) == ([text], [])
    assert apply(stage, text, language=["fr"])[1] == [("d0", "drop", "gopher_enough_stop_words")]
    assert apply(stage, text) == ([text], [])  # the guess is German
    german = msgspec.structs.replace(stage, language="de")
    assert apply(german, text, language=["fr"]) == ([text], [])


def test_a_language_that_nothing_takes_is_refused() -> None:
    with pytest.raises(InputError, match="which only preset gopher@language takes"):
        Quality(preset="sft", language="de")
    with pytest.raises(InputError, match="did you mean 'de'"):
        Quality(preset="gopher@language", language="DE")
