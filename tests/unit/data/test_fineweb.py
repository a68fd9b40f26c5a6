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
