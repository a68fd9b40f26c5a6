"""Errors name what was seen, what is known and what the system ran out of."""

import errno

import pytest

from steward.core.errors import (
    Contradiction,
    Exhausted,
    InputError,
    Refused,
    StewardError,
    TimedOut,
    Unavailable,
    UnknownName,
    describe_origin,
    describe_trace,
    find_exhausted,
    find_full_database,
    find_nearest,
    measure_likeness,
    rank_nearest,
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "code"),
    [(InputError, 2), (UnknownName, 2), (StewardError, 4), (Unavailable, 4), (TimedOut, 4), (Exhausted, 4),
     (Contradiction, 5)],
)  # fmt: skip
def test_each_error_has_its_exit_code(kind: type[StewardError], code: int) -> None:
    """The table "Exit codes" of the reference of commands."""
    assert kind.exit_code == code


def test_an_unknown_name_lists_all_where_there_are_few() -> None:
    names = [f"model-{number:02}" for number in range(24)]
    assert str(UnknownName("model", "x", names)) == f"unknown model 'x'. Known: {', '.join(names)}"
    assert str(UnknownName("model", "x", [], "a.yaml:3")) == "a.yaml:3: unknown model 'x'. Known: none"


def test_an_unknown_name_lists_twelve_where_there_are_many() -> None:
    names = [f"m{number:02}" for number in range(25)]
    message = str(UnknownName("model", "zzz", names))
    assert message == f"unknown model 'zzz'. Known: {', '.join(names[:12])} and others, 25 in all"


def test_of_many_the_ones_that_resemble_it_are_listed() -> None:
    names = [*(f"x{number:02}" for number in range(30)), "starter", "started"]
    message = str(UnknownName("model", "startr", names))
    assert message == "unknown model 'startr'; did you mean 'starter'? Known: started, starter and others, 32 in all"


def test_resemblance_is_difflibs_ratio() -> None:
    """difflib: ratio = 2 matches / all characters; `abcd` and `abxy` share 2 of 8, a ratio of .5."""
    assert find_nearest("abcd", ["abxy"]) is None
    assert find_nearest("abcd", ["abxy"], cutoff=0.5) == "abxy"
    assert find_nearest("abcde", ["abcxy"]) == "abcxy"  # 6 / 10


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_what_has_run_out_is_said(number: int) -> None:
    assert isinstance(find_exhausted(OSError(number, "")), Exhausted)


def test_other_errors_of_the_system_are_not_exhaustion() -> None:
    assert find_exhausted(OSError(errno.ECONNRESET, "")) is None and find_exhausted(OSError()) is None


def test_a_refusal_carries_openais_words() -> None:
    refused = Refused("too fast", status=429, type="requests", code="rate_limit_exceeded", limit="tokens", scope="key")
    assert (refused.status, refused.type, refused.code, refused.param) == (429, "requests", "rate_limit_exceeded", None)
    assert (str(refused), refused.limit, refused.scope, refused.headers) == ("too fast", "tokens", "key", ())


def test_an_origin_names_type_and_place_and_never_the_message() -> None:
    try:
        raise ValueError("4111 1111 1111 1111")
    except ValueError as error:
        described = describe_origin(error)
        line = error.__traceback__.tb_lineno if error.__traceback__ else 0
    assert described == f"ValueError at test_errors.py:{line}"


def test_the_origin_of_what_was_never_raised_is_its_type() -> None:
    assert describe_origin(ValueError("4111 1111 1111 1111")) == "ValueError"


def test_the_nearest_is_one_name_and_the_best() -> None:
    assert find_nearest("starter", ["start", "starters", "startex"]) == "starters"


@pytest.mark.parametrize(
    ("seen", "known", "nearest"),
    [
        ("h1000", ["MI100", "A100-SXM", "H100-SXM", "H200"], "H100-SXM"),
        ("mi3000", ["A30", "MI300X", "GB300"], "MI300X"),
        ("gopher", ["c4@tfds", "gopher paper", "sft"], "gopher paper"),
        ("metric", ["name", "metrics", "data"], "metrics"),
    ],
)
def test_k10_the_nearest_name_has_the_same_beginning_and_digits(seen: str, known: list[str], nearest: str) -> None:
    assert find_nearest(seen, known) == nearest


def test_likeness_by_hand() -> None:
    """difflib: 2 x matching letters over all; 0.99 of it with the first words, 0.001 less from another letter."""
    assert measure_likeness("H100", "h100") == 1.0
    assert measure_likeness("h1000", "H100-SXM") == pytest.approx(0.99 * 8 / 9)
    assert measure_likeness("abcd", "xbcd") == pytest.approx(6 / 8 - 0.001)
    assert rank_nearest("ab", ["ab-x", "ab", "zz"], 0.5) == ["ab", "ab-x"]


def test_s21_a_database_that_is_full_is_told_from_one_that_is_busy() -> None:
    """SQLITE_FULL's words: sqlite3_errstr(13)."""
    assert str(find_full_database(Exception("database or disk is full"))) == "the disk is full"
    assert find_full_database(Exception("database is locked")) is None and find_full_database(None) is None


def test_a_trace_says_where_and_repeats_no_content() -> None:
    def fail(text: str) -> None:
        try:
            int(text)
        except ValueError as error:
            raise KeyError(text) from error

    card = " ".join(["4" + "111", *["1" * 4] * 3])  # a trace shows lines of source text
    with pytest.raises(KeyError) as caught:
        fail(card)
    told = describe_trace(caught.value)
    first, then = told.split("\nthen:\n")
    assert first.endswith("ValueError") and "int(text)" in first
    assert then.endswith("KeyError") and "test_errors.py" in then and "raise KeyError(text)" in then
    assert "4111" not in told


def test_a_trace_goes_back_to_the_first_cause() -> None:
    def fail() -> None:
        try:
            try:
                raise KeyError
            except KeyError as first:
                raise ValueError from first
        except ValueError:
            raise OSError  # noqa: B904  # an error while another one is handled has it as its context

    with pytest.raises(OSError) as caught:
        fail()
    kinds = [part.rpartition("\n")[2] for part in describe_trace(caught.value).split("\nthen:\n")]
    assert kinds == ["KeyError", "ValueError", "OSError"]
