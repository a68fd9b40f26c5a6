from steward.adapters.trainers.few_shot import choose_examples


def test_the_question_that_covers_most_comes_first_and_then_what_it_does_not_cover():
    questions = ["where is my order", "where is my order now", "where is order", "refund please", "refund"]
    first, second = choose_examples(questions, 2)
    assert first == 0 and second in (3, 4)  # 0 is likest to 1 and 2: 4/5 and 3/4


def test_no_more_than_there_are_and_none_twice():
    assert sorted(choose_examples(["a b", "a b", "c"], 9)) == [0, 1, 2]
    assert choose_examples([], 3) == []
