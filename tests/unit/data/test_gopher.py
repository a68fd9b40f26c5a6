import pytest

from data_batches import batch
from steward.data.gopher import LIMITS
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


LAX = {
    "gopher_short_doc": 0, "gopher_below_avg_threshold": 0, "gopher_above_avg_threshold": 99,
    "gopher_enough_stop_words": 0, "top_2_gram": 9, "top_3_gram": 9, "top_4_gram": 9,
    "gopher_too_many_hashes": 1, "gopher_too_many_ellipsis": 1, "gopher_too_many_bullets": 1, "gopher_long_doc": 999,
    "gopher_too_many_end_ellipsis": 1, "gopher_below_alpha_threshold": 0,
    "dup_para_frac": 1, "dup_para_char_frac": 1, "dup_line_frac": 1, "dup_line_char_frac": 1,
}  # fmt: skip
AT_LIMIT = [  # (limit, text, the value counted by hand, whether less is worse)
    ("gopher_short_doc", "one two three", 3, True),
    ("gopher_long_doc", "one two three", 3, False),
    ("gopher_below_avg_threshold", "aaa bbbbb", 4, True),
    ("gopher_above_avg_threshold", "aaa bbbbb", 4, False),
    ("gopher_too_many_hashes", "a # b #", 0.5, False),
    ("gopher_too_many_ellipsis", "a ... b …", 0.5, False),
    ("gopher_too_many_bullets", "- a\nb", 0.5, False),
    ("gopher_too_many_bullets", "• a\nb", 0.5, False),
    ("gopher_too_many_end_ellipsis", "a...\nb", 0.5, False),
    ("gopher_below_alpha_threshold", "a 1", 0.5, True),
    ("gopher_enough_stop_words", "the the of", 2, True),
    ("dup_line_frac", "a b\na b\nc d\ne f", 0.25, False),
    ("dup_line_frac", "\na b\n", 1 / 3, False),  # before the first and after the last end of a line stands nothing
    ("dup_para_frac", "a b\n\na b\n\nc d\n\ne f", 0.25, False),
    ("top_2_gram", "a b c d e f", 3 / 11, False),
]


@pytest.mark.parametrize(("name", "text", "value", "least"), AT_LIMIT)
def test_a_value_at_its_limit_is_kept(name, text, value, least):
    assert rule("gopher@datatrove", text, **LAX | {name: value}) is None
    assert rule("gopher@datatrove", text, **LAX | {name: value + (1e-9 if least else -1e-9)}) == name


def test_the_limits_are_the_papers() -> None:
    """Rae et al. 2021, Scaling Language Models, table A1 and section A.1.1."""
    repeated = {"top_2_gram": 20, "top_3_gram": 18, "top_4_gram": 16}
    repeated |= {f"duplicated_{n}_n_grams": percent for n, percent in zip(range(5, 11), range(15, 9, -1), strict=True)}
    repeated |= {"dup_line_frac": 30, "dup_para_frac": 30, "dup_line_char_frac": 20, "dup_para_char_frac": 20}
    pages: dict[str, float] = {"gopher_short_doc": 50, "gopher_long_doc": 100_000, "gopher_below_avg_threshold": 3}
    pages |= {"gopher_above_avg_threshold": 10, "gopher_too_many_hashes": 0.1, "gopher_too_many_ellipsis": 0.1}
    pages |= {"gopher_too_many_bullets": 0.9, "gopher_too_many_end_ellipsis": 0.3}
    pages |= {"gopher_below_alpha_threshold": 0.8, "gopher_enough_stop_words": 2}
    assert {name: percent / 100 for name, percent in repeated.items()} | pages == LIMITS
