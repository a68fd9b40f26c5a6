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
    from steward.workflows.guard_replay import GuardReplay

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


def _find_policy(config: Path | None) -> PrivacyPolicy | None:
    from steward.settings import load_settings

    return load_settings(config).settings.privacy.policy()


def _load_policy(config: Path | None) -> PrivacyPolicy:
    policy = _find_policy(config)
    if policy is None:
        raise InputError("privacy.profile is off, so that no guard runs; set it to default or gdpr in steward.yaml")
    return policy
