"""What commands share: where the deployment is, and how records are printed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from steward.cli.terminal_text import escape_json, neutralise, neutralise_for_terminal, write_note
from steward.core.errors import InputError
from steward.core.files import quote_path

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from steward.core.identity import Principal
    from steward.core.secret import Secret
    from steward.workflows.findings import Finding

MOST_LINES: Final = 100_000  # that a command lists; all of them are in memory at once

HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder of the deployment's data.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the record as JSON.")]

ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why, for the audit log, such as a ticket. Kept apart from it, and erasable.")
]

TenantOption = Annotated[str, typer.Option("--tenant", help="Tenant to act in: nothing of others is seen or changed.")]
OnlyTenantOption = Annotated[
    str | None, typer.Option("--tenant", help="Only what belongs to this tenant. Default: to any of them.")
]


def act_for(tenant: str, reason: str = "") -> Principal:
    """The operator of this machine, acting in a tenant."""
    import msgspec

    from steward.core.identity import operator

    return msgspec.structs.replace(operator(os.getuid(), reason), tenant=tenant)


def find_home(given: Path | None) -> Path:
    """`--home`, else `.steward` beside steward.yaml or here, else STEWARD_HOME.

    :raises InputError: none of them exists
    """
    if given is not None:
        if not given.is_dir():
            raise InputError(f"--home {given}: no such folder; `steward up --home {quote_path(given)}` makes it")
        return given.absolute()
    local = Path.cwd() / ".steward"
    if local.is_dir():
        return local
    named = os.environ.get("STEWARD_HOME")
    if named and Path(named).is_dir():
        return Path(named).absolute()
    raise InputError("no deployment here: no folder .steward, no STEWARD_HOME; run `steward up`, or give --home DIR")


def keep_finding(finding: Finding, home: Path | None = None) -> None:
    """Keep a proof in the home that is given or found here; without one, nothing is kept."""
    try:
        folder = find_home(home)
    except InputError:
        return
    from steward.workflows.evidence import record_finding

    record_finding(folder, finding)


def read_state(home: Path) -> dict[str, Any]:
    """What the running supervisor wrote. :raises Unavailable: nothing runs, or it was killed"""
    from steward.workflows import gateway_probe

    return gateway_probe.read_state(home)


def find_server(url: str | None, key: str | None, home: Path | None) -> tuple[str, Secret | None]:
    """Address and key of an OpenAI-compatible server: `url`, else the gateway that runs in `home`.

    :raises InputError: the key's reference leads nowhere, or a password stands in the URL
    """
    from steward.core.addresses import refuse_credentials
    from steward.core.secret import resolve

    secret = resolve(key) if key else None
    if url is not None:
        return refuse_credentials(url, "give the key by reference: --key env:NAME"), secret
    folder = find_home(home)
    return str(read_state(folder)["gateway_url"]), secret or resolve(f"file:{folder / 'first-key'}")


def show_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(neutralise_for_terminal(line))
    sys.stdout.flush()


def show_json(record: object) -> None:
    """One record, the same that the library returns; with `--csv` its rows."""
    import msgspec

    from steward.cli.csv_rows import format_record

    if (rows := format_record(record)) is not None:
        print(rows, end="", flush=True)
        return
    text = msgspec.json.format(msgspec.json.encode(record)).decode()
    print(escape_json(text) if sys.stdout.isatty() else text, flush=True)


def show_json_line(record: object) -> None:
    """One of many records: a line of JSON, or with `--csv` a row."""
    import msgspec

    from steward.cli.csv_rows import format_record

    rows = format_record([record])
    if rows is not None:
        print(rows, end="", flush=True)
        return
    text = msgspec.json.encode(record).decode()
    print(escape_json(text) if sys.stdout.isatty() else text, flush=True)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], total: bool = False) -> None:
    """Numbers to the right; what is missing is a dash; with `total` the last row stands apart.

    A table that is wider than the terminal becomes a block of lines for each row, so that nothing is cut or broken.
    """
    console, listed = open_console(), [list(row) for row in rows]
    widths = _find_widths(columns, listed)
    if sum(widths) + 2 * (len(widths) - 1) > console.width:
        for row in listed[:-1]:  # one at a time: what Rich takes grows with the square of a text
            console.print(_make_block(columns, row), end="\n\n")
        last = _make_block(columns, listed[-1])
        last.rstrip()
        console.print(last)
    elif console.is_terminal or any(mark in _spell(value) for row in listed for value in row for mark in "\t\n"):
        console.print(make_table(columns, listed, total))
    else:
        console.file.writelines(_align(columns, listed, widths))
        console.file.flush()


def make_table(columns: Sequence[str], rows: Iterable[Sequence[object]], total: bool = False) -> Table:
    """What `show_table` shows."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    listed = [list(row) for row in rows]
    for column, numeric in zip(columns, _find_numeric(columns, listed), strict=True):
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*(_cell(value) for value in row))
    if total and listed:
        table.rows[-1].style = "bold"
    return table


def _find_numeric(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[bool]:
    return [any(isinstance(row[index], int | float) for row in rows) for index in range(len(columns))]


def _find_widths(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[int]:
    """Of each column with no cell broken, in columns of the terminal."""
    from rich.cells import cell_len

    return [
        max(cell_len(_spell(name)), *(cell_len(_spell(row[index])) for row in rows), 0)
        for index, name in enumerate(columns)
    ]


def _align(columns: Sequence[str], rows: Sequence[Sequence[object]], widths: Sequence[int]) -> Iterator[str]:
    """The lines of `make_table` without colours. Ours because Rich takes a millisecond for each row, and who lists a
    hundred thousand keys pipes them.
    """
    from rich.cells import cell_len

    numeric = _find_numeric(columns, rows)
    for texts in (columns, *([_spell(value) for value in row] for row in rows)):
        pads = [" " * (width - cell_len(text)) for text, width in zip(texts, widths, strict=True)]
        cells = [pad + text if right else text + pad for text, pad, right in zip(texts, pads, numeric, strict=True)]
        yield "  ".join(cells) + "\n"


def _make_block(columns: Sequence[str], row: Sequence[object]) -> Text:
    """A line for each value."""
    from rich.text import Text

    wide = max(map(len, columns)) + 2
    text = Text(overflow="fold")
    for number, (column, value) in enumerate(zip(columns, row, strict=True)):
        text.append("\n" if number else "").append(column.ljust(wide), style="dim").append_text(_cell(value))
    return text


def open_console() -> Console:
    """Rich's console; as wide as it takes where the output is no terminal, so that nothing is cut in a pipe."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            """Rich would exit with 1, which means "no" here; `main` knows what a closed pipe means.

            Called while the `BrokenPipeError` is handled.
            """
            raise BrokenPipeError

    plain = Screen(highlight=False, soft_wrap=False)
    return plain if plain.is_terminal else Screen(highlight=False, width=1000)


_STYLES = {
    **dict.fromkeys(("ok", "passed", "operational", "serving"), "green"),
    **dict.fromkeys(("down", "broken", "failed", "regressed", "refused", "error"), "red"),
    **dict.fromkeys(("starting", "degraded", "inconclusive"), "yellow"),
    "–": "dim",
}


def _cell(value: object) -> Text:
    """A word about health gets its colour (Rich heeds NO_COLOR); numbers get separators; nothing is obeyed."""
    from rich.text import Text

    text = _spell(value)
    return Text(text, style=_STYLES.get(text, ""))


def _spell(value: object) -> str:
    return "–" if value is None or value == "" else f"{value:,}" if isinstance(value, int) else neutralise(str(value))


@contextmanager
def show_progress(hidden: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Progress with the time left, on stderr: a bar on a terminal, else a line every ten seconds.

    What is yielded takes how much is done, of how much, and what is being done.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if hidden:
        yield lambda done, total, what: None
    elif console.is_terminal:
        with _bar(console) as bar:
            yield bar
    else:
        yield ProgressLines(write_note)


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[int, int, str], None]]:
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("left"), TimeRemainingColumn(),
        TextColumn("passed"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        line = bar.add_task("planning", total=None)
        yield lambda done, total, what: bar.update(line, completed=done, total=total, description=what)


class ProgressLines:
    """For a log: one line when a step has taken two seconds, and then one every ten."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._what, self._began, self._next = "", clock(), 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        now, step = self._clock(), what.partition(":")[0]  # what follows a colon changes within a step
        if step != self._what:
            self._what, self._began, self._next = step, now, now + 2.0
        if now < self._next or not done:
            return
        self._next = now + 10.0
        left = (now - self._began) * max(0, total - done) / done
        self._write(f"{what}: {min(100, 100 * done // max(1, total))} %, about {left:.0f} s left")
