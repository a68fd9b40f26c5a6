"""Which of the added fields an error means, and how long that is remembered."""

from steward.gateway.refused_fields import REMEMBERED_S, RefusedFields, find_refused_fields

ADDED = ("stream_options", "reasoning_effort", "max_tokens")


def found(status: int, words: str, sent: tuple[str, ...] = ("model", "messages")) -> set[str]:
    return set(find_refused_fields(status, words.encode(), ADDED, sent))


def test_the_field_that_is_named() -> None:
    assert found(400, "stream_options: not a thing") == {"stream_options"}
    assert found(422, 'loc: ["body","reasoning_effort"], stream_options') == {"stream_options", "reasoning_effort"}
    assert found(400, "stream_options_x is unknown field; my_stream_options too; x1stream_options") == {
        "stream_options",
        "reasoning_effort",
    }  # none is named, so that any may be meant


def test_a_name_that_has_another_is_refused_only_in_words_that_say_so() -> None:
    assert found(400, "max_tokens is too large") == set()
    assert found(400, "Unsupported parameter: max_tokens") == {"max_tokens"}


def test_without_a_name_any_optional_one_may_be_meant() -> None:
    assert found(400, "Unknown parameter.") == {"stream_options", "reasoning_effort"}
    assert found(400, "Unknown parameter in messages") == set()  # the client's own
    assert found(400, "Unknown error") == set()
    assert found(400, "a bad field") == set()


def test_a_refusal_that_explains_nothing_may_mean_any() -> None:
    for words in (
        "",
        " ",
        "Bad Request",
        '{"detail":"Validation error","code":422}',
        '{"error":{"message":"Invalid request."}}',
    ):
        assert found(400, words) == found(422, words) == {"stream_options", "reasoning_effort"}
        assert found(500, words) == set()
    for words in ("Bad Request: no messages", '{"detail":"Validation error in messages"}', "error " * 84):
        assert found(400, words) == set()
    assert found(400, "error " * 83) == {"stream_options", "reasoning_effort"}  # of at most 499 bytes


def test_other_spellings_of_a_name() -> None:
    for words in ("include_usage: no", "streamOptions", "includeUsage"):
        assert found(400, words) == {"stream_options"}
    assert found(400, "reasoningEffort") == {"reasoning_effort"} and found(400, "my_include_usage") == set()


def test_only_statuses_that_can_mean_it() -> None:
    for status in (400, 405, 415, 422, 500, 501):
        assert found(status, "stream_options") == {"stream_options"}
    for status in (200, 401, 403, 404, 413, 429, 502, 503):
        assert found(status, "stream_options") == set()
    assert find_refused_fields(400, b"stream_options", (), ()) == frozenset()


def test_what_was_learned_is_forgotten_field_by_field() -> None:
    learned = RefusedFields()
    assert not learned and learned.current(0.0) == frozenset()
    learned.add(frozenset({"a"}), 0.0)
    learned.add(frozenset({"b"}), 1.0)
    assert learned and learned.current(REMEMBERED_S - 0.1) == {"a", "b"}
    assert learned.current(REMEMBERED_S) == {"b"}
    assert learned.current(REMEMBERED_S + 1.0) == frozenset() and not learned


def test_a_field_is_tried_again_after_an_hour() -> None:
    learned = RefusedFields()
    learned.add(frozenset({"a"}), 0.0)
    assert learned.current(3599.9) == {"a"} and learned.current(3600.0) == frozenset()
