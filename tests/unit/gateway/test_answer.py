"""An answer before anything is known of it but its status."""

from steward.gateway.answer import Answer, join_filters


def test_a_whole_answer_is_json_unless_it_is_told_otherwise() -> None:
    answer = Answer(200)
    assert (answer.status, answer.body, answer.stream, answer.content_type) == (200, b"", None, b"application/json")
    assert answer.headers == [] and answer.error_class is None
    other = Answer(200)
    other.headers.append((b"a", b"b"))
    assert answer.headers == []  # each has its own


class Marking:
    """Adds its letter to each event, and once more at the end; `over` after an event "stop"."""

    def __init__(self, letter: bytes, swallow: bytes = b"") -> None:
        self.letter, self.over, self._swallow = letter, False, swallow

    def feed(self, events: bytes) -> bytes:
        self.over = self.over or events == b"stop"
        return b"" if events == self._swallow else events + self.letter

    def end(self) -> bytes:
        return self.letter.upper()


def test_the_outer_filter_sees_what_the_inner_one_lets_through() -> None:
    outer = Marking(b"b")
    assert join_filters(None, outer) is outer
    both = join_filters(Marking(b"a", swallow=b"x"), outer)
    assert both.feed(b"1") == b"1ab" and both.feed(b"x") == b""  # what the inner one keeps the outer never sees
    assert both.end() == b"AbB"  # the inner one's rest passes through the outer one, whose own comes after


def test_joined_filters_are_over_with_either() -> None:
    inner, outer = Marking(b"a"), Marking(b"b")
    both = join_filters(inner, outer)
    assert not both.over
    inner.over = True
    assert both.over
    inner.over, outer.over = False, True
    assert both.over
