"""What of an answer is graded: filters that a suite names, applied in order before any metric sees the text.

    thoughts    leaves out what a model thought aloud: <think>…</think> and its relatives, channels of gpt-oss; of what
                remains, the inside of <answer>…</answer> where that is all
    last_line   the last line that is not blank
    code        the inside of the last fenced block, where there is one
    choice      the letter that the answer chooses (`choices.extract_letter`)
    {pattern}   the first group of a regular expression's last match, or the whole match

`thoughts` is on unless a suite says otherwise. An answer in which a filter finds nothing is unscored and says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.evaluation.choices import extract_letter
from steward.evaluation.patterns import PatternTooSlow, find_last

NAMES: Final = ("thoughts", "last_line", "code", "choice")
DEFAULT: Final = ("thoughts",)
_TAGS: Final = (  # of models, and of prompts that are widely copied
    r"(?:\w{1,20}[:_])?think(?:ing)?(?:_\w{1,20})?|thinking|thoughts?|(?:internal_)?reason(?:ing)?(?:_content)?|"
    r"reflect(?:ion)?|analysis|scratch_?pad|inner_?(?:monologue|thoughts?)|internal(?:_thoughts?)?|ant_?thinking|cot|"
    r"chain_?of_?thought|plan|planning|rationale|deliberat(?:e|ion)|ponder(?:ing)?"
)
_PAIRS: Final = (  # as tokens: Magistral, Kimi, OpenThoughts, Command A Reasoning, MedGemma, Gemma 4, Apertus, others
    (r"\[THINK\]", r"\[/THINK\]"), ("◁think▷", "◁/think▷"), (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"), ("<unused94>", "<unused95>"),
    (r"<\|channel>thought", r"<channel\|>"), (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    (r"<[|｜](?:begin|start)[_▁]of[_▁]think(?:ing)?[|｜]>", r"<[|｜]end[_▁]of[_▁]think(?:ing)?[|｜]>"),
    (r"<\|(?:think|thinking|reasoning)\|>", r"<\|/(?:think|thinking|reasoning)\|>"),
)  # fmt: skip
_STARTS: Final = "|".join([rf"(?:<|&lt;)\s?(?:{_TAGS})(?:\s[^<>]{{0,80}})?(?:>|&gt;)", *(start for start, _ in _PAIRS)])
_ENDS: Final = "|".join([rf"(?:<|&lt;)\s?/\s?(?:{_TAGS})\s?(?:>|&gt;)", *(end for _, end in _PAIRS)])
_SURE: Final = re.compile(r"think|thought|reason|◁|unused|inner_", re.I)  # <plan> may be the answer's own
_MARK: Final = re.compile(rf"(?P<start>{_STARTS})|(?P<end>{_ENDS})", re.I)
_WRAPPED: Final = re.compile(  # what remains is the answer in a wrapping of its own
    r"\A\s*(?:<\|(?:begin_of_solution|START_RESPONSE)\|>(?P<token>.*?)(?:<\|(?:end_of_solution|END_RESPONSE)\|>)?"
    r"|<(?P<tag>answer|output|response|final_answer)>(?P<inside>.*?)</(?P=tag)>)\s*\Z",
    re.S | re.I,
)
_FINAL_CHANNEL: Final = re.compile(r".*<\|channel\|>final(?:[^<]*)<\|message\|>(.*?)(?:<\|(?:return|end)\|>|\Z)", re.S)
# gpt-oss where the server leaves out special tokens; Granite 3.2 (vLLM's granite_reasoning_parser has the pattern);
# pages of chat programs, and blocks that prompts ask for.
_SPOKEN: Final = (
    re.compile(r"\Aanalysis(?=[^\s\w]|[A-Z]).*assistantfinal(?P<answer>.*)\Z", re.S),
    re.compile(r"\A\s*Here(?:'s| is) my thought process:.*?Here(?:'s| is) my response:(?P<answer>.*)\Z", re.S),
)
_BLOCKS: Final = re.compile(
    r"<details\s[^<>]*\breasoning\b[^<>]*>.*?</details>"
    r"|^```(?:think|thinking|thoughts?|reasoning)[ \t]*\n.*?^```[ \t]*$",
    re.S | re.M,
)
_ANSWER_AT_END: Final = re.compile(r"<answer>(?P<inside>(?:(?!<answer>).)*)</answer>\s*\Z", re.S | re.I)
# A block that is not closed ends with the text (CommonMark 0.31, 4.5).
_FENCE: Final = re.compile(r"^[ \t]*+(`{3,}+|~{3,}+)[^\n`]*+\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.S | re.M)


class PatternFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A regular expression whose last match is the answer."""

    pattern: str


FilterSpec = str | PatternFilter


class FilteredAnswer(msgspec.Struct, frozen=True):
    """The text to grade or, where a filter found nothing, why there is none."""

    text: str
    why: str = ""


def check_filters(filters: Sequence[FilterSpec], where: str) -> None:
    """:raises InputError: an unknown filter, or a pattern that is not a regular expression"""
    for each in filters:
        if isinstance(each, PatternFilter):
            try:
                re.compile(each.pattern)
            except re.error as error:
                raise InputError(
                    f"{where}: filter pattern {each.pattern!r} is not a regular expression: {error}"
                ) from error
        elif each not in NAMES:
            raise UnknownName("filter", each, [*NAMES, "{pattern: …}"], where)


def filter_answer(text: str, filters: Sequence[FilterSpec]) -> FilteredAnswer:
    """
    >>> filter_answer("<think>London? No.</think> Paris", ["thoughts"]).text
    'Paris'
    >>> filter_answer("So:\\nAnswer: 42 apples", [PatternFilter(r"Answer: (\\d+)")]).text
    '42'
    """
    for each in filters:
        try:
            filtered = _match(text, each.pattern) if isinstance(each, PatternFilter) else _APPLY[each](text)
        except PatternTooSlow as error:
            return FilteredAnswer(text, str(error))
        if filtered is None:
            return FilteredAnswer(text, f"the filter {_name(each)} finds nothing in the answer")
        text = filtered
    return FilteredAnswer(text)


def describe_filters(filters: Sequence[FilterSpec]) -> str:
    """For a signature: "filters:thoughts+last_line"; nothing without filters."""
    return f"filters:{'+'.join(map(_name, filters))}" if filters else "filters:none"


_HINTS: Final = ("<", "&lt;", "[", "◁", "```", "assistantfinal", "my thought process")


def strip_thoughts(text: str) -> str:
    """The answer without what was thought before and between; empty where the thoughts do not end.

    Text without thoughts comes back as it is.
    """
    if not any(mark in text for mark in _HINTS):  # as in most answers: patterns take a hundredfold
        return text
    if "<|channel|>" in text:
        final = _FINAL_CHANNEL.match(text)
        return final.group(1).strip() if final else ""
    for spoken in _SPOKEN:
        if found := spoken.match(text):
            return found["answer"].strip()
    if without := _BLOCKS.sub("", text).strip():
        text = without if _BLOCKS.search(text) else text
    kept = _cut_thoughts(text)
    if kept is None or (not kept.strip() and not any(_SURE.search(mark[0]) for mark in _MARK.finditer(text))):
        return text
    if not kept.strip() and (at_end := _ANSWER_AT_END.search(text)):  # the thoughts do not end, but the answer is there
        return at_end["inside"].strip()
    wrapped = _WRAPPED.match(kept)
    return ((wrapped["token"] or wrapped["inside"] or "") if wrapped else kept).strip()


def _cut_thoughts(text: str) -> str | None:
    """What stands outside of thoughts; None where there are none. An end without a start closes thoughts that began in
    the prompt; a start without an end, at the beginning of a line or of the text, leaves nothing after it."""
    kept, depth, at, seen = [], 0, 0, False
    marks = list(_MARK.finditer(text))
    ends = [match.start() for match in marks if match["end"]]
    for match in marks:
        if match["start"]:
            closed = bool(ends) and ends[-1] > match.start()
            if not closed and not depth and text[: match.start()].rpartition("\n")[2].strip():
                continue  # a tag that is spoken of
            if not depth:
                kept.append(text[at : match.start()])
            depth, seen = depth + 1, True
        elif depth:
            depth -= 1
        else:
            kept, seen = [], True
        at = match.end()
    if not seen:
        return None
    return "".join([*kept, text[at:]] if not depth else kept)


def _last_line(text: str) -> str | None:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), None)


def _last_fence(text: str) -> str:
    fences = _FENCE.findall(text)
    return fences[-1][1] if fences else text


def _match(text: str, pattern: str) -> str | None:
    match = find_last(pattern, text)
    if match is None:
        return None
    part: str | None = match.group(1) if match.re.groups else match.group()
    return part


def _name(each: FilterSpec) -> str:
    return each if isinstance(each, str) else f"pattern({each.pattern})"


_APPLY: Final[dict[str, Callable[[str], str | None]]] = {
    "thoughts": strip_thoughts,
    "last_line": _last_line,
    "code": _last_fence,
    "choice": lambda text: extract_letter(text) or None,
}
