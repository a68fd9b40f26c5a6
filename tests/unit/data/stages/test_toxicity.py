from data_batches import batch
from steward.data.stages.toxicity import ToxicityStage


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


def test_ten_words_in_a_thousand_are_allowed():
    """docs/reference: `max_per_thousand`."""
    result = ToxicityStage().apply(batch("idiot " + "word " * 99, "idiot " + "word " * 98, "idiot"))
    assert result.batch["toxicity"].to_pylist() == [10.0]
    assert [(e.id, e.value) for e in result.entries] == [("d1", 1000 / 99), ("d2", 1000.0)]
