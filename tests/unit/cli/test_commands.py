"""What holds for every command."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from steward.cli.main import app
from steward.cli.usage import format_exchange
from steward.core.records import ExchangeRow

ROW = ExchangeRow(
    request_id="req_" + "0" * 24, at=0.0, key_id="k", route="m", model="a-rather-long-name", endpoint="/v1/completions",
    streamed=True, outcome="upstream_error", status=502, input_tokens=12345, output_tokens=2, ttft_s=0.01,
    duration_s=12.5,
)  # fmt: skip


def commands(command: Any, path: str = "steward") -> Iterator[tuple[str, Any]]:
    if not isinstance(command, TyperGroup):
        yield path, command
        return
    for name in command.list_commands(Any):
        yield from commands(command.get_command(None, name), f"{path} {name}")


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_has_json_and_says_what_it_does(name: str) -> None:
    options = {option for parameter in ALL[name].params for option in parameter.opts}
    assert "--json" in options and ALL[name].help
    assert all(parameter.help for parameter in ALL[name].params if parameter.name != "help")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_k13_a_line_of_tail_fits_and_keeps_what_matters(width: int) -> None:
    text = format_exchange(ROW, width)
    assert len(text) <= width and "502" in text and "upstream_error"[:8] in text
    assert ("req_" in text) == (width >= 120)
