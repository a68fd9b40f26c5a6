"""Settings: every value with its origin; a change is shown and checked before it is saved."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import (
    NO_FORM,
    Form,
    FormProblem,
    change_endpoint,
    csv_endpoint,
    describe_problem,
    show_page,
    with_reason,
)
from steward.console.pages.settings_history import DONE, TABS, list_history_endpoints
from steward.console.paging import match_words, take_page
from steward.console.settings_edits import SettingEdit, apply_edits, decode_edits, encode_edits
from steward.console.settings_view import SettingRow, diff_texts, find_description, list_settings
from steward.console.shell import FormTooLarge, Page, page_endpoint, read_form, redirect, render_page
from steward.console.source import ConsoleSource
from steward.core.endpoint import Endpoint
from steward.core.errors import InputError, StewardError
from steward.core.excerpts import cut_text
from steward.core.identity import Principal
from steward.settings import LoadedSettings, load_settings
from steward.workflows import change_settings, history, reload
from steward.workflows.reload import ConfigSource

LIMIT: Final = 1 << 20  # bytes of a form: a file of a thousand models has less
ROWS: Final = 100
COLUMNS: Final = ("key", "value", "origin", "description")


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(
            source, request, who, "settings.html", lambda: _list(source, request), tabs=TABS, done=done
        )

    async def edit(
        request: Request, who: Principal, form: Form = NO_FORM, problem: FormProblem | None = None
    ) -> Response:
        key = form.get("key") or request.query_params.get("key", "")
        return await show_page(
            source, request, who, "settings_edit.html", lambda: _edit(source, key), problem, form=form, tabs=TABS
        )

    async def preview(request: Request, who: Principal) -> Response:
        form: Form = NO_FORM
        try:
            form = await read_form(request)
            values = await asyncio.to_thread(_preview, source, form)
        except (FormTooLarge, StewardError) as error:
            return await edit(request, who, form, describe_problem(error))
        return _render_preview(request, values)

    async def apply(request: Request, who: Principal) -> Response:
        form: Form = NO_FORM
        try:
            form = await read_form(request)
            return redirect(await asyncio.to_thread(_apply, source, with_reason(who, form), form))
        except change_settings.SettingsConflict as error:
            values = await asyncio.to_thread(_explain_conflict, source, form, FormProblem(str(error), 409))
            return _render_preview(request, values)
        except (FormTooLarge, StewardError) as error:
            return await edit(request, who, form, describe_problem(error))

    return Page(
        (
            page_endpoint("/settings", "console.read", show, tenancy="deployment"),
            csv_endpoint(
                "/settings", "console.read", "deployment", COLUMNS, lambda request, _: _list_kept(source, request)
            ),
            page_endpoint("/settings/edit", "config.manage", edit, tenancy="deployment"),
            Endpoint(
                method="POST",
                path="/settings/preview",
                permission="config.manage",
                tenancy="deployment",
                guards="none",
                audit="none",  # nothing is changed
                max_body_bytes=LIMIT,
                handler=preview,
            ),
            change_endpoint("/settings/apply", "config.manage", apply, "deployment", LIMIT),
            *list_history_endpoints(source),
        ),
        title="Settings",
        group="Run",
        words="configuration steward.yaml history rollback approvals",
    )


def _render_preview(request: Request, values: dict[str, Any]) -> Response:
    code = values["problem"].code if "problem" in values else 200
    return render_page(request, "settings_preview.html", code, tabs=TABS, **values)


def _load(config: ConfigSource) -> LoadedSettings:
    return load_settings(config.file if config.file.exists() else None, config.overrides)


def _list(source: ConsoleSource, request: Request) -> dict[str, Any]:
    query, config = dict(request.query_params), reload.read_source(source.home)
    kept = _list_kept(source, request)
    accepted = history.list_accepted(source.home)
    served = history.text_file(source.home, accepted[-1].version).read_text(encoding="utf-8") if accepted else ""
    return {
        "page": take_page(kept, query, "/settings", ROWS),
        "file": config.file.name,
        "version": accepted[-1] if accepted else None,
        "differs": served != change_settings.read_settings_text(config),
    }


def _list_kept(source: ConsoleSource, request: Request) -> list[SettingRow]:
    """The values that the filters leave."""
    query = request.query_params
    words, wanted = query.get("words", ""), query.get("state", "")
    return [
        row
        for row in list_settings(_load(reload.read_source(source.home)))
        if (wanted != "set" or row.origin != "default") and match_words(words, row.key, row.value, row.origin)
    ]


def _edit(source: ConsoleSource, key: str) -> dict[str, Any]:
    """The form of one value, or of the whole file where `key` is empty. :raises InputError: no such value"""
    config = reload.read_source(source.home)
    text = change_settings.read_settings_text(config)
    values: dict[str, Any] = {
        "key": key, "text": text, "base": change_settings.digest_text(text), "file": config.file.name, "row": None,
    }  # fmt: skip
    if key:
        row = next((row for row in list_settings(_load(config)) if row.key == key), None)
        if row is None or row.hidden:
            raise InputError(
                f"setting {cut_text(key)!r}: there is none that can be changed here; see the list of settings"
            )
        values |= {"row": row, "description": find_description(key)}
    return values


def _read_edits(form: Form) -> list[SettingEdit]:
    """Those of the form; none where it has the whole file."""
    if form.get("edits"):
        return decode_edits(form["edits"])
    return [SettingEdit(form["key"], form.get("value", ""))] if form.get("key") else []


def _read_text(form: Form) -> str:
    return form.get("text", "").replace("\r\n", "\n")


def preview_edits(source: ConsoleSource, edits: Sequence[SettingEdit], back: str) -> dict[str, Any]:
    """What a page shows of a change of single values before it is saved; `back` is where that page is left to.

    :raises InputError: no such place, or what `steward up` would refuse
    """
    config = reload.read_source(source.home)
    text = change_settings.read_settings_text(config)
    return _show_change(source, config, text, apply_edits(text, edits), edits, back)


def _preview(source: ConsoleSource, form: Form) -> dict[str, Any]:
    config = reload.read_source(source.home)
    text = change_settings.read_settings_text(config)
    if change_settings.digest_text(text) != form.get("base"):
        words = "The file was changed after you opened it. Your change is shown on top of that one."
        return _explain_conflict(source, form, FormProblem(words, 409))
    edits = _read_edits(form)
    after = apply_edits(text, edits) if edits else _read_text(form)
    return _show_change(source, config, text, after, edits, "")


def _show_change(
    source: ConsoleSource, config: ConfigSource, text: str, after: str, edits: Sequence[SettingEdit], back: str
) -> dict[str, Any]:
    return {
        "edits": encode_edits(edits) if edits else "",
        "text": after,
        "base": change_settings.digest_text(text),
        "diff": diff_texts(text, after, (f"{config.file.name} now", "with your change")),
        "preview": change_settings.preview_text(config, source.home, after),
        "back": back,
    }


def _explain_conflict(source: ConsoleSource, form: Form, problem: FormProblem) -> dict[str, Any]:
    """The change that came first, and this one on top of it: single values are set in the text of now."""
    config = reload.read_source(source.home)
    text = change_settings.read_settings_text(config)
    seen = change_settings.find_text(source.home, form.get("base", ""))
    versions = history.list_versions(source.home)
    edits = _read_edits(form)
    after = apply_edits(text, edits) if edits else _read_text(form)
    return _show_change(source, config, text, after, edits, _read_back(form)) | {
        "problem": problem,
        "theirs": diff_texts(seen, text, ("when you opened it", "now")) if seen is not None else [],
        "newest": versions[-1] if versions else None,
    }


def _read_back(form: Form) -> str:
    """The page that a change was begun on, if it is one of ours."""
    return "/models" if form.get("back") == "/models" else ""


def _apply(source: ConsoleSource, actor: Principal, form: Form) -> str:
    """Where to go next. :raises SettingsConflict: another change came first"""
    config = reload.read_source(source.home)
    change_settings.apply_text(config, source.home, _read_text(form), form.get("base", ""), source.clock(), actor=actor)
    return f"{_read_back(form) or '/settings'}?done=applied"
