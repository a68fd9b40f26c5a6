"""`steward`: the list of commands and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from steward import __version__
from steward.cli.commands import STEWARD
from steward.cli.lazy import PLAIN, lazy_group
from steward.core.errors import StewardError

app = typer.Typer(
    name="steward",
    cls=lazy_group(STEWARD),
    help=STEWARD.help,
    no_args_is_help=True,
    **{**PLAIN, "add_completion": True},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"steward {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Looks after a language model in production."""


def main() -> None:
    """Run the command; errors that steward names end with their exit code and one message."""
    try:
        app()
    except StewardError as error:
        sys.stderr.write(f"steward: {error}\n")
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # Click ends with 1, which means "the answer is no" here
            raise SystemExit(0) from None
        raise
    except OSError as error:  # a full disk, a folder that is not ours
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"steward: {where}{error.strerror or type(error).__name__}\n")
        raise SystemExit(4) from error
    except Exception as error:
        if "STEWARD_TRACEBACK" in os.environ:
            raise
        sys.stderr.write(
            f"steward: Internal error ({type(error).__name__}): this is a bug in steward. Set STEWARD_TRACEBACK=1, run "
            "the command again, and report what it prints\n"
        )
        raise SystemExit(5) from error
