"""Prompts: versions, how they differ, who uses which and with what result; and a playground for two at once."""

from __future__ import annotations

import asyncio
import difflib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
import yaml
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
    take_form,
)
from steward.console.paging import match_words, take_page
from steward.console.shell import FORM_LIMIT, FormTooLarge, Handler, Page, page_endpoint, read_form
from steward.console.source import ConsoleSource
from steward.core.endpoint import Endpoint
from steward.core.errors import InputError, StewardError, UnknownName
from steward.core.identity import Principal
from steward.workflows import prompts
from steward.workflows.playground import Playground, PlaygroundAnswer, build_messages
from steward.workflows.prompt_changes import add_prompt, use_prompt
from steward.workflows.prompts import PromptText, PromptVersion
from steward.workflows.serve.plan import ServePlan

NEWEST: Final = 20_000  # requests that results are of
NO_PROMPT: Final = "no prompt"
DONE: Final = {"added": "The version is added.", "used": "The version is in use on every route that names none."}
COLUMNS: Final = ("name", "in_use", "versions", "routes")


class StoredPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table of prompts."""

    name: str
    versions: int
    in_use: str  # a version; empty: none
    routes: list[str]


class PlaygroundSide(msgspec.Struct, frozen=True):
    """One of two prompts, and what it led to."""

    name: str
    answer: PlaygroundAnswer


def page(source: ConsoleSource) -> Page:
    async def show_all(
        request: Request, who: Principal, form: Form = NO_FORM, problem: FormProblem | None = None
    ) -> Response:
        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(
            source, request, who, "prompts.html", lambda: _list(source, request), problem, form=form, done=done
        )

    async def show_one(
        request: Request, who: Principal, form: Form = NO_FORM, problem: FormProblem | None = None
    ) -> Response:
        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(
            source, request, who, "prompt.html", lambda: _describe(source, request), problem, form=form, done=done
        )

    async def add(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            name = form.get("name", "").strip()
            add_prompt(source.home, name, read_text(form), source.clock(), actor=actor)
            return f"/prompts/{quote(name, safe='')}?done=added"

        return await take_form(request, who, act, lambda form, problem: show_all(request, who, form, problem))

    async def use(request: Request, who: Principal) -> Response:
        name = request.path_params["prompt"]

        def act(actor: Principal, form: Form) -> str:
            use_prompt(source.home, name, form.get("version", ""), source.clock(), actor=actor)
            return f"/prompts/{quote(name, safe='')}?done=used"

        return await take_form(request, who, act, lambda form, problem: show_one(request, who, form, problem))

    def list_rows(request: Request, who: Principal) -> list[StoredPrompt]:
        return _filter(_list_stored(source, _find_uses(source)), request.query_params.get("words", ""))

    return Page(
        (
            page_endpoint("/prompts", "prompts.read", show_all, tenancy="deployment"),
            csv_endpoint("/prompts", "prompts.read", "deployment", COLUMNS, list_rows),
            page_endpoint("/prompts/{prompt}", "prompts.read", show_one, tenancy="deployment"),
            change_endpoint("/prompts", "prompts.manage", add, "deployment"),
            change_endpoint("/prompts/{prompt}/use", "prompts.manage", use, "deployment"),
            *_list_playground_endpoints(source),
        ),
        title="Prompts",
        group="Run",
        words="versions playground",
    )


def read_text(form: Form) -> PromptText:
    """What a form says of a prompt, read as a file of `steward prompts add` is. :raises InputError: no such thing"""
    tree: dict[str, Any] = {}
    if system := form.get("system", "").replace("\r\n", "\n").strip():
        tree["system"] = system
    if examples := form.get("examples", "").strip():
        try:
            tree["examples"] = yaml.safe_load(examples)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InputError("examples: not YAML; expected lines such as - {user: hello, assistant: hi}") from error
    with tempfile.TemporaryDirectory(prefix="steward-prompt-") as folder:
        file = Path(folder) / "prompt.yaml"
        file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
        try:
            return prompts.read_text(file)
        except InputError as error:
            raise InputError(str(error).replace(f"{file}: ", "")) from error


def _read_plan(source: ConsoleSource) -> ServePlan | None:
    return source.plan() if (source.home / "run" / "plan.json").exists() else None


def _find_uses(source: ConsoleSource) -> dict[str, list[str]]:
    """The routes that use each prompt of each version, such as greet@2-9f2c1a7b."""
    plan, used = _read_plan(source), dict[str, list[str]]()
    for route, prompt in (plan.prompts if plan is not None else {}).items():
        used.setdefault(prompt.version, []).append(route)
    return used


def _list_stored(source: ConsoleSource, used: Mapping[str, list[str]]) -> list[StoredPrompt]:
    rows = []
    for name in prompts.list_names(source.home):
        versions = prompts.list_versions(source.home, name)
        in_use = next((one.version for one in versions if one.in_use), "")
        routes = [route for version, names in used.items() if version.partition("@")[0] == name for route in names]
        rows.append(StoredPrompt(name=name, versions=len(versions), in_use=in_use, routes=sorted(routes)))
    return rows


def _filter(rows: Sequence[StoredPrompt], words: str) -> list[StoredPrompt]:
    return [row for row in rows if match_words(words, row.name, *row.routes)]


def _list(source: ConsoleSource, request: Request) -> dict[str, Any]:
    query, used = dict(request.query_params), _find_uses(source)
    rows = _list_stored(source, used)
    kept = _filter(rows, query.get("words", ""))
    stored = {row.name for row in rows}
    written = [
        {"version": version, "routes": sorted(names)}
        for version, names in sorted(used.items())
        if version.partition("@")[0] not in stored
    ]
    sums = source.store.exchanges.prompt_sums(NEWEST, tenant=None)
    return {"page": take_page(kept, query, "/prompts"), "total": len(rows), "written": written, "sums": sums}


def _describe(source: ConsoleSource, request: Request) -> dict[str, Any]:
    """:raises UnknownName: no such prompt, or no such version of it"""
    query, name = dict(request.query_params), request.path_params["prompt"]
    versions = prompts.list_versions(source.home, name)
    if not versions:
        raise UnknownName("prompt", name, prompts.list_names(source.home))
    routes = _find_uses(source)
    shown = _find(versions, query.get("version")) or next((one for one in versions if one.in_use), versions[-1])
    other = _find(versions, query.get("with"))
    sums = {one.version: one for one in source.store.exchanges.prompt_sums(NEWEST, tenant=None)}
    rows = [
        {"version": one, "routes": routes.get(f"{name}@{one.version}", []), "sum": sums.get(f"{name}@{one.version}")}
        for one in reversed(versions)
    ]
    return {
        "name": name,
        "page": take_page(rows, query, f"/prompts/{quote(name, safe='')}"),
        "shown": shown,
        "other": other,
        "diff": diff_prompts(other, shown) if other is not None else [],
        "path": f"/prompts/{quote(name, safe='')}",
    }


def _find(versions: Sequence[PromptVersion], version: str | None) -> PromptVersion | None:
    return next((one for one in versions if one.version == version), None)


def diff_prompts(before: PromptVersion, after: PromptVersion) -> list[str]:
    """A unified diff by lines of what both say."""
    lines = [_write_lines(one) for one in (before, after)]
    return list(difflib.unified_diff(lines[0], lines[1], before.version, after.version, lineterm=""))


def _write_lines(version: PromptVersion) -> list[str]:
    lines = (version.system or "").splitlines()
    for example in version.examples:
        lines += [f"user: {line}" for line in example.user.splitlines()]
        lines += [f"assistant: {line}" for line in example.assistant.splitlines()]
    return lines


# -- the playground ------------------------------------------------------------------------------------


def _list_playground_endpoints(source: ConsoleSource) -> tuple[Endpoint[Handler[Principal]], ...]:
    playground = Playground(source.home, source.clock)

    async def show(
        request: Request,
        who: Principal,
        form: Form = NO_FORM,
        problem: FormProblem | None = None,
        sides: Sequence[PlaygroundSide] = (),
    ) -> Response:
        return await show_page(
            source, request, who, "playground.html", lambda: _list_choices(source), problem, form=form, sides=sides
        )

    async def ask(request: Request, who: Principal) -> Response:
        form: Form = NO_FORM
        try:
            form = await read_form(request)
            names = [form.get("first", NO_PROMPT), form.get("second", NO_PROMPT)]
            asked = await asyncio.to_thread(lambda: [_build(source, name, form.get("text", "")) for name in names])
            first = await asyncio.to_thread(playground.ask, form.get("model", ""), asked[0], actor=who)
            second = await asyncio.to_thread(playground.ask, form.get("model", ""), asked[1], actor=who)
        except (FormTooLarge, StewardError) as error:
            return await show(request, who, form, describe_problem(error))
        sides = [PlaygroundSide(name, answer) for name, answer in zip(names, (first, second), strict=True)]
        return await show(request, who, form, None, sides)

    return (
        page_endpoint("/playground", "infer", show, tenancy="deployment"),
        change_endpoint("/playground", "infer", ask, "deployment", FORM_LIMIT),
    )


def _list_choices(source: ConsoleSource) -> dict[str, Any]:
    plan = _read_plan(source)
    models: list[str] = []
    if plan is not None:
        models = [*(model.name for model in plan.models if model.direct), *(route.name for route in plan.routes)]
    versions = [
        f"{name}@{one.version}"
        for name in prompts.list_names(source.home)
        for one in reversed(prompts.list_versions(source.home, name))
    ]
    return {"models": models, "choices": [NO_PROMPT, *versions]}


def _build(source: ConsoleSource, name: str, text: str) -> list[dict[str, str]]:
    """The messages of a question behind a prompt. :raises UnknownName: no such prompt"""
    if name == NO_PROMPT:
        return build_messages(None, (), text)
    prompt, _, version = name.partition("@")
    found = prompts.find(source.home, prompt, version or None)
    return build_messages(found.system, found.examples, text)
