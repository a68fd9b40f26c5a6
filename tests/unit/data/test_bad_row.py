from steward.data.bad_row import BadRow


def test_a_bad_row_says_what_was_seen_and_expected() -> None:
    problem = BadRow("not_text", "text", "a number", "a text")
    assert (problem.rule, problem.field, problem.seen, problem.expected) == ("not_text", "text", "a number", "a text")
