"""`steward policy check|explain|template`: what changes need, who may still approve, and a policy to begin with."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.check import LevelName
from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines
from steward.core.approvals import CHANGE_KINDS

if TYPE_CHECKING:
    from steward.workflows.policy import PolicyAnswer


def check(
    change: Annotated[str, typer.Argument(help="settings, prompt, release, waiver, card, or the id of a request.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Check whether a change would be allowed now. Exits with 1 where a requirement is not met."""
    from steward.core.identity import operator
    from steward.workflows.policy import check_policy, check_request

    folder, now, actor = find_home(home), time.time(), operator(os.getuid())
    kind = next((name for name in CHANGE_KINDS if name == change), None)
    answer = (
        check_request(folder, change, now, actor=actor)
        if kind is None
        else check_policy(folder, kind, now, actor=actor)
    )
    if json:
        show_json(answer)
    else:
        show_lines(_describe(answer))
    if not answer.allowed:
        raise typer.Exit(1)


def explain(home: HomeOption = None, json: JsonOption = False) -> None:
    """Explain what each kind of change needs by the policy that serves, and what is missing now."""
    from steward.core.identity import operator
    from steward.workflows.policy import check_policy

    folder, now, actor = find_home(home), time.time(), operator(os.getuid())
    answers = [check_policy(folder, kind, now, actor=actor) for kind in CHANGE_KINDS]
    if json:
        show_json(answers)
    else:
        show_lines([line for answer in answers for line in (*_describe(answer), "")][:-1])


def template(
    level: Annotated[LevelName, typer.Argument(help="How much depends on it.")], json: JsonOption = False
) -> None:
    """Print a policy to begin with, to be put into steward.yaml. Reload once, and the next change is judged by it."""
    from steward.governance.policy_templates import TEMPLATES

    if json:
        show_json({"level": level.value, "template": TEMPLATES[level.value]})
    else:
        show_lines(TEMPLATES[level.value].rstrip().splitlines())


def _describe(answer: PolicyAnswer) -> list[str]:
    if answer.free:
        return [f"{answer.change}: free; approval_policy in steward.yaml asks for nothing."]
    lines = [f"{answer.change}: {'allowed now' if answer.allowed else 'not allowed yet'}"]
    lines += [
        f"  {'met' if item.met else 'not met':<9}  {item.requirement}: {item.because}"
        + (f"; {item.next}" if item.next else "")
        for item in answer.requirements
    ]
    if any(not item.met and item.requirement.startswith("approved by") for item in answer.requirements):
        lines.append(f"  may still approve: {', '.join([*answer.may_approve, 'other operators of this machine'])}")
    return lines
