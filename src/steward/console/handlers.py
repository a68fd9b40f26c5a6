"""How pages of forms answer: they show what may block, and take forms that change something.

A form that is refused is shown again, with what was typed and with the reason. One that was done redirects, so that
loading the page again does nothing again. Knows nothing of what pages show.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.csv_file import answer_csv, write_cell
from steward.console.shell import FORM_LIMIT, FormTooLarge, Handler, page_endpoint, read_form, redirect, render_page
from steward.console.source import ConsoleSource
from steward.core.endpoint import Endpoint, Tenancy
from steward.core.errors import InputError, Refused, StewardError, UnknownName
from steward.core.identity import Principal, Right
from steward.workflows.audit import MOST_REASON

log = logging.getLogger(__name__)

Form = Mapping[str, str]
NO_FORM: Form = {}
MOST_SAVED: Final = 10_000  # rows of a CSV file


class FormProblem(NamedTuple):
    """Why a form was not taken, and the status that says so."""

    message: str
    code: int


def change_endpoint(
    path: str, permission: Right, handler: Handler[Principal], tenancy: Tenancy, limit: int = FORM_LIMIT
) -> Endpoint[Handler[Principal]]:
    """An endpoint that takes a form and changes something; what it calls records that before it is done."""
    return Endpoint(
        method="POST",
        path=path,
        permission=permission,
        tenancy=tenancy,
        guards="none",
        audit="administrative",
        max_body_bytes=limit,
        handler=handler,
    )


def csv_endpoint(
    path: str,
    permission: Right,
    tenancy: Tenancy,
    columns: Sequence[str],
    list_rows: Callable[[Request, Principal], Iterable[object]],
) -> Endpoint[Handler[Principal]]:
    """`path`.csv: what the filters of the page `path` leave, as a file. `columns` are attributes of the rows, which
    stand there as they are kept; one may be of a part, `version.kind`. `list_rows` may block."""

    readers, heads = [attrgetter(name) for name in columns], [name.rpartition(".")[2] for name in columns]

    async def save(request: Request, who: Principal) -> Response:
        def collect() -> list[list[object]]:
            rows = islice(list_rows(request, who), MOST_SAVED)
            return [[write_cell(read(row)) for read in readers] for row in rows]

        name = path.strip("/").replace("/", "-")
        return answer_csv(f"{name}.csv", heads, await asyncio.to_thread(collect))

    return page_endpoint(f"{path}.csv", permission, save, tenancy=tenancy)


async def show_page(
    source: ConsoleSource,
    request: Request,
    who: Principal,
    template: str,
    compute: Callable[[], Mapping[str, Any]],
    problem: FormProblem | None = None,
    fresh_s: float = 0.0,
    **values: object,
) -> Response:
    """The page of what `compute` finds; it may block. With `problem`, the page says it and has its status.

    `fresh_s`: how old what it finds may be. :raises StewardError: what `compute` does, which the console explains
    """
    loaded = await source.read(request, who, compute, part=(template, who.actor), fresh_s=fresh_s)
    shared = {"query": dict(request.query_params), "form": NO_FORM, "problem": problem}
    code = problem.code if problem is not None else 200
    return render_page(request, template, code, **{**loaded, **shared, **values})


async def take_form(
    request: Request,
    who: Principal,
    act: Callable[[Principal, Form], str],
    again: Callable[[Form, FormProblem], Awaitable[Response]],
) -> Response:
    """`act` gets who asks, with the reason from the form, and the form; it may block, and returns where to go next.
    `again` shows the form with what is wrong."""
    form: Form = NO_FORM
    try:
        form = await read_form(request)
        return redirect(await asyncio.to_thread(act, with_reason(who, form), form))
    except (FormTooLarge, StewardError) as error:
        return await again(form, describe_problem(error))


def with_reason(who: Principal, form: Form) -> Principal:
    """The principal with the reason that it gives. :raises InputError: too long"""
    reason = form.get("reason", "").strip()
    if len(reason) > MOST_REASON:
        raise InputError(f"reason: {len(reason):,} characters; expected at most {MOST_REASON:,}")
    return msgspec.structs.replace(who, reason=reason) if reason else who


def describe_problem(error: FormTooLarge | StewardError) -> FormProblem:
    """
    >>> describe_problem(InputError("name: empty"))
    FormProblem(message='name: empty', code=400)
    """
    if isinstance(error, FormTooLarge):
        return FormProblem(f"Nothing was changed: {error}.", 413)
    if isinstance(error, UnknownName):
        return FormProblem(str(error), 404)
    if isinstance(error, InputError):
        return FormProblem(str(error), 400)
    if isinstance(error, Refused):
        return FormProblem(error.message, error.status)
    log.error("a change was not made: %s", error)
    return FormProblem(f"Nothing was changed: {error}. Try again when that is mended.", 503)
