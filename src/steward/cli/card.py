"""`steward card model|system|data|state`: what somebody has to know of a model, a system or data, from live records."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    TenantOption,
    act_for,
    find_home,
    show_json,
    show_lines,
)
from steward.core.errors import InputError
from steward.core.files import SHARED

if TYPE_CHECKING:
    from steward.workflows.cards import CardSubject


class ModelFormat(StrEnum):
    MD = "md"
    HTML = "html"
    JSON = "json"
    CYCLONEDX = "cyclonedx"
    HUB = "hub"


class SystemFormat(StrEnum):
    MD = "md"
    HTML = "html"
    JSON = "json"


class DataFormat(StrEnum):
    MD = "md"
    HTML = "html"
    JSON = "json"
    CROISSANT = "croissant"


class StatedKind(StrEnum):
    MODEL = "model"
    SYSTEM = "system"
    DATA = "data"


OutOption = Annotated[Path | None, typer.Option("--out", help="Write to this file instead of the terminal.")]


def model(
    name: Annotated[str, typer.Argument(help="NAME@ALIAS, NAME@DIGEST or NAME of the registry, or a served model.")],
    tenant: TenantOption = "default",
    format_: Annotated[ModelFormat, typer.Option("--format", help="Form of the card.")] = ModelFormat.MD,
    out: OutOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write the card of a model. Exits with 3 if people have not stated what it is for, or not of this version."""
    from steward.workflows.card_formats import format_model_card
    from steward.workflows.cards import collect_model_card

    subject = collect_model_card(find_home(home), name, time.time(), tenant=tenant)
    _finish(subject, format_model_card(subject, ModelFormat.JSON if json else format_), out)


def system(
    format_: Annotated[SystemFormat, typer.Option("--format", help="Form of the card.")] = SystemFormat.MD,
    out: OutOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write the card of what serves: routes, prompts, guards, limits, people. Exits with 3 as `card model` does."""
    from steward.workflows.card_formats import format_card
    from steward.workflows.cards import collect_system_card

    subject = collect_system_card(find_home(home), time.time())
    _finish(subject, format_card(subject.card, SystemFormat.JSON if json else format_), out)


def data(
    folder: Annotated[Path, typer.Argument(help="Folder of a training set, or of a pipeline's run.")],
    format_: Annotated[DataFormat, typer.Option("--format", help="Form of the card.")] = DataFormat.MD,
    out: OutOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write the card of data: rows, origins, consent, steps. Exits with 3 as `card model` does."""
    from steward.workflows.card_formats import format_data_card
    from steward.workflows.cards import collect_data_card

    subject = collect_data_card(find_home(home), folder, time.time())
    _finish(subject, format_data_card(subject, folder, DataFormat.JSON if json else format_), out)


def state(
    kind: Annotated[StatedKind, typer.Argument(help="What it is said of.")],
    name: Annotated[str, typer.Argument(help="As for `card model` or `card data`; for the system: system.")] = "system",
    owner: Annotated[str, typer.Option(help="Who answers for it.")] = "",
    intended_use: Annotated[str, typer.Option(help="What it is for.")] = "",
    not_for: Annotated[str, typer.Option(help="What it must not be used for.")] = "",
    limitations: Annotated[str, typer.Option(help="Known limits.")] = "",
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """State what only people know, of the subject as it is now. Without words, what was said before is confirmed."""
    from steward.workflows import cards

    folder, now = find_home(home), time.time()
    if kind is StatedKind.MODEL:
        subject = cards.collect_model_card(folder, name, now, tenant=tenant)
    elif kind is StatedKind.DATA:
        subject = cards.collect_data_card(folder, Path(name), now)
    elif name == cards.SYSTEM:
        subject = cards.collect_system_card(folder, now)
    else:
        raise InputError(f"{name}: there is one system here; run: steward card state system")
    words = {"owner": owner, "intended_use": intended_use, "not_for": not_for, "limitations": limitations}
    said = cards.state(folder, subject, words, now, actor=act_for(tenant))
    if json:
        show_json(said)
    else:
        show_lines([f"Stated of {said.kind} {said.name}, {said.digest}: {', '.join(said.words)}."])


def _finish(subject: CardSubject, text: str, out: Path | None) -> None:
    if out is None:
        show_lines(text.splitlines())
    else:
        from steward.core.files import write_file

        write_file(out, text.encode(), mode=SHARED)
        show_lines([f"{out}: the card of {subject.card.kind} {subject.card.name}."])
    if not subject.card.is_whole:
        raise typer.Exit(3)
