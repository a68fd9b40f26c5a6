"""S1, S8: grammars that would hold the engine for seconds, by how many places may follow one character.

Expected values are counted by hand from the grammar; what each takes llama.cpp is in the module's docstring.
"""

from __future__ import annotations

import time

import pytest

from steward.core.errors import Refused
from steward.gateway.engine_input import _tokens, check_rules
from steward.gateway.grammar_width import MOST_FOLLOWING, WidthMeter

MORE = MOST_FOLLOWING + 1
JSON = r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
"""  # as llama.cpp's documentation has it (grammars/README.md)


def count(text: str, is_grammar: bool = True) -> int:
    return WidthMeter().count_following(_tokens(text), is_grammar)


@pytest.mark.parametrize(
    ("grammar", "following"),
    [
        ('root ::= "a"', 0),
        ('root ::= "a" "b"', 1),
        ('root ::= "a"? "b"? "c"', 2),  # after a: b, c
        ('root ::= "a" "b"? "c"? "d"', 3),
        ('root ::= "a"*', 1),
        ('root ::= ("a" "b"?)*', 2),  # after a: b, a
        ('root ::= "a"{0,3} "b"', 2),
        ('root ::= "a"{1} "b"', 1),
        ('root ::= "a"{1,1} "b"', 1),
        ('root ::= "a"{0,1} "b"', 1),
        ('root ::= "a"{1,} "b"', 2),  # as `+`: after a: a, b
        ('root ::= "a"{2} "b"', 2),
        ('root ::= ("a" | "b" | "c")* "d"', 2),  # a character chooses among them
        ('root ::= ("a" | "a" | "a")* "d"', 4),
        ('root ::= ([a-z] | [0-9] | "_")* "d"', 4),
        ('root ::= x x "c"\nx ::= "a"?', 2),  # after the first a: a, c
        ('root ::= x "c"\nx ::= (y | "a")*\ny ::= ("b" | "d")*', 4),  # after b: that again, y, a, c
        ('root ::= root "b" | "a"', 1),
        ("a ::= b\nb ::= a\nroot ::= a", 0),
        ('root ::= ("ab" | "ab" | "ac")* "d"', 2),  # texts of more characters are as the values of an enum: one place
        ("z ::= [a] | [b] | [c]\ny ::= z\nroot ::= y y", 3),  # each rule is known before what it stands for
    ],
)
def test_places_that_may_follow_one_character(grammar: str, following: int) -> None:
    assert count(grammar) == following


@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= " + '"a"? ' * (MORE + 1),
        "root ::= " + '("a"?)* ' * 400,
        "".join(f'r{n} ::= (r{n + 1} | "a")*\n' for n in range(30)) + 'root ::= r0\nr30 ::= "b"',
        "root ::= " + "x " * 100 + '\nx ::= "a"?',
        "root ::= (" + " | ".join(['"a"'] * 100) + ")*",
        "root ::= (" + " | ".join(["[a-z]"] * 100) + ")*",
        "".join(f"r{n} ::= r{n + 1}? r{n + 1}?\n" for n in range(20)) + 'root ::= r0\nr20 ::= "a"',
    ],
)
def test_what_would_hold_the_engine_is_refused(grammar: str) -> None:
    assert count(grammar) == MORE
    with pytest.raises(Refused, match="may be left out or repeated"):
        check_rules(grammar, "grammar")


def test_the_bound_itself() -> None:
    """After the first of n optional parts the n - 1 others may follow."""
    assert count("root ::= " + '"a"? ' * (MOST_FOLLOWING + 1)) == MOST_FOLLOWING
    assert count("^" + "a?" * (MOST_FOLLOWING + 1) + "$", is_grammar=False) in (MOST_FOLLOWING, MORE)
    with pytest.raises(Refused, match="'response_format' has too many parts in a row"):
        check_rules("^" + "a?" * 200 + "$", "response_format", is_grammar=False)


@pytest.mark.parametrize(
    "grammar",
    [
        JSON,
        "root ::= (" + " | ".join(f'"value {n}"' for n in range(999)) + ")*",
        "root ::= "
        + " | ".join(f"r{n}" for n in range(900))
        + "\n"
        + "".join(f'r{n} ::= "x{n}"\n' for n in range(900)),
        'root ::= "a"{0,5000}',
        "root ::= " + "[0-9]? " * 16,
    ],
)
def test_what_people_write_passes(grammar: str) -> None:
    check_rules(grammar, "grammar")


@pytest.mark.parametrize("pattern", [r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?)?$", "^[a-z]+(-[a-z]+)*$", "^.*$"])
def test_patterns_that_people_write_pass(pattern: str) -> None:
    check_rules(pattern, "response_format", is_grammar=False)


def test_rules_may_be_written_from_the_last_to_the_first() -> None:
    """A thousand rules, each of the one after it: two rounds, whichever of them comes first in the text."""
    rules = [f'r{n} ::= r{n + 1} "a"\n' for n in range(1000)]
    assert count("root ::= r0\n" + "".join(rules)) == count("".join(reversed(rules)) + "root ::= r0\n") == 1


def test_it_takes_a_bounded_time() -> None:
    """Processor time, with room for a slow machine; the bound is on the items that are looked at."""
    rules = [f"r{(n * 7919) % 2500} ::= r{((n + 1) * 7919) % 2500} | x\n" for n in range(2499)]
    begun = time.process_time()
    count("root ::= r0\n" + "".join(rules))
    assert time.process_time() - begun < 2.0
