import msgspec
import pytest

from data_batches import apply, batch
from steward.core.errors import InputError
from steward.data.stages.pii import Pii


def names(text):
    return [(at, at + 2, "person") for at in range(len(text)) if text.startswith("Bo", at)]


def test_pii_masks_drops_and_tags_with_the_detector_handed_over():
    assert apply(Pii(detector=names), "Hi Bo, Bo!", "Hi.") == (
        ["Hi [PERSON], [PERSON]!", "Hi."],
        [("d0", "change", "person")],
    )
    assert apply(Pii(mode="drop", detector=names), "Hi Bo", "Hi.") == (["Hi."], [("d0", "drop", "person")])
    assert Pii(mode="tag", detector=names).apply(batch("Bo", "Hi")).batch["pii"].to_pylist() == ["person", ""]


def test_pii_covers_overlapping_finds_whole():
    stage = Pii(detector=lambda text: [(3, 6, "email"), (0, 4, "person")])
    assert apply(stage, "abcdefg")[0] == ["[PERSON]g"]


def test_pii_replaces_by_what_it_is_given():
    stage = Pii(detector=names, change=lambda kind, value: f"<{kind}:{value.lower()}>")
    assert apply(stage, "Hi Bo!")[0] == ["Hi <person:bo>!"]


def test_pii_reads_a_text_once_for_its_entries_and_its_mask():
    read = []

    def detect(text):
        read.append(text)
        return names(text)

    assert apply(Pii(detector=detect), "Hi Bo!", "Hi.")[0] == ["Hi [PERSON]!", "Hi."]
    assert read == ["Hi Bo!", "Hi."]


def test_pii_without_a_detector_refuses():
    with pytest.raises(InputError, match="no detector"):
        msgspec.convert({"mode": "mask"}, Pii).apply(batch("Bo"))


def test_only_tags_add_a_column():
    assert (Pii(mode="tag").adds, Pii(mode="mask").adds, Pii(mode="drop").adds) == (("pii",), (), ())


def test_a_find_within_another_ends_no_sooner():
    stage = Pii(detector=lambda text: [(0, 6, "email"), (2, 4, "person")])
    assert apply(stage, "abcdefg")[0] == ["[EMAIL]g"]
