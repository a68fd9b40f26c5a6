"""`steward guards list|test|replay`: which guards there are, and what they would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_progress, show_table
from steward.cli.config import FileOption
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.privacy.policy import PrivacyPolicy

RouteOption = Annotated[str, typer.Option("--route", help="Apply the rules of this route.")]
KeyOption = Annotated[str, typer.Option("--key", help="Apply the rules of the key with this id.")]


def list_guards(config: FileOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """Show what the guard of steward.yaml does with each kind of personal data."""
    policy = _find_policy(config)
    if policy is None:
        if json:
            show_json([])
        else:
            show_lines(["No guards: privacy.profile is off."])
        return
    if json:
        show_json([{"name": "privacy", "policy": policy}])
        return
    rules = {"": policy.actions} | {f"route {name}": actions for name, actions in sorted(policy.routes.items())}
    rules |= {f"key {name}": actions for name, actions in sorted(policy.keys.items())}
    rows = [[name or "all", entity, action] for name, actions in rules.items() for entity, action in actions.items()]
    show_table(["rule", "kind", "action"], rows)
    show_lines([f"When the guard fails: {policy.on_error}."])


def test(
    text: Annotated[str, typer.Argument(help="A text as a client would send it.")],
    config: FileOption = None,
    route: RouteOption = "",
    key: KeyOption = "",
    json: JsonOption = False,
) -> None:
    """Show what a model would get of a text. Exits with 0 if all of it, with 1 if it is changed or blocked."""
    from steward.workflows.guard_replay import judge_text

    policy = _load_policy(config)
    verdict = judge_text(policy, text, route, key)
    if json:
        show_json(verdict)
    elif verdict.action == "block":
        show_lines([f"Blocked: {verdict.reason}."])
    else:
        show_lines([verdict.texts[0] if verdict.texts else text])
    if verdict.action != "allow":
        raise typer.Exit(1)


def replay(
    file: Annotated[Path, typer.Argument(help="JSON Lines: bodies of requests, or texts in `text`.")],
    config: FileOption = None,
    route: RouteOption = "",
    key: KeyOption = "",
    json: Annotated[JsonOption, CsvRows("examples")] = False,
) -> None:
    """Show what the guard would change in kept requests, and how long it takes. Sends nothing."""
    from steward.workflows.guard_replay import replay_file

    policy = _load_policy(config)
    with show_progress(hidden=json) as progress:
        result = replay_file(file, policy, route, key, progress)
    if json:
        show_json(result)
    else:
        counts = f"{result.allowed:,} unchanged, {result.rewritten:,} changed, {result.blocked:,} blocked"
        show_lines([f"{result.rows:,} rows: {counts}, {result.failed:,} unreadable."])
        show_lines([f"The guard takes {result.median_ms:.2f} ms a row, p99 {result.p99_ms:.2f} ms."])
        if result.masked:
            show_table(["kind", "values"], sorted(result.masked.items()))
        show_lines([f"Blocked {count:,} times: {reason}" for reason, count in sorted(result.reasons.items())])
        if result.examples:
            show_table(["line", "kind", "around it"], [[one.row, one.entity, one.excerpt] for one in result.examples])
    if result.errors:
        raise InputError(f"{file}: {result.errors[0]}; {result.failed:,} rows could not be read")


def _find_policy(config: Path | None) -> PrivacyPolicy | None:
    from steward.settings import load_settings

    return load_settings(config).settings.privacy.policy()


def _load_policy(config: Path | None) -> PrivacyPolicy:
    policy = _find_policy(config)
    if policy is None:
        raise InputError("privacy.profile is off, so that no guard runs; set it to default or gdpr in steward.yaml")
    return policy
