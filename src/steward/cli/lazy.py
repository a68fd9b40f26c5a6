"""Commands that load when they run: groups are tables of names and import paths, so that `steward --help` is quick.

Typer evaluates the signature of every command that it knows; this hands it one command at a time.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, cast, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from steward.core.errors import Contradiction, InputError

Result = TypeVar("Result")
CSV_OPTION = Annotated[bool, typer.Option("--csv", help="Print the rows as CSV, with the names of --json.")]
Built = TyperCommand | TyperGroup


class Command(NamedTuple):
    """A command: the function that runs it. `help` is needed at the top level; elsewhere the docstring serves."""

    name: str
    target: str  # "steward.cli.keys:create"
    help: str = ""


class Group(NamedTuple):
    """A group of commands. `target` is a function that runs when no command is named (`steward plan …`)."""

    name: str
    help: str
    commands: tuple[Command | Group, ...]
    target: str = ""


class CsvRows:
    """The fields of a command's record that hold rows, one below the other; without any, the record is a list of rows.

    `json: Annotated[JsonOption, CsvRows("by")] = False` gives a command `--csv`, too.
    """

    def __init__(self, *fields: str) -> None:
        self.fields = fields


class LazyGroup(TyperGroup):
    """A Click group over a table: lists from the table, loads the one command that is asked for."""

    table: ClassVar[Group]

    def list_commands(self, ctx: Any) -> list[str]:
        return [entry.name for entry in self.table.commands]

    def get_command(self, ctx: Any, cmd_name: str) -> Built | None:
        return next((build(entry) for entry in self.table.commands if entry.name == cmd_name), None)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(entry.name, entry.help or _help(entry)) for entry in self.table.commands]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def find_path(table: Group, words: Iterable[str]) -> str:
    """The command that `words` begin with, without its options; empty where there is none.

    >>> find_path(Group("steward", "", (Group("eval", "", (Command("run", ""),)),)), ["eval", "run", "suite.yaml"])
    'eval run'
    """
    path: list[str] = []
    node: Command | Group | None = table
    for word in words:
        node = next((entry for entry in node.commands if entry.name == word), None) if isinstance(node, Group) else None
        if node is None:
            break
        path.append(word)
    return " ".join(path)


def lazy_group(table: Group) -> type[LazyGroup]:
    """The class of a group with this table, for `typer.Typer(cls=…)`."""
    return type("LazyGroup", (LazyGroup,), {"table": table})


def build(entry: Command | Group) -> Built:
    """What Click runs for one line of a table."""
    if isinstance(entry, Group):
        root = load(entry.target) if entry.target else _do_nothing
        app = typer.Typer(cls=lazy_group(entry), no_args_is_help=not entry.target, **PLAIN)
        app.callback(invoke_without_command=bool(entry.target), help=root.__doc__ if entry.target else entry.help)(root)
    else:
        app = typer.Typer(**PLAIN)
        app.command(entry.name)(load(entry.target))
    built = typer.main.get_command(app)
    built.name = entry.name
    return cast("Built", built)


PLAIN: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,  # plain help: Rich's takes longer to load than all of steward's commands
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def load(target: str) -> Callable[..., Any]:
    """The function at "module:name", its option sets expanded."""
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return expand_option_sets(function)


def expand_option_sets(function: Callable[..., Result]) -> Callable[..., Result]:
    """A function whose parameters of a struct type stand as that struct's fields, each one an option.

    `def run(target: TargetOptions, json: JsonOption = False)` gets the options of `TargetOptions` and `--json`.
    :raises Contradiction: two option sets have a field of one name
    """
    hints = get_type_hints(function, include_extras=True)
    sets = {name: kind for name, kind in hints.items() if hasattr(kind, "__struct_fields__")}
    parameters: dict[str, Parameter] = {}
    for name, parameter in signature(function).parameters.items():
        expanded = _parameters(sets[name]) if name in sets else [parameter.replace(annotation=hints[name])]
        for each in expanded:
            if each.name in parameters:
                raise Contradiction(f"{function.__name__}: two option sets have a field {each.name!r}")
            parameters[each.name] = each.replace(kind=Parameter.KEYWORD_ONLY)

    rows = find_csv_rows(parameters)
    if rows is not None:
        parameters["csv"] = Parameter("csv", Parameter.KEYWORD_ONLY, default=False, annotation=CSV_OPTION)

    @wraps(function)
    def call(**given: Any) -> Result:
        if rows is not None and given.pop("csv"):
            if given["json"]:
                raise InputError("--csv and --json: give one of them")
            from steward.cli.csv_rows import print_as_csv

            with print_as_csv(rows.fields):
                return run({**given, "json": True})
        return run(given)

    def run(given: dict[str, Any]) -> Result:
        for name, kind in sets.items():
            fields = {field: given.pop(field) for field in kind.__struct_fields__}
            given[name] = kind(**fields)
        return function(**given)

    call.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    call.__dict__["__signature__"] = Signature(list(parameters.values()))
    del call.__dict__["__wrapped__"]  # else `signature` looks behind the expansion
    return call


def find_csv_rows(parameters: Mapping[str, Parameter]) -> CsvRows | None:
    """What the parameter `json` of a command says of rows."""
    marks = getattr(parameters["json"].annotation, "__metadata__", ()) if "json" in parameters else ()
    return next((mark for mark in marks if isinstance(mark, CsvRows)), None)


def _parameters(kind: Any) -> list[Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [each.replace(annotation=hints[name]) for name, each in signature(kind).parameters.items()]


def _help(entry: Command | Group) -> str:
    """The first sentence of a command's docstring."""
    return build(entry).get_short_help_str(120)


def _do_nothing() -> None:
    """A group needs something to run before its command."""
