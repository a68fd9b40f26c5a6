"""An answer before anything is known of it but its status."""

from steward.gateway.answer import Answer


def test_a_whole_answer_is_json_unless_it_is_told_otherwise() -> None:
    answer = Answer(200)
    assert (answer.status, answer.body, answer.stream, answer.content_type) == (200, b"", None, b"application/json")
    assert answer.headers == [] and answer.error_class is None
    other = Answer(200)
    other.headers.append((b"a", b"b"))
    assert answer.headers == []  # each has its own
