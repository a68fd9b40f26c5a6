import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_stages import batch, cut
from steward.core.errors import InputError
from steward.data.stages.augment import Augment

TEXTS = [f"What is the capital of land {number}?" for number in range(400)]


def added(stage: Augment, size: int = 100) -> list[dict[str, object]]:
    return [
        row for one in cut(batch(TEXTS, label=TEXTS), size) for row in stage.apply(one).batch.to_pylist()[len(one) :]
    ]


def test_the_rate_labels_ids_and_numbers() -> None:
    rows = added(Augment(rate=0.25))
    assert 70 <= len(rows) <= 130  # 100 expected, standard deviation 8.7
    assert all(row["text"] != row["label"] == TEXTS[int(row["row"]) & 2**48 - 1] for row in rows)  # type: ignore[call-overload]
    assert len({row["id"] for row in rows}) == len(rows) and all("#" in str(row["id"]) for row in rows)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 60), st.integers(0, 9))
def test_any_cut_into_batches_adds_the_same_rows(size: int, seed: int) -> None:
    assert added(Augment(seed=seed), size) == added(Augment(seed=seed), 400)


def test_generations_never_share_a_number_and_one_cannot_come_twice() -> None:
    once = Augment(rate=1.0, recipe=("typos",)).apply(batch(TEXTS[:5])).batch
    twice = Augment(rate=1.0, recipe=("typos",), generation=2).apply(once).batch
    assert len(twice) == 20 == len(set(twice["row"].to_pylist())) == len(set(twice["id"].to_pylist()))
    with pytest.raises(InputError, match="two augment stages have generation 1"):
        Augment(rate=1.0).apply(once)


def test_of_a_chat_only_the_user_is_changed_and_of_a_pair_only_the_prompt() -> None:
    chat = [{"role": "user", "content": "What is rain?"}, {"role": "assistant", "content": "Water that falls."}]
    pair = {"prompt": "What is rain?", "chosen": "Water.", "rejected": "No."}
    stage = Augment(rate=1.0, recipe=("paraphrase-templates",))
    chats = pa.RecordBatch.from_pylist([{"row": 0, "id": "a", "messages": chat}])
    pairs = pa.RecordBatch.from_pylist([{"row": 0, "id": "a", **pair}])
    user, assistant = stage.apply(chats).batch.to_pylist()[1]["messages"]
    assert user["content"] != "What is rain?" and assistant["content"] == "Water that falls."
    new = stage.apply(pairs).batch.to_pylist()[1]
    assert new["prompt"] != pair["prompt"] and new["chosen"] == "Water." and new["rejected"] == "No."


def test_ids_of_later_generations_say_so() -> None:
    rows = batch(["the quick brown fox jumps over it"])
    first = Augment(rate=1, recipe=("typos",)).apply(rows)
    second = Augment(rate=1, recipe=("typos",), generation=2).apply(rows)
    assert [e.id for e in (*first.entries, *second.entries)] == ["r0#typos", "r0#typos.2"]
    assert [e.row for e in (*first.entries, *second.entries)] == [2**48, 2**49]
    assert Augment(rate=0).apply(rows).entries == ()


def test_a_run_can_be_repeated_with_a_later_version() -> None:
    """Which of 400 rows 0.2.0 augments with seed 3: whoever published a set names seed and version."""
    numbers = [int(str(row["row"])) & 2**48 - 1 for row in added(Augment(rate=0.03, seed=3))]
    assert numbers == [93, 96, 115, 153, 256, 334, 344, 386, 392, 395]
    assert Augment().rate == 0.1  # docs/reference


def test_any_seed_serves_and_draws_others() -> None:
    drawn = [[row["id"] for row in added(Augment(seed=seed))] for seed in (-1, 0, 1, 2**64)]
    assert drawn[3] == drawn[1] and len({tuple(ids) for ids in drawn}) == 3


def test_without_recipes_nothing_is_added() -> None:
    assert added(Augment(rate=1.0, recipe=())) == []
