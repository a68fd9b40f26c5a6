"""`steward`: the list of commands and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from steward import __version__
from steward.cli import (
    chat,
    config,
    data,
    evaluation,
    feedback,
    gpu,
    keys,
    load,
    plan,
    prompts,
    rating,
    reload,
    status,
    trials,
    up,
    usage,
)
from steward.core.errors import StewardError

app = typer.Typer(
    name="steward",
    help="Looks after a language model in production.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: Rich's takes longer to load than all of steward's commands
    context_settings={"help_option_names": ["-h", "--help"]},
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


app.command()(up.up)
app.command()(config.init)
app.command()(status.status)
app.command()(reload.reload)
app.command()(chat.chat)
app.command()(usage.tail)
app.command()(feedback.feedback)
app.command()(gpu.gpu)
config.app.command()(reload.history)
config.app.command()(reload.diff)
config.app.command()(reload.rollback)
evaluation.app.add_typer(trials.app)
evaluation.app.command()(rating.rate)
evaluation.app.command()(rating.agreement)
evaluation.app.command()(rating.report)
app.add_typer(evaluation.app, name="eval")
app.add_typer(load.app, name="load")
app.add_typer(config.app, name="config", help="Check, show and roll back the settings.")
app.add_typer(usage.app, name="usage")
app.add_typer(plan.app, name="plan")
app.add_typer(data.app, name="data", help="Clean, check and explain data sets.")
app.add_typer(prompts.app, name="prompts", help="Keep versions of the prompts that routes carry.")
app.add_typer(keys.app, name="keys", help="Create, list and revoke gateway keys.")


def main() -> None:
    """Run the command; errors that steward names end with their exit code and one message."""
    try:
        app()
    except StewardError as error:
        sys.stderr.write(f"steward: {error}\n")
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(4) from None
    except OSError as error:  # a full disk, a folder that is not ours
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"steward: {where}{error.strerror or type(error).__name__}\n")
        raise SystemExit(4) from error
    except Exception as error:
        if "STEWARD_TRACEBACK" in os.environ:
            raise
        sys.stderr.write(
            f"steward: a mistake of steward's own ({type(error).__name__}), not of yours; please report it with what "
            "STEWARD_TRACEBACK=1 in the environment prints\n"
        )
        raise SystemExit(5) from error
