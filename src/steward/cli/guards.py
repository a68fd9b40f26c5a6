"""`steward guards list|test|replay`: which guards there are, and what they would do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_progress, show_table
from steward.cli.config import FileOption
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.privacy.policy import PrivacyPolicy
    from steward.settings import Settings
    from steward.workflows.guard_replay import GuardReplay

RouteOption = Annotated[str, typer.Option("--route", help="Apply the rules of this route.")]
KeyOption = Annotated[str, typer.Option("--key", help="Apply the rules of the key with this id.")]


def list_guards(config: FileOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """Show the guards of steward.yaml: what is done with each kind of personal data, and the rules of `guards`."""
    settings = _load(config)
    policy, plans = settings.privacy.policy(), [guard.plan() for guard in settings.guards]
    if json:
        rules = [{"name": plan.name, "plan": plan} for plan in plans]
        show_json([*([{"name": "privacy", "policy": policy}] if policy else []), *rules])
        return
    if plans:
        rows = [[plan.name, plan.kind, plan.mode, ", ".join(plan.routes) or "all", plan.on_error] for plan in plans]
        show_table(["guard", "kind", "mode", "routes", "when it fails"], rows)
    if policy is None:
        show_lines(["No guard of personal data: privacy.profile is off."])
        return
    rules_by_name = {"": policy.actions} | {f"route {name}": actions for name, actions in sorted(policy.routes.items())}
    rules_by_name |= {f"key {name}": actions for name, actions in sorted(policy.keys.items())}
    show_table(
        ["rule", "kind", "action"],
        [
            [name or "all", entity, action]
            for name, actions in rules_by_name.items()
            for entity, action in actions.items()
        ],
    )
    show_lines([f"When the guard of personal data fails: {policy.on_error}."])


def test(
    text: Annotated[str, typer.Argument(help="A text as a client would send it.")],
    config: FileOption = None,
    route: RouteOption = "",
    key: KeyOption = "",
    json: JsonOption = False,
) -> None:
    """Show what a model would get of a text. Exits with 0 if all of it, with 1 if it is changed or blocked."""
    from steward.guardrails.guard import judge_text as judge_by_rules
    from steward.privacy.policy import PrivacyPolicy
    from steward.workflows.guard_replay import judge_text
    from steward.workflows.guardrails import open_guardrails

    settings = _load(config)
    policy, plans = settings.privacy.policy(), [guard.plan() for guard in settings.guards]
    if policy is None and not plans:
        raise InputError(_NONE)
    verdict = judge_text(policy or PrivacyPolicy(actions={}), text, route, key)
    passed = verdict.texts[0] if verdict.texts else text
    rules = judge_by_rules(open_guardrails(plans), passed, route)
    blocking = [one for one in rules if one.action == "block"]
    if json:
        show_json({"privacy": verdict, "guards": rules})
    elif verdict.action == "block":
        show_lines([f"Blocked by privacy: {verdict.reason}."])
    elif blocking:
        show_lines([f"Blocked by {one.name}: {one.reason}." for one in blocking])
    else:
        show_lines([passed])
        show_lines([f"{one.name} {one.reason}" for one in rules if one.reason])
    if verdict.action != "allow" or any(one.reason for one in rules):
        raise typer.Exit(1)


def replay(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="JSON Lines: bodies of requests, or texts in `text`. With --since: the settings to try, whose section "
            "`privacy` counts."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Replay what was captured in this span, such as 7d, instead of a file.")
    ] = None,
    config: FileOption = None,
    route: RouteOption = "",
    key: KeyOption = "",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("examples")] = False,
) -> None:
    """Show what the guard would change in kept requests, and how long it takes. Sends nothing."""
    with show_progress(hidden=json) as progress:
        if since is not None:
            result = _replay_captures(since, file or config, home, progress)
        elif file is not None:
            from steward.workflows.guard_replay import replay_file

            result = replay_file(file, _load_policy(config), route, key, progress)
        else:
            raise InputError("give a file of requests, or --since 7d for what was captured")
    if json:
        show_json(result)
    else:
        _show_replay(result)
    if result.errors:
        raise InputError(f"{file or 'captures'}: {result.errors[0]}; {result.failed:,} rows could not be read")


def _replay_captures(
    since: str, policy: Path | None, home: Path | None, progress: Callable[[int, int, str], None]
) -> GuardReplay:
    from steward.core.durations import parse_span_s
    from steward.workflows.guard_replay import replay_captures

    now = time.time()
    span_s = parse_span_s(since, "--since")
    return replay_captures(find_home(home), _load_policy(policy), now - span_s, now, progress=progress)


def _show_replay(result: GuardReplay) -> None:
    counts = f"{result.allowed:,} unchanged, {result.rewritten:,} changed, {result.blocked:,} blocked"
    show_lines([f"{result.rows:,} rows: {counts}, {result.failed:,} unreadable."])
    show_lines([f"The guard takes {result.median_ms:.2f} ms a row, p99 {result.p99_ms:.2f} ms."])
    if result.masked:
        show_table(["kind", "values"], sorted(result.masked.items()))
    show_lines([f"Blocked {count:,} times: {reason}" for reason, count in sorted(result.reasons.items())])
    if result.examples:
        show_table(["row", "kind", "around it"], [[one.row, one.entity, one.excerpt] for one in result.examples])


_NONE = "no guard runs: set privacy.profile to default or gdpr, or name rules under `guards` in steward.yaml"


def _load(config: Path | None) -> Settings:
    from steward.settings import load_settings

    return load_settings(config).settings


def _load_policy(config: Path | None) -> PrivacyPolicy:
    policy = _load(config).privacy.policy()
    if policy is None:
        raise InputError("privacy.profile is off, so that no guard runs; set it to default or gdpr in steward.yaml")
    return policy
