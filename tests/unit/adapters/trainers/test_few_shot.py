import msgspec
import pytest

from steward.adapters.trainers.few_shot import choose_examples, make_prompt
from steward.adapters.trainers.process import EventWriter
from steward.core.errors import InputError
from steward.core.training import parse_event
from steward.testing.trainers import make_job


def test_the_question_that_covers_most_comes_first_and_then_what_it_does_not_cover():
    questions = ["where is my order", "where is my order now", "where is order", "refund please", "refund"]
    first, second = choose_examples(questions, 2)
    assert first == 0 and second in (3, 4)  # 0 is likest to 1 and 2: 4/5 and 3/4


def test_no_more_than_there_are_and_none_twice():
    assert sorted(choose_examples(["a b", "a b", "c"], 9)) == [0, 1, 2]
    assert choose_examples([], 3) == []


def make_rows(pairs):
    return [
        {"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": asked}],
         "completion": [{"role": "assistant", "content": answered}]}
        for asked, answered in pairs
    ]  # fmt: skip


def write_prompt(tmp_path, pairs, **parameters):
    job = make_job(tmp_path, "few-shot", "prompt", "trl-sft", make_rows(pairs), parameters=parameters)
    make_prompt(job, EventWriter(job))
    folder = tmp_path / "artefacts"
    return (folder / "prompt.txt").read_text(), msgspec.json.decode((folder / "examples.json").read_bytes())


def test_the_prompt_has_the_instructions_and_then_the_examples(tmp_path):
    text, messages = write_prompt(tmp_path, [("a b", "1"), ("a", "2")], examples=1, instructions="Be kind.")
    assert text == "Be kind.\n\nQuestion: a b\nAnswer: 1\n"  # "a b" is like itself by 1 and like "a" by half
    assert messages == [{"role": "user", "content": "a b"}, {"role": "assistant", "content": "1"}]
    first, last = (parse_event(line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines())
    assert (first.step, first.steps, last.step, last.steps, last.metrics) == (0, 1, 1, 1, {"examples": 1.0})


def test_what_does_not_fit_is_passed_over(tmp_path):
    pairs = [("x" * 6, "y" * 4), ("c", "d"), ("longer", "than that")]
    assert write_prompt(tmp_path, pairs, max_characters=12)[0].count("Question") == 2  # 10 and 2
    assert write_prompt(tmp_path, pairs, max_characters=11)[0] == f"Question: {'x' * 6}\nAnswer: {'y' * 4}\n"
    with pytest.raises(InputError, match="max_characters: 1 are too few"):
        write_prompt(tmp_path, pairs, max_characters=1)


def test_eight_examples_of_eight_thousand_characters_unless_told(tmp_path):
    pairs = [(f"word{number}", "y" * 9) for number in range(20)]
    assert write_prompt(tmp_path, pairs)[0].count("Question") == 8
    long = [(f"w{number}", "y" * 1998) for number in range(9)]
    assert write_prompt(tmp_path, long)[0].count("Question") == 4  # four times 2,000
    with pytest.raises(InputError, match="no row"):
        write_prompt(tmp_path, [])


def test_a_message_without_a_text_is_an_empty_one(tmp_path):
    assert write_prompt(tmp_path, [("a", None)])[0] == "Question: a\nAnswer: \n"
