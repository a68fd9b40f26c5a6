"""`steward`: the list of commands and the one place where errors become exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Annotated, Any, Final

import typer

from steward import __version__
from steward.cli.commands import STEWARD, TALKING
from steward.cli.lazy import PLAIN, find_path, lazy_group
from steward.cli.terminal_text import neutralise
from steward.cli.waiting import show_waiting
from steward.core.build import name_build
from steward.core.errors import StewardError
from steward.core.files import OTHERS

INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
_USAGE_ERROR: Final[Any] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

app = typer.Typer(
    name="steward",
    cls=lazy_group(STEWARD),
    help=STEWARD.help,
    no_args_is_help=True,
    **{**PLAIN, "add_completion": True},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"steward {__version__} ({name_build()})")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version, and whether it is compiled."
        ),
    ] = False,
) -> None:
    """Looks after a language model in production."""


def main() -> None:
    """Run the command; errors that steward names end with their exit code and one message.

    What is written may hold people's words or keys, so it is readable by its owner alone (0700, 0600).
    """
    os.umask(os.umask(OTHERS) | OTHERS)
    gc.set_threshold(20_000, 20, 50)  # what a command loads is no garbage: a tenth of the time of the short ones
    atexit.register(gc.freeze)  # nor is it searched for some at the end, which takes a quarter as long as loading it
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
    try:
        raise SystemExit(_run())
    except StewardError as error:
        _say(str(error))
        raise SystemExit(error.exit_code) from error
    except (KeyboardInterrupt, typer.Abort) as error:
        _say(str(error) or "interrupted; nothing is left half-written. Run the command again")
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:  # whoever read the output has enough: `steward tail | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:  # a full disk, a folder that is not ours
        _say(explain_os_error(error))
        raise SystemExit(4) from error
    except Exception as error:
        if "STEWARD_TRACEBACK" in os.environ:
            raise
        _say(
            f"Internal error ({type(error).__name__}): this is a bug in steward. Set STEWARD_TRACEBACK=1, run the "
            "command again, and report what it prints"
        )
        raise SystemExit(5) from error


def interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM means the same as Ctrl-C: what a command has begun is ended or kept, and files are whole or not there.

    Whatever waits for Ctrl-C, such as an event loop, gets this as well. A shell's background job ignores Ctrl-C, but
    not SIGTERM.
    """
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt


def _run() -> int:
    """Click's own `main` gives an interrupt and a closed pipe the exit code 1, which means "no" here."""
    if "_STEWARD_COMPLETE" in os.environ:  # a shell asks for completions
        app()
    command = typer.main.get_command(app)
    try:
        with note_silence(sys.argv[1:]), command.make_context("steward", sys.argv[1:]) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        sys.stdout.flush()
        return end.exit_code
    except _USAGE_ERROR as error:
        error.show()
        return int(error.exit_code)
    return 0


def note_silence(arguments: Sequence[str]) -> AbstractContextManager[None]:
    """Say that a command is at work where it takes long; nothing where a program reads what it writes."""
    path = find_path(STEWARD, arguments)
    if not path or path in TALKING or not {"--json", "--csv", "--help", "-h"}.isdisjoint(arguments):
        return nullcontext()
    return show_waiting(f"steward {path}")


def explain_os_error(error: OSError) -> str:
    """What the system refused, where, and what to do about it.

    >>> explain_os_error(PermissionError(13, "Permission denied", "/srv/out"))
    '/srv/out: Permission denied; choose a place that you may use, or see who may: ls -ld /srv'
    """
    where = f"{error.filename}: " if error.filename else ""
    why = error.strerror or type(error).__name__
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and isinstance(error.filename, str):
        folder = shlex.quote(os.path.dirname(os.path.abspath(error.filename)))
        return f"{where}{why}; choose a place that you may use, or see who may: ls -ld {folder}"
    if error.errno == errno.EISDIR and isinstance(error.filename, str):
        return f"{where}{why}; expected a file; move the folder away: mv {shlex.quote(error.filename)} ELSEWHERE"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}{why}; free some space, or choose a place on another disk: df -h"
    return f"{where}{why}"


def _say(message: str) -> None:
    sys.stderr.write(f"steward: {neutralise(message)}\n")
