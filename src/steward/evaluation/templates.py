"""A prompt's template: `{field}` stands for the item's field, `{meta.kind}` for a field inside a field; a list or an
object is shown as JSON.

`{{` and `}}` are braces. Braces around anything that does not look like a name, such as JSON, stay as they are. A name
that the data does not have is an error, and so is what other template languages or LaTeX would make of braces:
`{{ question }}` and `\\boxed{answer}`, where `answer` is a field.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from steward.core.errors import InputError

_PART: Final = re.compile(r"\{\{(?P<escaped>[^{}]*)\}\}|(?P<open>\{\{)|(?P<close>\}\})|\{(?P<name>[^{}\n\"':,]*)\}")
_NAME: Final = re.compile(r"\s*[\w$@][\w$@.\- ]{0,79}\s*")
_LATEX: Final = re.compile(r"\\[A-Za-z]+\*?$")


def list_fields(template: str) -> list[str]:
    """Names of the fields that a template shows, in order, without those inside escaped braces."""
    return [
        match["name"].strip() for match in _PART.finditer(template) if match["name"] and _NAME.fullmatch(match["name"])
    ]


_FORMATTED: Final = re.compile(
    r"\{\{?\s*(?P<name>[\w$@][\w$@.\-]{0,79})\s*(?:![rsa]|:[^{}\s:]?[<>=^]?[+-]?#?0?\d*[,_]?(?:\.\d+)?[bcdeEfFgGnosxX%]?"
    r"|\[[^\[\]{}]*\]|\|[^{}]*|\.\w+\([^{}]*|\s+(?:or|if|and)\s[^{}]*)\s*\}\}?"
    r"|\{\{[#/^&>]\s*(?P<section>\w+)\s*\}\}|<%[=-]?\s*(?P<erb>\w+)\s*-?%>"
    r"|\{%[^{}%]*?(?P<inside>\w+)\s*%\}|\{\s*\n\s*(?P<broken>\w+)\s*\}"
)
_ELSEWHERE: Final = re.compile(
    r"%\((?P<percent>\w+)\)s|\$(?P<dollar>\w+)|<<\s*(?P<angles>\w+)\s*>>|\[\[\s*(?P<brackets>\w+)\s*\]\]|<(?P<tag>\w+)>"
    r"|(?<!\\)(?<![A-Za-z*])\{\{(?P<doubled>\w+)\}\}"
)
_UNCLOSED: Final = re.compile(  # "{q" and "q}", without the other brace on the line
    r"(?<!\{)\{\s*(?P<opened>\w[\w.\-]*)[^{}\n]*(?:\{|$)|(?:^|\})[^{}\n]*?(?<![\w.\-])(?P<closed>\w[\w.\-]*)\s*\}(?!\})",
    re.M,
)


def check_placeholders(templates: Sequence[str], row: Mapping[str, Any], where: str) -> None:
    """That no field of the data is written as other template languages write theirs, which would be sent as it stands:
    `{question!r}`, `{question | trim}`, and, where the templates show no field at all, `{{question}}`, `$question`,
    `%(question)s`, `<question>`. :raises InputError: one that is, with what to write
    """
    forms = [_FORMATTED] if any(map(list_fields, templates)) else [_FORMATTED, _ELSEWHERE]
    for match in (match for template in templates for form in forms for match in form.finditer(template)):
        name = next(part for part in match.groups() if part)
        if name in row or name.split(".")[0] in row:
            raise InputError(
                f"{where}: {match.group()!r} is written in another template language and would be sent as it stands; "
                f"write {{{name}}} for the field"
            )
    for match in (match for template in templates for match in _UNCLOSED.finditer(template)):
        name = match["opened"] or match["closed"]
        if name in row or name.split(".")[0] in row:
            raise InputError(f"{where}: {match.group().strip()!r} has one brace of two; write {{{name}}} for the field")


def fill(template: str, row: Mapping[str, Any], where: str) -> str:
    """:raises InputError: a name that the row does not have, or braces that mean something else elsewhere

    >>> fill("{q} of {meta.kind}, as {{JSON}}: {\\"a\\": 1}", {"q": "What", "meta": {"kind": "news"}}, "")
    'What of news, as {JSON}: {"a": 1}'
    """

    def replace(match: re.Match[str]) -> str:
        if match["open"] or match["close"]:
            return match.group()[0]
        if match["escaped"] is not None:
            return _unescape(match["escaped"], row, where)
        name = match["name"]
        if not _NAME.fullmatch(name):
            return match.group()
        if _LATEX.search(template[: match.start()]):
            raise InputError(
                f"{where}: {template[max(0, match.start() - 6) : match.end()]!r} looks like LaTeX, but braces show a "
                f"field; write {{{{{name}}}}} for braces that the model should see"
            )
        value = look_up(row, name.strip(), where)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)

    return _PART.sub(replace, template)


def look_up(row: Mapping[str, Any], name: str, where: str) -> Any:
    """The value of a field, or of `outer.inner`. :raises InputError: no such field, or nothing in it"""
    value: Any = row
    for part in [name] if name in row else name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise InputError(f"{where} has no field {name!r}{_nearest(name, row)}; it has {sorted(row)}")
    if value is None:
        raise InputError(f"{where}: {name!r} is null, expected a value")
    return value


def _unescape(inside: str, row: Mapping[str, Any], where: str) -> str:
    """`{{x}}` is `{x}`; with blanks around a name it is another language's variable."""
    name = inside.strip()
    if inside != name and _NAME.fullmatch(inside) and name:
        raise InputError(
            f"{where}: {{{{{inside}}}}} is written in another template language; write {{{name}}} for the field"
            f"{'' if name in row else _nearest(name, row)}"
        )
    return "{" + inside + "}"


def _nearest(name: str, row: Mapping[str, Any]) -> str:
    names = [
        *row,
        *(f"{outer}.{inner}" for outer, value in row.items() if isinstance(value, Mapping) for inner in value),
    ]
    close = difflib.get_close_matches(name, names, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
