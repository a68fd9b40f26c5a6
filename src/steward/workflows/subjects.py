"""Digests of what serves now: evidence of anything else has gone stale, however young it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from steward.adapters.stores.tables import REVISION
from steward.core.errors import InputError
from steward.core.releases import ModelVersion
from steward.governance.readiness import LiveSubjects
from steward.security.rootkey import RETIRED
from steward.workflows import history
from steward.workflows.findings import Finding, digest_subject
from steward.workflows.serve.plan import ModelPlan, ServePlan, read_plan
from steward.workflows.tls import is_loopback

_OF_MODEL: Final = ("backend", "url", "path", "upstream_model", "speaks", "context", "slots", "threads", "embeddings")


def find_subjects(home: Path) -> LiveSubjects | None:
    """None: nothing was served from this home. :raises InputError: its plan cannot be read"""
    file = home / "run" / "plan.json"
    return describe_subjects(read_plan(file), home) if file.exists() else None


def describe_subjects(plan: ServePlan, home: Path) -> LiveSubjects:
    """By name, models and routes: what would answer under it. Without training sets, which the registry knows."""
    models = {model.name: _digest_model(model) for model in plan.models}
    routes = {
        route.name: digest_subject(
            msgspec.json.encode(route),
            *(models.get(name, name) for name in route.reachable()),
            msgspec.json.encode(plan.prompts.get(route.name)),
            *(
                msgspec.json.encode((release.candidate, release.prompt))
                for release in plan.releases
                if release.route == route.name
            ),
        )
        for route in plan.routes
    }
    channels = plan.monitoring.channels
    return LiveSubjects(
        models=models | routes,
        settings=_find_settings(home, plan.config_version),
        channels=digest_subject(*map(msgspec.json.encode, channels)) if channels else None,
        channel_names=tuple(channel.name for channel in channels),
        plan=_find_plan(home, models),
        store=_find_store(home, plan),
        gateway_port=plan.port,
    )


def _digest_model(model: ModelPlan) -> str:
    return digest_subject(*(msgspec.json.encode(getattr(model, name)) for name in _OF_MODEL), _stamp_file(model.path))


def _stamp_file(path: str | None) -> str:
    try:
        status = Path(path).stat() if path else None
    except OSError:
        return ""
    return "" if status is None else f"{status.st_size} {status.st_mtime_ns}"


def _find_plan(home: Path, models: dict[str, str]) -> str | None:
    """Of the plan that is saved, for the models that serve: another model needs another plan."""
    try:
        saved = (home / "plan" / "plan.json").read_bytes()
    except OSError:
        return None
    return digest_subject(saved, *(models[name] for name in sorted(models)))


def _find_store(home: Path, plan: ServePlan) -> str:
    """Of what a backup copies and a restore brings back: the schema, where it lies, and which root keys were retired.
    After a rotation or an upgrade the next loss is not the one that was rehearsed."""
    folder = home / RETIRED
    retired = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    return digest_subject(REVISION, plan.store or "sqlite", *retired)


def _find_settings(home: Path, number: int) -> str | None:
    try:
        return next(
            (f"settings:{one.digest}"[:100] for one in history.list_versions(home) if one.version == number), None
        )
    except InputError:
        return None  # a version that was changed by hand: nobody can tell which settings serve


def list_training_sets(versions: Iterable[ModelVersion], used: set[str]) -> frozenset[str]:
    """Digests of the sets that the versions in use were trained on."""
    described = [one.details.get("dataset") for one in versions if one.digest in used]
    return frozenset(str(one["digest"]) for one in described if isinstance(one, dict) and one.get("digest"))


def bind_digest(finding: Finding, subjects: LiveSubjects | None) -> str:
    """The digest under which a finding is kept: of what serves, where the finding is of that; else its own."""
    if subjects is None or _is_elsewhere(finding.url, subjects.gateway_port):
        return finding.subject_digest
    if finding.of == "model":
        return subjects.models.get(finding.name, finding.subject_digest)
    if finding.of == "settings":
        return subjects.settings or finding.subject_digest
    if finding.of == "plan":
        return subjects.plan or finding.subject_digest
    if finding.of == "store":
        return subjects.store or finding.subject_digest
    if finding.of == "channels" and finding.name == ", ".join(subjects.channel_names):
        return subjects.channels or finding.subject_digest
    return finding.subject_digest


def _is_elsewhere(url: str, port: int) -> bool:
    """Another server of this machine. A public address may lead to this gateway, through a proxy."""
    address = urlsplit(url)
    return bool(address.hostname) and is_loopback(str(address.hostname)) and address.port != port
