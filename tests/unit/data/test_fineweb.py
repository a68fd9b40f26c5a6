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


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("line_punct_ratio", "No end here\nnor over in this line of text\nor in this"),
        ("short_line_ratio", "Short.\nAlso short.\nToo.\n" + PROSE),
        ("char_dup_ratio", f"{PROSE}\nThis line is there more than once, is it not?\n" * 2),
        (
            "list_ratio",
            "Antidisestablishmentarianism-or-so_it_seems.\n\nPseudopseudohypoparathyroidism_x.\n\n\n",
        ),
        ("empty", " \n "),
        (None, PROSE),
    ],
)
def test_fineweb_gives_datatroves_reason(reason, text):
    assert rule("fineweb@datatrove", text) == reason


@pytest.mark.parametrize(
    ("name", "text", "share"),
    [
        ("line_punct_ratio", "One line of text that ends well.\nAnother one of them that does not", 0.5),
        ("short_line_ratio", "A line of exactly thirty chars\n" + "A line of thirty-one characters.\n", 0.5),
        ("char_dup_ratio", "This is a line that is repeated.\n" * 2 + "And this is a line that is not..", 1 / 3),
        ("list_ratio", "\n".join(["one two three four five six seven eight"] * 2), 1 / 16),
    ],
)
def test_a_share_at_its_limit_is_kept(name, text, share):
    others = {"line_punct_ratio": 0, "short_line_ratio": 1, "char_dup_ratio": 1, "list_ratio": 1}
    assert rule("fineweb@datatrove", text, **others | {name: share}) is None
    beyond = share + 1e-9 if name == "line_punct_ratio" else share - 1e-9
    assert rule("fineweb@datatrove", text, **others | {name: beyond}) == name


def test_lines_are_counted_by_words_and_not_by_what_stands_between_blanks() -> None:
    """Two ends of lines, two pieces, and ten words: fewer than the 0.3 of datatrove's list_ratio."""
    others = {"line_punct_ratio": 0, "short_line_ratio": 1, "char_dup_ratio": 1}
    assert rule("fineweb@datatrove", "one-two-three-four-five\n\nsix-seven-eight-nine-ten", **others) is None
    assert rule("fineweb@datatrove", "one-two\n\nthree", **others) == "list_ratio"
