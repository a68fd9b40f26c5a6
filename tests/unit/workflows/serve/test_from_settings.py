"""Every setting arrives in what runs: the schema is walked, so that a new one cannot be forgotten.

One setting at a time is changed in a full steward.yaml, and the new value must turn up in the plan that every process
reads. Then each field of the plan must be read by some process.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from pydantic import BaseModel

from steward.core.errors import InputError, UnknownName
from steward.core.files import write_file
from steward.security.certificates import make_authority, make_leaf
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.plan import ModelPlan, ServePlan

SOURCE = Path(__file__).parents[4] / "src" / "steward"
EXAMPLES = [{"user": "hi", "assistant": "hello"}]
PROMPT = {"name": "polite", "system": "Be polite.", "examples": EXAMPLES}
LIMIT = {"requests_per_minute": 9, "tokens_per_minute": 8, "concurrent": 7, "usd_per_day": 6.0, "usd_per_month": 5.0}
FULL: dict[str, Any] = {
    "gateway": {"tls": {"certificate": "HOME/a.pem", "key": "HOME/a-key.pem", "client_ca": "HOME/a.pem"}},
    "console": {
        "tls": {"auto": True},
        "sign_in": {
            "name": "corp", "issuer": "https://idp.example", "client_id": "c", "client_secret": "file:KEY",
            "url": "https://console.example",
        },
    },
    "security": {"issuers": [{"name": "corp", "issuer": "https://idp.example", "audience": "steward"}]},
    "models": [
        {"name": "small", "backend": "embedded", "threads": 1,
         "price": {"input": 3.0, "output": 4.0, "image_prices": [{"usd": 0.5}]}},
        {"name": "big", "backend": "openai", "url": "https://a:1", "key": "file:KEY", "upstream_model": "x",
         "tls": {"ca": "HOME/a.pem", "certificate": "HOME/a.pem", "key": "HOME/a-key.pem"},
         "price": {"input": 1.0, "output": 2.0}},
    ],
    "routes": [
        {"name": "way", "targets": [{"model": "small"}], "fallback": ["big"], "shadow": {"model": "big"},
         "prompt": {"name": "polite"}},
        {"name": "inline", "targets": [{"model": "small"}], "prompt": {"system": "Be brief.", "examples": EXAMPLES}},
    ],
    "prompts": [PROMPT],
    "limits": {"default": LIMIT, "teams": {"red": LIMIT}, "models": {"big": LIMIT}, "valkey": "file:KEY"},
    "privacy": {"profile": "standard", "actions": {"default": "redact"}, "unread": "ocr", "ocr_url": "http://ocr.example",
                "routes": {"inline": {"profile": "pci", "actions": {"PERSON": "hash"}}},
                "keys": {"ab12": {"profile": "pci", "actions": {"PERSON": "hash"}}}},
    "guards": [
        {"kind": "words", "words": ["idiot"]}, {"kind": "links", "hosts": ["a.example"]},
        {"kind": "tools", "tools": ["f"]}, {"kind": "length", "request_chars": 5, "answer_chars": 5},
        {"kind": "numbers", "least_number": 5.0}, {"kind": "disclosure", "text": "AI."},
        {"kind": "canary", "words": ["zebra-4711"]},
    ],
    "capture": {"rules": [{"purpose": "support"}]},
    "processors": [{"name": "cloud", "purpose": "answers", "country": "US"}],
    "personal_files": [{"name": "tickets", "path": "t.jsonl"}],
    "store": {"kind": "postgresql", "url": "file:KEY"},
    "monitoring": {
        "channels": [
            {"name": "hook", "kind": "webhook", "url": "http://h/x", "key": "file:KEY"},
            {"name": "mail", "kind": "email", "url": "smtp://m:25", "to": ["a@b"], "user": "u", "password": "file:KEY"},
        ],
        "heartbeat": "http://beat/x",
        "traces": {"otlp": "http://o:4318", "otlp_headers": {"authorization": "file:KEY"}},
    },
    "approval_policy": {
        "settings": [{"kind": "approvals", "count": 2}],
        "prompts": [{"kind": "window", "days": ["mon"]}, {"kind": "gate"}],
        "people": {"anna": ["operator:1000"]},
    },
    "slos": [
        {"name": "fast", "kind": "ttft", "objective": 0.95, "threshold_ms": 500},
        {"name": "cheap", "kind": "cost", "objective": 0.95, "threshold_usd": 0.01},
    ],
    "release": {"judge": {"model": "big"}},
    "calendar": {"owner": "ops", "owners": {"key": "sec"}, "advisories": "a.json", "items": [
        {"name": "a", "kind": "licence", "owner": "legal", "due": "2027-03-01"},
        {"name": "b", "every_days": 90, "last": "2026-11-01"},
    ]},
    "improve": {"steps": [{"name": "train", "command": ["a"]}]},
    "fairness": {"audits": [{"name": "support", "suite": "s.yaml", "model": "big", "swaps": ["gender"]}]},
    "audit": {"witness": "http://witness/heads", "witness_key": "file:KEY"},
}  # fmt: skip
OTHER: dict[str, Any] = {  # where no other value follows from the type
    "console.sign_in.issuer": "https://other.example", "console.sign_in.scopes": ["openid", "email"],
    "console.sign_in.url": None, "security.issuers.0.issuer": "https://other.example",
    "security.issuers.0.jwks_url": "https://keys.example/jwks",
    "gateway.host": "0.0.0.0", "console.host": "0.0.0.0", "gateway.workers": 3, "gateway.port": 9000,
    "gateway.trusted_proxies": ["10.0.0.0/8"], "console.tls.names": ["steward.example"],
    "gateway.tls.certificate": "HOME/b.pem", "gateway.tls.key": "HOME/b-key.pem", "gateway.tls.client_ca": "HOME/b.pem",
    "models.1.tls.ca": "HOME/b.pem", "models.1.tls.certificate": "HOME/b.pem", "models.1.tls.key": "HOME/b-key.pem",
    "models.0.name": "tiny", "models.0.path": __file__, "models.0.embeddings": "mean", "models.0.backend": None,
    "models.1.backend": "anthropic", "models.1.speaks": ["responses"], "models.1.url": "https://b:2",
    "models.1.metrics_url": "http://b:2/metrics",
    "routes.0.fallback": ["small"], "routes.0.targets.0.model": "big", "routes.0.shadow.model": "small",
    "routes.0.prompt.version": None, "routes.0.prompt.name": None, "store.kind": None,
    "capture.rules.0.route": "big", "privacy.profile": None, "privacy.actions": {"default": "mask"},
    "privacy.ocr_url": "http://other.example",
    "privacy.routes.inline.actions": {"PERSON": "mask"}, "privacy.keys.ab12.actions": {"PERSON": "mask"},
    "security.root": "env:OTHER_ROOT", "gateway.cors.origins": ["https://app.example.com"],
    "monitoring.rules": str(SOURCE.parents[1] / "examples" / "monitoring" / "rules.yaml"),
    "monitoring.channels.0.severities": ["page"], "monitoring.channels.1.severities": ["ticket"],
    "monitoring.channels.0.fallback": "mail", "monitoring.channels.1.fallback": "hook",
    "monitoring.channels.0.url": "http://other/x", "monitoring.channels.1.url": "smtps://other:465",
    "approval_policy.prompts.0.days": ["tue"], "approval_policy.prompts.0.timezone": "Europe/Zurich",
    "approval_policy.people": {"anna": ["operator:1001"]},
    "audit.witness": "https://other/heads",
    "monitoring.traces.otlp": "http://other:4318", "monitoring.traces.otlp_headers": {"authorization": "env:PATH"},
    **{f"guards.{number}.name": "other" for number in range(7)},
    **{f"guards.{number}.routes": ["big"] for number in range(7)}, "guards.2.arguments": "declared",
    "guards.6.words": ["another-canary"],
    "slos.0.objective": 0.5, "slos.1.objective": 0.5, "slos.1.threshold_usd": 0.5,
    "slos.0.model": "big", "slos.1.model": "big", "slos.0.route": "big", "slos.1.route": "big",
    "slos.0.window_days": 30, "slos.1.window_days": 30, "slos.0.kind": "total", "slos.1.kind": None,
    "fairness.audits.0.model": "small", "fairness.audits.0.swaps": ["dialect:british"],
    "improve.mode": "act", "improve.steps.0.name": "build", "improve.steps.0.retries": 3,
    "improve.steps.0.command": ["b"],
    "release.steps": [0.1, 0.3], "release.judge.model": "small", "registry.storage": "s3://bucket/models",
    **{f"release.guards.{name}.margin": 1.75 for name in ("errors", "slow", "rating_rate", "refusals", "guard_hits")},
    **{f"release.guards.{name}.required": False for name in ("errors", "slow", "cost", "judge")},
    "calendar.owners": {"key": "other"}, "calendar.advisories": "/other/a.json",
    "calendar.items.0.due": "2028-01-01", "calendar.items.1.last": "2028-01-01",
    "monitoring.heartbeat": "http://other/beat", "monitoring.channels.0.kind": None, "monitoring.channels.1.kind": None,
}  # fmt: skip
ELSEWHERE = {
    "home": "where the plan lies: `home_of`",
    "watch": "read by the reloader from the settings themselves",
}
CHECKED = {  # decide what else must be there, and are in the plan by that
    "console.sign_in.url": "within redirect_uri: tests/unit/security/test_config.py",
    "models.0.backend": "embedded: another one takes another section",
    "store.kind": "with its url: tests/unit/test_settings.py",
    "routes.1.name": "as routes.0.name; privacy names this one",
    **{
        name: "in seconds: tests/unit/privacy/test_rights_config.py"
        for name in ("retention.feedback_text_days", "retention.request_people_days")
    },
    "personal_files.0.path": "absolute: tests/unit/privacy/test_rights_config.py",
    "capture.rules.0.keep_days": "in seconds: tests/unit/gateway/test_capture_config.py",
    **{f"guards.{number}.kind": "another one takes other fields" for number in range(7)},
    "privacy.unread": "ocr needs ocr_url: tests/unit/privacy/test_config.py",
    "privacy.profile": "decides the actions: tests/unit/privacy/test_config.py",
    "privacy.actions": "by today's names of kinds: tests/unit/privacy/test_config.py",
    "privacy.routes.inline.profile": "as privacy.profile",
    "privacy.routes.inline.actions": "as privacy.actions",
    "privacy.keys.ab12.profile": "as privacy.profile",
    "privacy.keys.ab12.actions": "as privacy.actions",
    "models.1.name": "as models.0.name; limits name this one",
    **{
        f"approval_policy.{name}": "in seconds or minutes: tests/unit/governance/test_config.py"
        for name in ("settings.0.valid", "prompts.0.start", "prompts.0.end", "prompts.1.within")
    },
    **{
        f"approval_policy.{name}.kind": "another one takes other fields: tests/unit/governance/test_config.py"
        for name in ("settings.0", "prompts.0", "prompts.1")
    },
    "monitoring.channels.0.kind": "another one takes other fields: tests/unit/monitoring/test_config.py",
    "monitoring.channels.1.kind": "as the one before",
    "monitoring.traces.slow_ms": "in seconds: tests/unit/monitoring/test_traces_config.py",
    "slos.0.threshold_ms": "in seconds: tests/unit/monitoring/test_slo_config.py",
    "slos.1.kind": "another one takes no threshold in dollars: tests/unit/monitoring/test_slo_config.py",
    **{
        f"release.guards.{name}.required": "people who rate are no sample: tests/unit/improvement/test_config.py"
        for name in ("ratings", "rating_rate", "refusals", "guard_hits")
    },
    **{
        name: "in seconds: tests/unit/monitoring/test_calendar_config.py"
        for name in ("calendar.items.0.due", "calendar.items.1.last")
    },
    **{
        f"improve.{name}": "in seconds: ImproveConfig.plan, tests/unit/improvement/test_config.py"
        for name in ("every_days", "patience_days", "cool_down_days")
    },
    "fairness.audits.0.every": "in seconds: tests/unit/governance/test_config.py",
    "prompts.0.name": "names the prompt, as routes.0.prompt.name",
    "routes.0.prompt.name": "names the prompt, whose text and version are in the plan",
    "routes.0.prompt.version": "of a kept prompt: tests/functional/test_prompts.py",
}
OF_SERVERS, OF_FILES = (
    {"url", "key", "headers", "tls", "upstream_model", "speaks", "metrics_url"},
    {"path", "context", "slots", "threads"},
)
OF_TIMES = ("days", "start", "end", "timezone")
OF_GUARDS = (
    {"words", "reads"},
    {"hosts"},
    {"tools", "arguments"},
    {"request_chars", "answer_chars"},
    {"least_number"},
    {"text"},
    {"words", "insert"},
)
NOT_THERE = {  # what this variant of a section does not take
    *("gateway.tls.auto", "gateway.tls.names", "gateway.tls.insecure_http"),  # tests/unit/workflows/test_tls.py
    *(f"console.tls.{name}" for name in ("certificate", "key", "client_ca", "client_required", "insecure_http")),
    *(f"models.0.{name}" for name in OF_SERVERS),
    *(f"monitoring.channels.0.{name}" for name in ("to", "sender", "user", "password")),
    *(f"approval_policy.settings.0.{name}" for name in ("within", "subject", *OF_TIMES)),
    *(f"approval_policy.prompts.0.{name}" for name in ("count", "valid", "within", "subject")),
    *(f"approval_policy.prompts.1.{name}" for name in ("count", "valid", *OF_TIMES)),
    *(
        f"guards.{number}.{name}"
        for number, fields in enumerate(OF_GUARDS)
        for name in {"url", "key", "model"}.union(*OF_GUARDS) - fields  # tests/unit/guardrails/test_config.py
    ),
    "monitoring.channels.1.key",
    *("calendar.items.0.every_days", "calendar.items.0.last", "calendar.items.1.due"),
    *(f"release.guards.{name}.floor" for name in ("cost", "judge", "ratings", "rating_rate", "refusals", "guard_hits")),
    *("slos.0.threshold_usd", "slos.1.threshold_ms"),
    *(f"models.1.{name}" for name in (*OF_FILES, "embeddings")),
    *("routes.0.prompt.system", "routes.1.prompt.name", "routes.1.prompt.version"),
}


def walk(kind: type[BaseModel], tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting below `kind` with its annotation; of lists and mappings, those of the entries in `tree`."""
    for name, field in kind.model_fields.items():
        path, value = f"{prefix}{name}", (tree or {}).get(name)
        inner = next((each for each in flatten(field.annotation) if is_section(each)), None)
        if inner is None:
            yield path, field.annotation
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from walk(inner, item, f"{path}.{index}.")
        elif isinstance(value, dict) and not set(value) & set(inner.model_fields):
            for key, item in value.items():
                yield from walk(inner, item, f"{path}.{key}.")
        elif value is not None or is_section(field.annotation):
            yield from walk(inner, value, f"{path}.")


def flatten(annotation: Any) -> list[Any]:
    return [annotation, *(each for inner in get_args(annotation) for each in flatten(inner))]


def is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def other_value(path: str, annotation: Any, now: Any) -> Any:
    """A valid value that differs from `now`."""
    if path in OTHER:
        return OTHER[path]
    kinds = flatten(annotation)
    literals = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if literals:
        return next(value for value in literals if value != now)
    if any(get_origin(kind) is list for kind in kinds):
        return ["big"]  # a model's name
    if path.endswith(".headers"):
        return {"x-other": "other"}
    if bool in kinds:
        return not now
    if int in kinds:
        return (now or 2000) + 1
    if float in kinds:
        return (now or 0.5) / 2 + 0.001
    return f"{now or 'x'}-other"


PATHS = [(path, kind) for path, kind in walk(Settings, FULL) if path not in NOT_THERE | ELSEWHERE.keys()]


def get(tree: Any, path: str) -> Any:
    for part in path.split("."):
        tree = tree[int(part)] if isinstance(tree, list) else (tree or {}).get(part)
    return tree


def put(tree: Any, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        tree = tree[int(part)] if isinstance(tree, list) else tree.setdefault(part, {})
    tree[last] = value


def scalars(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [each for item in (*tree, *tree.values()) for each in scalars(item)]
    return [each for item in tree for each in scalars(item)] if isinstance(tree, list | tuple) else [tree]


def plan_of(tree: dict[str, Any], home: Path) -> Any:
    text = msgspec.json.encode(tree).decode().replace("file:KEY", f"file:{home / 'key'}").replace("HOME", str(home))
    return msgspec.to_builtins(make_plan(Settings.model_validate_json(text), home, "0"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "key").write_text("postgresql://h/s3cret")
    pair = make_leaf(make_authority("ca", time.time()), ["localhost"], time.time())
    for name in ("a", "b"):
        (tmp_path / f"{name}.pem").write_bytes(pair.certificate)
        write_file(tmp_path / f"{name}-key.pem", pair.key)
    monkeypatch.setenv("OTHER_ROOT", "ab" * 32)
    return tmp_path


@pytest.mark.parametrize(("path", "annotation"), PATHS, ids=[path for path, _ in PATHS])
def test_a_setting_arrives_in_the_plan(home: Path, path: str, annotation: Any) -> None:
    if path in CHECKED:
        return
    tree = msgspec.json.decode(msgspec.json.encode(FULL))
    before = Settings.model_validate(tree).model_dump(mode="json")
    value = other_value(path, annotation, get(before, path))
    if value == f"{get(before, path)}-other" and str(get(before, path)).startswith("file:"):
        (home / "key2").write_text("postgresql://h/0ther")
        value = f"file:{home / 'key2'}"
    put(tree, path, value)
    old, new = scalars(plan_of(FULL, home)), scalars(plan_of(tree, home))
    assert old != new
    assert all(str(each).replace("HOME", str(home)) in map(str, new) for each in scalars(value))


def test_everything_elsewhere_and_checked_still_exists() -> None:
    known = {path for path, _ in walk(Settings, FULL)}
    assert {*ELSEWHERE, *CHECKED, *OTHER} - known == set()


@pytest.mark.parametrize("kind", [ServePlan, ModelPlan])
def test_every_field_of_the_plan_is_read_by_something_that_runs(kind: type[msgspec.Struct]) -> None:
    making = {"plan.py", "from_settings.py", "models.py"}
    folders = (SOURCE / "processes", SOURCE / "workflows" / "serve")
    files = [file for folder in folders for file in folder.glob("*.py")]
    read = {
        node.attr
        for file in files
        if not (file.parent.name == "serve" and file.name in making)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert set(kind.__struct_fields__) - read - {"store", "embedded"} == set()


def test_limits_of_a_model_that_is_not_served_are_refused(home: Path) -> None:
    tree = {**FULL, "limits": {"models": {"bgi": LIMIT}}}
    with pytest.raises(UnknownName, match=r"model or route \(in limits.models\) 'bgi'; did you mean 'big'"):
        plan_of(tree, home)


@pytest.mark.parametrize(
    ("index", "name"),
    [*((0, name) for name in sorted(OF_SERVERS)), *((1, name) for name in (*sorted(OF_FILES), "embeddings"))],
)
def test_a_setting_that_would_have_no_effect_is_refused(home: Path, index: int, name: str) -> None:
    tree = msgspec.json.decode(msgspec.json.encode(FULL))
    values = {
        "speaks": ["responses"],
        "embeddings": "mean",
        "key": "env:K",
        "url": "http://a",
        "metrics_url": "http://a/metrics",
        "upstream_model": "x",
        "tls": {},
    }
    tree["models"][index][name] = values.get(name, "x" if name == "path" else 64)


@pytest.mark.parametrize(
    ("secret", "said"), [(None, None), ("env:CLIENT_SECRET", None), ("env:NOT_THERE", "NOT_THERE")]
)
def test_a_providers_secret_that_is_not_there_is_told_before_anybody_signs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str | None, said: str | None
) -> None:
    monkeypatch.setenv("CLIENT_SECRET", "s")
    sign_in = {
        "name": "corp", "issuer": "https://idp.example", "client_id": "c", "url": "https://c.example",
        **({"client_secret": secret} if secret else {}),
    }  # fmt: skip
    settings = Settings.model_validate({"console": {"sign_in": sign_in}})
    if said is None:
        assert make_plan(settings, tmp_path, "0").sign_in is not None
    else:
        with pytest.raises(InputError, match=said):
            make_plan(settings, tmp_path, "0")
