"""Cards from live records: the registry, the plan that serves, manifests of training sets, and evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, UnknownName
from steward.core.evidence import Evidence
from steward.core.files import make_private_folder, write_file
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.core.releases import ModelVersion
from steward.data.summary import SUMMARY, read_summary
from steward.governance.cards import (
    STATED,
    CardFigure,
    CardKind,
    CardSection,
    CardStatement,
    SubjectCard,
    figures_of,
    make_card,
)
from steward.improvement.dataset.manifest import MANIFEST
from steward.workflows.access import view_person
from steward.workflows.approvals import propose_card, require_approval
from steward.workflows.audit import make_act
from steward.workflows.dataset.folder import read_manifest
from steward.workflows.findings import digest_subject
from steward.workflows.registry import find_version, list_used
from steward.workflows.releases import open_desk
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.plan import ServePlan, read_plan
from steward.workflows.subjects import describe_subjects

SYSTEM: Final = "system"
_FOLDER: Final = "cards"
_MOST: Final = 500  # proofs of each kind that are looked through
_OF_MODELS: Final = (
    "evaluation.run", "evaluation.gate", "evaluation.robustness", "evaluation.counterfactual", "evaluation.groups",
    "evaluation.overlap", "loadtest.run", "release.decision",
)  # fmt: skip
_OF_SYSTEMS: Final = (
    "security.selftest", "alerts.test", "audit.verify", "backup.made", "backup.restored", "capacity.plan",
    "capacity.watch", "drift.compare", "access.matrix",
)  # fmt: skip
_OF_DATA: Final = ("dataset.build", "dataset.verify", "data.contract", "data.run", "privacy.scan")
_TRAINING: Final = ("base", "dataset", "trainer", "method", "parameters", "seed", "run", "code", "license")


class CardSubject(msgspec.Struct, frozen=True, kw_only=True):
    """A card, the name under which people's words are kept, and what its other formats need."""

    card: SubjectCard
    stated_as: str
    version: ModelVersion | None = None


def collect_model_card(home: Path, name: str, now: float, *, tenant: str = DEFAULT_TENANT) -> CardSubject:
    """Of a registered version of a tenant (NAME@ALIAS, NAME@DIGEST, NAME), or of a model that serves under a name.

    :raises UnknownName: neither the registry nor the plan has it
    """
    plan = _find_plan(home)
    live = {} if plan is None else describe_subjects(plan, home).models
    with open_desk(home) as desk:
        store = desk.store
        version = None
        if store.registry.list_versions(name.partition("@")[0], tenant=tenant):
            version = find_version(store, name, tenant=tenant)
        elif plan is None or name not in {model.name for model in plan.models}:
            known = {one.name for one in store.registry.list_versions(tenant=tenant)}
            raise UnknownName("model", name, sorted(known | ({model.name for model in plan.models} if plan else set())))
        served = name if version is None else version.served
        digest = live[name] if version is None else version.digest
        wanted = {digest, *([live[served]] if served in live else [])}
        proofs = [
            proof
            for proof in _list_proofs(store, _OF_MODELS, tenant=None if tenant == DEFAULT_TENANT else tenant)
            if proof.subject_digest in wanted or (version is not None and version.served in proof.subject)
        ]
        used = version is not None and version.digest in list_used(store)
    sections = _describe_version(version, used) if version else _describe_served(plan, name, digest)
    sections.append(
        CardSection(
            title="Evaluation, gates and load", figures=figures_of(proofs), none="Nothing of this digest was proved"
        )
    )
    stated_as = served if version is None else version.name
    statement = read_statement(home, "model", stated_as)
    card = make_card("model", served, digest, sections, statement, now)
    return CardSubject(card=card, stated_as=stated_as, version=version)


def _describe_version(version: ModelVersion, used: bool) -> list[CardSection]:
    source = version.digest
    own = [("kind", version.kind), ("added by", version.created_by), ("serves in a release", "yes" if used else "no")]
    own += [(name, value) for name, value in (("tainted", version.tainted), ("held", version.held)) if value]
    files = [(file.path, f"{file.size:,} bytes, sha256:{file.sha256}") for file in version.files]
    trained = [(name, _spell(version.details[name])) for name in _TRAINING if version.details.get(name)]
    return [
        CardSection(title="Version", figures=_facts(own, source)),
        CardSection(title="Files", figures=_facts(files, source)),
        CardSection(title="Training", figures=_facts(trained, source), none="How it was trained is not recorded"),
    ]


def _describe_served(plan: ServePlan | None, name: str, digest: str) -> list[CardSection]:
    (model,) = [one for one in plan.models if one.name == name] if plan else []
    own = [("backend", model.backend), ("model at the provider", model.upstream_model)]
    own += [("file", model.path)] if model.path else []
    return [CardSection(title="Served model", figures=_facts(own, digest))]


def collect_system_card(home: Path, now: float) -> CardSubject:
    """Of what serves now. :raises InputError: nothing has served from this home"""
    plan = _find_plan(home)
    if plan is None:
        raise InputError(f"{home}: nothing has served yet, so there is no system to describe; run: steward up")
    subjects = describe_subjects(plan, home)
    digest = subjects.settings or digest_subject(
        *(f"{name} {value}" for name, value in sorted(subjects.models.items()))
    )
    with open_desk(home) as desk:
        grants = desk.store.access.list_grants(tenant=None)
        people = [view_person(person, grants) for person in desk.store.access.list_people(tenant=None)]
        proofs = _list_proofs(desk.store, _OF_SYSTEMS, tenant=None)
    active = [(one.id, ", ".join(one.roles) or "no role") for one in people if one.disabled_at is None]
    sections = [
        CardSection(title="Models", figures=_facts(_list_models(plan), digest), none="No model serves"),
        CardSection(title="Routes, fallbacks and prompts", figures=_facts(_list_routes(plan), digest), none="No route"),
        CardSection(title="Guards", figures=_facts(_list_guards(plan), digest), none="No guard is on"),
        CardSection(title="Limits", figures=_facts(_list_limits(plan), digest), none="No limit is set"),
        CardSection(title="Oversight", figures=_facts(_list_oversight(plan), digest)),
        CardSection(
            title="People and roles", figures=_facts(active, "access of this home"), none="No person was added"
        ),
        CardSection(title="What was proved", figures=figures_of(proofs), none="Nothing was proved"),
    ]
    card = make_card("system", SYSTEM, digest, sections, read_statement(home, "system", SYSTEM), now)
    return CardSubject(card=card, stated_as=SYSTEM)


def _list_models(plan: ServePlan) -> list[tuple[str, str]]:
    return [(model.name, f"{model.backend}, {model.upstream_model}") for model in plan.models]


def _list_routes(plan: ServePlan) -> list[tuple[str, str]]:
    lines = []
    for route in plan.routes:
        targets = ", ".join(f"{target.model} ({target.weight:g})" for target in route.targets)
        fallback = f"; falls back to {', '.join(route.fallback)}" if route.fallback else "; no fallback"
        prompt = plan.prompts.get(route.name)
        lines.append((route.name, targets + fallback + (f"; prompt version {prompt.version}" if prompt else "")))
    return lines


def _list_guards(plan: ServePlan) -> list[tuple[str, str]]:
    lines = [
        (guard.name, f"{guard.kind}, {guard.mode}, {', '.join(guard.routes) or 'all routes'}")
        for guard in plan.guardrails
    ]
    if plan.privacy is not None:
        lines.append(("personal data", ", ".join(f"{kind}: {action}" for kind, action in plan.privacy.actions.items())))
    return lines


def _list_limits(plan: ServePlan) -> list[tuple[str, str]]:
    limits = [("keys", plan.limits.default)]
    limits += [(f"team {name}", limit) for name, limit in plan.limits.teams.items()]
    limits += [(f"model or route {name}", limit) for name, limit in plan.limits.models.items()]
    return [
        (
            name,
            ", ".join(f"{key} {value:g}" for key, value in msgspec.structs.asdict(limit).items() if value is not None),
        )
        for name, limit in limits
        if limit.any()
    ]


def _list_oversight(plan: ServePlan) -> list[tuple[str, str]]:
    kinds = {"settings": plan.approval_policy.settings, "prompts": plan.approval_policy.prompts,
             "releases": plan.approval_policy.releases}  # fmt: skip
    approved = [name for name, requirements in kinds.items() if requirements]
    return [
        ("changes that need approval", ", ".join(approved) or "none"),
        ("alerts go to", ", ".join(channel.name for channel in plan.monitoring.channels) or "nobody"),
        ("witness of the audit log", "elsewhere" if plan.witness is not None else "none"),
    ]


def collect_data_card(home: Path, folder: Path, now: float) -> CardSubject:
    """Of a training set, or of the folder of a pipeline's run. :raises InputError: neither is there"""
    if is_training_set(folder):
        name, digest, sections = _describe_set(folder)
    elif (folder / SUMMARY).is_file():
        name, digest, sections = _describe_run(folder)
    else:
        raise InputError(
            f"{folder}: expected the folder of a training set (steward dataset build) or of a pipeline's run "
            "(steward data run)"
        )
    with open_desk(home) as desk:
        proofs = [proof for proof in _list_proofs(desk.store, _OF_DATA, tenant=None) if proof.subject_digest == digest]
    sections.append(
        CardSection(title="What was proved", figures=figures_of(proofs), none="Nothing of this digest was proved")
    )
    card = make_card("data", name, digest, sections, read_statement(home, "data", name), now)
    return CardSubject(card=card, stated_as=name)


def is_training_set(folder: Path) -> bool:
    """The folder of a pipeline's run has a manifest, too, and a summary beside it."""
    return (folder / MANIFEST).is_file() and not (folder / SUMMARY).is_file()


def _describe_set(folder: Path) -> tuple[str, str, list[CardSection]]:
    manifest = read_manifest(folder)
    digest = manifest.digest
    people = [("people in it, by pseudonym", f"{len(manifest.subjects):,}")]
    steps = [
        (step.name, f"{step.rows_in:,} in, {step.rows_out:,} out, {step.removed:,} removed"
         + "".join(f"; {reason}: {count:,}" for reason, count in step.reasons.items()))
        for step in manifest.steps
    ]  # fmt: skip
    shares = [("rows of replay", f"{manifest.replay_share:.1%}"), ("rows by a model", f"{manifest.model_share:.1%}")]
    return manifest.name, digest, [
        CardSection(title="Rows", figures=_facts(_count(manifest.rows), digest)),
        CardSection(title="Where rows come from", figures=_facts([*_count(manifest.origins), *shares], digest)),
        CardSection(title="Consent", figures=_facts([*_count(manifest.consents), *people], digest)),
        CardSection(title="Groups", figures=_facts(_count(manifest.groups), digest), none="No group was counted"),
        CardSection(title="Steps", figures=_facts(steps, digest)),
        CardSection(title="Warnings", figures=_facts([("", text) for text in manifest.warnings], digest), none="None"),
    ]  # fmt: skip


def _describe_run(folder: Path) -> tuple[str, str, list[CardSection]]:
    summary = read_summary(folder)
    digest = f"sha256:{summary.digest}"
    rows = [("rows in", summary.rows_in), ("rows out", summary.rows_out), ("added", summary.added),
            ("dropped", summary.dropped), ("merged", summary.merged), ("failed", summary.failed)]  # fmt: skip
    stages = [(stage.name, f"{stage.rows_in:,} in, {stage.rows_out:,} out") for stage in summary.stages]
    return folder.name, digest, [
        CardSection(title="Rows", figures=_facts([(name, f"{count:,}") for name, count in rows], digest)),
        CardSection(title="Stages", figures=_facts(stages, digest)),
        CardSection(title="Warnings", figures=_facts([("", text) for text in summary.warnings], digest), none="None"),
    ]  # fmt: skip


def _count(counts: dict[str, int]) -> list[tuple[str, str]]:
    return [(name, f"{count:,} rows") for name, count in counts.items()]


def _facts(items: Iterable[tuple[str, str]], source: str) -> tuple[CardFigure, ...]:
    return tuple(CardFigure(name=name, value=value, source=source) for name, value in items)


def _spell(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _find_plan(home: Path) -> ServePlan | None:
    file = home / "run" / "plan.json"
    return read_plan(file) if file.exists() else None


def _list_proofs(store: SqlStore, kinds: Iterable[str], *, tenant: str | None) -> list[Evidence]:
    return [proof for kind in kinds for proof in store.evidence.list_evidence(_MOST, kind, tenant=tenant)]


def collect_cards(home: Path, now: float) -> list[SubjectCard]:
    """Those of the system and of every version that a release serves. :raises InputError: nothing has served"""
    with open_desk(home) as desk:
        used = list_used(desk.store)
        served = [one for one in desk.store.registry.list_versions(tenant=None) if one.digest in used]
    models = [collect_model_card(home, one.served, now, tenant=one.tenant).card for one in served]
    return [collect_system_card(home, now).card, *models]


# -- what only people know ---------------------------------------------------------------------------


def state(home: Path, subject: CardSubject, words: dict[str, str], now: float, *, actor: Principal) -> CardStatement:
    """Keep what people say of a subject as it is now; what is not said again stays. It stands in the audit log first.

    :raises InputError: nothing is said, now or before; it needs approval
    """
    before = read_statement(home, subject.card.kind, subject.stated_as)
    whole = {} if before is None else dict(before.words)
    whole |= {name: text.strip() for name, text in words.items() if name in STATED and text.strip()}
    if not whole:
        raise InputError("nothing was stated; give --owner, --intended-use, --not-for or --limitations")
    statement = CardStatement(
        kind=subject.card.kind, name=subject.stated_as, digest=subject.card.digest, words=whole, by=actor.actor, at=now
    )
    deployment = find_deployment(home)
    change = propose_card(statement, before, actor)
    require_approval(home, deployment.approval_policy, change, now, actor=actor)
    data = msgspec.json.encode(statement)
    after = f"{subject.card.digest} sha256:{hashlib.sha256(data).hexdigest()}"
    act = make_act(actor, "cards.state", f"card:{statement.kind}:{statement.name}", after=after)
    deployment.open_audit_log().record(act)
    file = _statement_file(home, statement.kind, statement.name)
    make_private_folder(file.parent)
    write_file(file, data, durable=True)
    return statement


def read_statement(home: Path, kind: CardKind, name: str) -> CardStatement | None:
    """:raises InputError: it cannot be read"""
    file = _statement_file(home, kind, name)
    try:
        return msgspec.json.decode(file.read_bytes(), type=CardStatement)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{file}: {error}; delete the file, and state it again with: steward card state") from error


def _statement_file(home: Path, kind: CardKind, name: str) -> Path:
    return home / _FOLDER / f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"
