import pytest

from data_batches import batch
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


@pytest.mark.parametrize("reason", GOPHER)
def test_gopher_gives_datatroves_reason(reason):
    assert rule("gopher@datatrove", GOPHER[reason]) == reason


def test_the_paper_lets_a_phrase_that_occurs_once_stand():
    text = "Supercalifragilistic antidisestablishmentarianism of that and more."
    assert rule("gopher@datatrove", text, gopher_short_doc=1) == "top_2_gram"
    assert rule("gopher@paper", text, gopher_short_doc=1, gopher_above_avg_threshold=99) is None
