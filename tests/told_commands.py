"""Whether a command that somebody is told to run exists, with its options."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperGroup

from steward.cli.main import app


def find_mistake(text: str) -> str:
    """What a command names that there is not. A word with `|`, `…` or `{` in it stands for several."""
    words = text.split()
    command: Any = typer.main.get_command(app)
    place = 1
    while isinstance(command, TyperGroup) and place < len(words) and re.fullmatch(r"[a-z][a-z0-9-]*", words[place]):
        command, place = command.get_command(typer.Context(command), words[place]), place + 1
        if command is None:
            return f"no command {' '.join(words[:place])}"
    if isinstance(command, TyperGroup):
        return ""  # of several, or of any
    options = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
    for word in words[place:]:
        if word in ("|", "&&", ";", "#", ">"):
            break
        if (option := re.match(r"--[a-z][a-z0-9-]*", word)) and option.group() not in options | {"--help"}:
            return f"no option {option.group()} of {' '.join(words[:place])}"
    return ""
