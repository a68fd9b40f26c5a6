"""Advisory 6, GHSA-xqmj-j6mv-4862 and CVE-2024-2952: a template of a request or of a model's file was worked out."""

from __future__ import annotations

import json

import msgspec

from source_facts import list_calls, scans_source
from steward.gateway.prompts import APPLY, Prompt

HOSTILE = "{{ 1234 * 1234 }} {% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %} ${7*7} #{7*7}"


def test_a_prompt_reaches_the_model_as_it_was_written() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": HOSTILE}]}
    fields = msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw])
    APPLY["/v1/chat/completions"](Prompt("1-x", system=HOSTILE), fields)
    messages = json.loads(msgspec.json.encode(fields))["messages"]
    assert [message["content"] for message in messages] == [HOSTILE, HOSTILE]


@scans_source
def test_templates_are_files_of_ours_alone() -> None:
    calls = {(path.name, call) for path, call in list_calls() if "jinja2" in call or call.endswith("from_string")}
    assert {call for _, call in calls} <= {"jinja2.Environment", "jinja2.FileSystemLoader", "jinja2.PackageLoader"}
    assert calls
