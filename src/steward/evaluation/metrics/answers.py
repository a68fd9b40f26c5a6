"""Metrics of one answer against what is right, averaged over items: each item's value is from 0 to 1."""

from __future__ import annotations

import json
import math
import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

import numpy as np

from steward.core.errors import InputError
from steward.evaluation.answer_filters import filter_answer
from steward.evaluation.choices import extract_letter
from steward.evaluation.metrics import require_text, require_texts
from steward.evaluation.patterns import PatternTooSlow, search
from steward.evaluation.quantities import is_equal, parse_quantities
from steward.evaluation.refusals import is_refusal
from steward.evaluation.statistics import Array, ratio
from steward.evaluation.text_tokens import compose, has_unspaced, tokenise_pair

_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")


class _ItemMean:
    """The mean over items of `item`."""

    proportion = True
    signature = ""

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        require_text(prediction, "prediction")
        require_texts(references)
        return ""

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        raise NotImplementedError

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        values = [float(self.item(*pair)) for pair in zip(predictions, references, strict=True)]
        return np.column_stack([np.array(values, dtype=np.float64), np.ones(len(values))])

    def combine(self, sums: Array) -> Array:
        return ratio(sums)


class ExactMatch(_ItemMean):
    """Equal to one of the references, blanks at the ends apart; both in Unicode's composed form (NFC)."""

    signature = "exact_match|strip:yes|unicode:nfc|refs:any"

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        return compose(prediction).strip() in {compose(reference).strip() for reference in references}


def normalise_squad(text: str) -> str:
    """SQuAD's evaluate-v1.1.py: lower case, then ASCII punctuation out, then articles, then blanks made one.

    >>> normalise_squad("The  Quick, brown-fox!")
    'quick brownfox'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_overlap_f1(predicted: Sequence[str], right: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over tokens, each counted as often as it stands.

    >>> token_overlap_f1(["cat", "cat", "cat"], ["cat", "dog"])
    0.4
    """
    common = (Counter(predicted) & Counter(right)).total()
    return 2 * common / (len(predicted) + len(right)) if common else 0.0


class SquadExactMatch(_ItemMean):
    """Rajpurkar et al. 2016, evaluate-v1.1.py."""

    signature = "squad_em|norm:squad|refs:max|empty:0"

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        return normalise_squad(prediction) in {normalise_squad(reference) for reference in references}


class SquadF1(_ItemMean):
    """Rajpurkar et al. 2016, evaluate-v1.1.py: nothing against nothing is 0."""

    proportion = False
    signature = "squad_f1|norm:squad|refs:max|empty:0"

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        predicted = normalise_squad(prediction).split()
        return max(token_overlap_f1(predicted, normalise_squad(reference).split()) for reference in references)


class SquadV2ExactMatch(_ItemMean):
    """Rajpurkar et al. 2018, evaluate-v2.0.py: no references means that no answer is right."""

    signature = "squad_v2_em|norm:squad|refs:max|empty:1"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        require_text(prediction, "prediction")
        require_texts(references, least=0)
        return ""

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        return normalise_squad(prediction) in _normalise_answers(references)


class SquadV2F1(SquadV2ExactMatch):
    """Rajpurkar et al. 2018, evaluate-v2.0.py: nothing against nothing is 1."""

    proportion = False
    signature = "squad_v2_f1|norm:squad|refs:max|empty:1"

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        words = normalise_squad(prediction).split()
        golds = [answer.split() for answer in _normalise_answers(references)]
        return max(token_overlap_f1(words, gold) if words and gold else float(words == gold) for gold in golds)


def _normalise_answers(references: Sequence[str]) -> list[str]:
    """Normalised, without the empty ones; one empty answer where none is left."""
    return [normal for normal in map(normalise_squad, references) if normal] or [""]


class TokenF1(_ItemMean):
    """F1 over lower-case words and punctuation marks, articles kept, for languages that SQuAD's rules do not fit.

    Where one of the two is in a script without spaces between words, over characters (`text_tokens`).
    """

    proportion = False
    signature = r"token_f1|tok:\w+ with signs|[^\w\s]|unspaced:characters|unicode:nfc|case:lower|refs:max"

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        return max(token_overlap_f1(*tokenise_pair(prediction, reference)) for reference in references)


class ChoiceLetter(_ItemMean):
    """The letter that the answer chooses is right. An answer that chooses none, or two, is unscored and not wrong."""

    signature = "choice|letter:boxed, stated, line, parentheses, chosen|rules:3|refs:any"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        super().screen(prediction, references)
        return "" if extract_letter(prediction) else "the answer chooses no letter or several letters"

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        return extract_letter(prediction) in {reference.strip() for reference in references}


class WordCount(_ItemMean):
    """The answer's length in words, in characters where a script writes no blanks between words; neither higher nor
    lower is better."""

    proportion = False
    signature = "words|blanks or characters"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        require_text(prediction, "prediction")
        return ""

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        return len(tokenise_pair(prediction, "", marks=False)[0] if has_unspaced(prediction) else prediction.split())


class Contains(_ItemMean):
    """One of the references stands somewhere in the answer; both in Unicode's composed form (NFC)."""

    def __init__(self, lowercase: bool = True) -> None:
        self._fold = str.casefold if lowercase else str
        self.signature = f"contains|case:{'lower' if lowercase else 'mixed'}|unicode:nfc|refs:any"

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        text = self._fold(compose(prediction))
        return any(self._fold(compose(reference)) in text for reference in references)


class Regex(_ItemMean):
    """One of the references, patterns of Python's `re`, matches somewhere in the answer."""

    signature = "regex|search|refs:any"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        super().screen(prediction, references)
        for pattern in references:
            try:
                re.compile(pattern)
            except re.error as error:
                raise InputError(f"reference {pattern!r} is not a regular expression: {error}") from error
        try:
            self.item(prediction, references)
        except PatternTooSlow as error:
            return str(error)
        return ""

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        return any(search(pattern, prediction) is not None for pattern in references)


class Numeric(_ItemMean):
    """The last number of the answer equals one of the references, in any unit of the same dimension.

    References are numbers or texts such as "1.5 km". `relative` and `absolute` are tolerances, the larger counts.
    An answer without any number is wrong, not unscored; so is a unit of another dimension.
    """

    def __init__(self, relative: float = 0.0, absolute: float = 0.0) -> None:
        if not (math.isfinite(relative + absolute) and relative >= 0 and absolute >= 0):
            raise InputError(f"numeric: tolerances {relative} and {absolute}, expected numbers of at least 0")
        self._relative, self._absolute = relative, absolute
        self.signature = f"numeric|last|quantities:4|rel:{relative}|abs:{absolute}|refs:any"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        require_text(prediction, "prediction")
        if not references:
            raise InputError("references is empty, expected at least one number")
        for reference in references:
            if isinstance(reference, bool) or not parse_quantities(str(reference)):
                raise InputError(f"reference {reference!r} contains no number")
        return ""

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        quantities = parse_quantities(prediction)
        return bool(quantities) and any(
            is_equal(quantities[-1], parse_quantities(str(right))[-1], self._relative, self._absolute)
            for right in references
        )


class Refusal(_ItemMean):
    """The share of answers that decline, by their wording; references are not looked at."""

    signature = "refusal|wordings:3"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        require_text(prediction, "prediction")
        return ""

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        return is_refusal(prediction)


class JsonSchema(_ItemMean):
    """The answer is JSON and valid under the reference, one JSON Schema (2020-12, or what its $schema says).

    `fences`: the JSON may stand in a fenced block, the last one that begins with { or [; or, where there is no block,
    between backticks within a line, the last one counts. Text around it does not matter.
    Off, the whole answer must be JSON. Nothing that a $ref names is fetched.
    """

    def __init__(self, fences: bool = True) -> None:
        self._fences = fences
        self.signature = f"json_schema|draft:2020-12|extract:{'last JSON fence or span' if fences else 'whole'}"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        require_text(prediction, "prediction")
        if len(references) != 1 or not isinstance(references[0], dict | bool):
            raise InputError(f"references has {len(references)} entries, expected one JSON Schema")
        make_validator(references[0])
        return ""

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        from jsonschema.validators import validator_for

        text = _extract_json(prediction) if self._fences else prediction
        try:
            value = json.loads(text.strip("\ufeff \t\r\n"), parse_constant=_reject_constant)
            return bool(validator_for(references[0])(references[0]).is_valid(value))
        except (ValueError, RecursionError):  # no JSON, or deeper than any answer
            return False


_JSON_FENCE: Final = re.compile(r"```[ \t]*(?:json[c5l]?)?[ \t]*\r?\n(\s*[\[{](?:(?!```).)*)(?:```|\Z)", re.I | re.S)
_SPAN: Final = re.compile(r"(?<!`)(`{1,3})(?:json[c5]?\s)?[ \t]*([\[{][^`]*[\]}])[ \t]*\1(?!`)", re.I)


def _extract_json(answer: str) -> str:
    """The inside of the last fenced block that begins as JSON does, else of the last block; where there is none, of the
    last code span that looks like JSON."""
    blocks = [match[1] for match in _JSON_FENCE.finditer(answer)]
    if blocks:
        return str(blocks[-1])
    inside = filter_answer(answer, ("code",)).text
    spans = _SPAN.findall(answer) if inside == answer else ()
    return str(spans[-1][1]) if spans else inside


def make_validator(schema: Any) -> Any:
    """With `is_valid(value)`. :raises InputError: no JSON Schema, or one that names what it does not have"""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema).check_schema(schema)
        check_references(schema)
        check_ends(schema)
    except SchemaError as error:
        raise InputError(f"the reference is not a JSON Schema: {error.message}") from error
    except RecursionError as error:
        raise InputError(
            f"the reference is no usable JSON Schema: nested too deeply; the limit is {MOST_SCHEMA_LEVELS} levels"
        ) from error
    return validator_for(schema)(schema)


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def check_references(schema: Any) -> None:
    """:raises InputError: a $ref to another document, or to a place that the schema does not have"""
    own = schema.get("$id") if isinstance(schema, dict) else None
    for reference in _find_references(schema):
        target = reference.removeprefix(own.removesuffix("#")) if isinstance(own, str) and own else reference
        target = target or "#"
        if not target.startswith("#"):
            raise InputError("the schema has a $ref to another document; expected only references that begin with '#'")
        if not _resolves(schema, target):
            raise InputError(f"the schema has a $ref to {target!r}, which it does not contain")


_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")  # of any names
_VALUES: Final = ("enum", "const", "default", "examples")  # keywords that hold data, not schemas


def _find_references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[name] for name in ("$ref", "$dynamicRef") if isinstance(value.get(name), str))
        for name, each in value.items():
            if name in _MAPS and isinstance(each, dict):
                yield from _find_references(list(each.values()))
            elif name not in _VALUES:
                yield from _find_references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _find_references(each)


_SAME_PLACE: Final = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "$ref")
MOST_SCHEMA_LEVELS: Final = 200


def check_ends(schema: Any) -> None:
    """:raises InputError: a part of the schema says of a value what it says itself, so that no answer could be judged
    :raises RecursionError: deeper than `MOST_SCHEMA_LEVELS`
    """
    waiting: list[tuple[Any, int]] = [(schema, 1)]
    judged: set[int] = set()
    while waiting:
        part, level = waiting.pop()
        if level > MOST_SCHEMA_LEVELS:
            raise RecursionError
        if isinstance(part, dict):
            _follow(part, schema, [], judged)
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        waiting += [(each, level + 1) for each in inner]


def _follow(part: Any, schema: Any, open_parts: list[int], judged: set[int]) -> None:
    """Along all that judges the same value as `part`."""
    if not isinstance(part, dict) or id(part) in judged:
        return
    if id(part) in open_parts:
        raise InputError(
            "the reference is no usable JSON Schema: it refers to itself without end; put the $ref under properties "
            "or items"
        )
    open_parts.append(id(part))
    for name in _SAME_PLACE:
        value = part.get(name)
        if name == "$ref" and isinstance(value, str):
            value = _find_place(schema, value)
        nested = isinstance(value, list) or (name == "dependentSchemas" and isinstance(value, dict))
        listed = value.values() if isinstance(value, dict) and nested else value if isinstance(value, list) else [value]
        for each in listed:
            _follow(each, schema, open_parts, judged)
    judged.add(open_parts.pop())


def _resolves(schema: Any, target: str) -> bool:
    return isinstance(_find_place(schema, target), dict | bool)


def _find_place(schema: Any, target: str) -> Any:
    """What a JSON Pointer (RFC 6901) or an anchor names; None where nothing has the name."""
    if target != "#" and not target.startswith("#/"):
        return next((part for part in _find_anchored(schema) if target[1:] in _names_of(part)), None)
    place = schema
    for part in target.split("/")[1:]:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and key in place:
            place = place[key]
        elif isinstance(place, list) and key.isdigit() and int(key) < len(place):
            place = place[int(key)]
        else:
            return None
    return place


def _names_of(part: dict[str, Any]) -> list[str]:
    anchors = [part[key] for key in ("$anchor", "$dynamicAnchor") if isinstance(part.get(key), str)]
    named = part.get("$id")  # "#name" is an anchor up to draft 7 (section 8.2.3)
    return [*anchors, named[1:]] if isinstance(named, str) and named.startswith("#") and len(named) > 1 else anchors


def _find_anchored(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and _names_of(value):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _find_anchored(each)


class Groundedness(_ItemMean):
    """The share of the answer's sentences that the sources carry, and whose citations point to sources that do.

    References are the sources, in order. A sentence is carried where at least `share` of its word `n`-grams (of its
    words where it is shorter) stand in one source; where it cites, "[2]", in one of those it cites. This sees copied
    and lightly edited statements, not paraphrases: a low value calls for a judge, a high one is evidence.
    """

    proportion = False

    def __init__(self, n: int = 3, share: float = 0.5) -> None:
        self._n, self._share = n, share
        self.signature = f"groundedness|ngram:{n}|share:{share}|citations:[k]"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        super().screen(prediction, references)
        return "" if self._sentences(prediction) else "the answer contains no sentence"

    def item(self, prediction: Any, references: Sequence[Any]) -> float:
        sources = [_SourceWords(source) for source in references]
        verdicts = [self._is_carried(words, cited, sources) for words, cited in self._sentences(prediction)]
        return sum(verdicts) / len(verdicts)

    def _sentences(self, text: str) -> list[tuple[list[str], list[int]]]:
        """Words and citations of each sentence; a citation after the full stop belongs to the sentence before."""
        tidy = re.sub(r"([.!?])((?:\s*\[\d+\])+)", r"\2\1", text)
        parts = [(_split_words(re.sub(r"\[\d+\]", " ", part)), part) for part in re.split(r"(?<=[.!?])\s+|\n+", tidy)]
        return [(words, [int(k) for k in re.findall(r"\[(\d+)\]", part)]) for words, part in parts if words]

    def _is_carried(self, words: list[str], cited: list[int], sources: list[_SourceWords]) -> bool:
        usable = [sources[k - 1] for k in cited if 1 <= k <= len(sources)] if cited else sources
        n = min(self._n, len(words))
        wanted = _ngrams(words, n)
        return any(len(wanted & source.ngrams(n)) >= self._share * len(wanted) for source in usable)


class _SourceWords:
    """A source's words, and its n-grams once they were asked for: an answer may have thousands of sentences."""

    def __init__(self, text: str) -> None:
        self._words = _split_words(text)
        self._ngrams: dict[int, set[tuple[str, ...]]] = {}

    def ngrams(self, n: int) -> set[tuple[str, ...]]:
        if n not in self._ngrams:
            self._ngrams[n] = _ngrams(self._words, n)
        return self._ngrams[n]


def _split_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _ngrams(words: list[str], n: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
