"""Lazy groups and option sets."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from steward.cli.lazy import PLAIN, Command, Group, expand_option_sets, lazy_group
from steward.core.errors import Contradiction
from toy_commands import clash, travel

TABLE = Group("toy", "A toy.", (Command("travel", "toy_commands:travel"),))
TOY = typer.Typer(cls=lazy_group(TABLE), callback=lambda: None, **PLAIN)


def test_the_fields_of_option_sets_are_options_and_arrive_as_records() -> None:
    app = typer.Typer(**PLAIN)
    app.command()(expand_option_sets(travel))
    ran = CliRunner().invoke(app, ["3", "--city", "Rome", "--dry"])
    assert (ran.exit_code, ran.output) == (0, "3 Rome 0 True\n")
    assert "x>=0" in CliRunner().invoke(app, ["--help"]).output


def test_two_option_sets_with_one_name_are_refused() -> None:
    with pytest.raises(Contradiction, match="'city'"):
        expand_option_sets(clash)


def test_a_group_lists_its_table_and_runs_the_command() -> None:
    assert "travel  Go somewhere." in CliRunner().invoke(TOY, ["--help"]).output
    assert CliRunner().invoke(TOY, ["travel", "2"]).output == "2 Berlin 0 False\n"


def test_an_unknown_command_ends_with_2() -> None:
    ran = CliRunner().invoke(TOY, ["traval"])
    assert ran.exit_code == 2 and "traval" in ran.output


def test_the_top_level_help_loads_no_command() -> None:
    code = (
        "import sys\nfrom steward.cli.main import app\nfrom typer.testing import CliRunner\n"
        "CliRunner().invoke(app, ['--help'])\n"
        "print(sorted(name for name in sys.modules if name.startswith('steward.')))"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    light = [
        "cli",
        "cli.commands",
        "cli.lazy",
        "cli.main",
        "cli.terminal_text",
        "cli.waiting",
        "core",
        "core.build",
        "core.errors",
        "core.excerpts",
        "core.files",
        "core.interrupts",
    ]
    assert loaded.strip() == str([f"steward.{name}" for name in light])


def test_a_help_is_one_sentence_of_120_characters_at_most() -> None:
    table = Group("toy", "A toy.", (Command("talk", "toy_commands:talk"), Command("drone", "toy_commands:drone")))
    app = typer.Typer(cls=lazy_group(table), callback=lambda: None, **PLAIN)
    talk, drone = CliRunner().invoke(app, ["--help"]).output.partition("talk")[2].split("drone")
    assert talk.split()[-1] == "much." and drone.split()[-1].endswith("...")


def test_a_group_without_a_command_shows_its_help_and_one_with_a_function_runs_it() -> None:
    inner = Group("inner", "An inner group.", (Command("travel", "toy_commands:travel"),))
    acting = Group("acting", "It acts.", (Command("travel", "toy_commands:travel"),), "toy_commands:act")
    app = typer.Typer(cls=lazy_group(Group("toy", "A toy.", (inner, acting))), callback=lambda: None, **PLAIN)
    assert "An inner group." in CliRunner().invoke(app, ["inner"]).output
    assert CliRunner().invoke(app, ["acting"]).output == "acted\n"
    assert CliRunner().invoke(app, ["inner", "travel", "2"]).output == "2 Berlin 0 False\n"
