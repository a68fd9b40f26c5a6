"""`steward crypt rotate`: another root key, or another key of a tenant, while everything goes on.

The root key wraps the shared secrets alone, so that a rotation wraps those anew and touches no content. Its steps, each
on the disk before the next begins:

    audit     the act is recorded
    retired   the old root key rests in home/retired-roots, sealed under the new one
    next      the new root key rests beside the old one, as FILE.next
    store     one transaction wraps every secret anew and binds the store to the new root key
    file      FILE.next takes the place of FILE; running processes follow within a second

A process that dies before `store` has changed nothing that is in use; one that dies after it is finished by whoever
opens the home next (`recover_rotation`), the keeper among them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError, UnknownName
from steward.core.files import hold_lock, publish_file, write_file
from steward.core.identity import Principal
from steward.core.stores import WrappedSecret
from steward.core.subject_keys import SubjectKey
from steward.security.hierarchy import KEY_BYTES, unwrap_subject_key, wrap_subject_key
from steward.security.rootkey import BYTES, RootKeys, fingerprint, load_root_key, read_retired, write_retired
from steward.workflows.audit import make_act
from steward.workflows.keys import open_keys
from steward.workflows.people import reseal_codes
from steward.workflows.rights.intake import is_running
from steward.workflows.root_keys import LOCK, is_wrapped, next_file, root_file, wrap_root
from steward.workflows.serve.deployment import HomeDeployment, find_deployment
from steward.workflows.shared_secrets import unwrap_all, unwrap_secret, wrap_secret
from steward.workflows.subject_keys import CONFIRM_S, TENANT_KEY

PAGE: Final = 1000  # keys of subjects in one transaction

Step = Callable[[str], None]


def _no_step(_: str) -> None: ...


class RotationResult(msgspec.Struct, frozen=True, kw_only=True):
    """`steward crypt rotate --json`."""

    root: str  # fingerprint of the root key that is in use now
    replaced: str | None  # of the one before; None: the root key stayed
    secrets: int  # that were wrapped anew
    tenant: str | None = None  # whose key was rotated
    version: int | None = None  # of the tenant's key
    subject_keys: int = 0  # that were wrapped anew
    took_s: float
    reference: str | None = None  # what security.root must be from now on; None: what it is


def rotate_root(
    home: Path,
    *,
    actor: Principal,
    to: str | None = None,
    random: Callable[[int], bytes] = secrets.token_bytes,
    step: Step = _no_step,
) -> RotationResult:
    """Replace the root key where it is, or by the one that `to` names, for which steward must be stopped.

    :raises InputError: it is in the environment; another rotation was faster; `to` is not fit, or steward runs
    :raises Unavailable: the store does not answer, or it cannot be recorded; nothing was changed
    """
    deployment, began = find_deployment(home), time.monotonic()
    file = root_file(home, deployment.root if to is None else to)
    _check_target(home, deployment, to)
    with open_keys(deployment, time.time()) as (store, _, root), hold_lock(home / LOCK):
        if store.secrets.find_root() != fingerprint(root):
            raise InputError("the root key was rotated at this moment; see: steward crypt status")
        new = random(BYTES) if to is None or is_wrapped(to) else load_root_key(home, to)
        if new == root:
            raise InputError(f"--to {to}: is the root key that is in use already; give another one")
        act = make_act(actor, "crypt.rotate", "root", before=fingerprint(root), after=fingerprint(new))
        deployment.open_audit_log().record(act)
        step("audit")
        write_retired(home, new, (root, *read_retired(home, root)))
        step("retired")
        if file is not None and (to is None or is_wrapped(to)):
            reference = to or deployment.root
            content = wrap_root(reference or "", new) if is_wrapped(reference) else new
            write_file(next_file(file), content, durable=True)
        step("next")
        count = store.secrets.rebind(fingerprint(root), fingerprint(new), lambda item: _wrap_anew(root, new, item))
        if count is None:
            raise InputError("the root key was rotated at this moment; see: steward crypt status")
        step("store")
        if file is not None and next_file(file).exists():
            publish_file(next_file(file), file, durable=True)
        step("file")
        reseal_codes(store, RootKeys(new, (root,)))
        step("codes")
    return RotationResult(
        root=fingerprint(new),
        replaced=fingerprint(root),
        secrets=count,
        took_s=time.monotonic() - began,
        reference=to,
    )


def _wrap_anew(old: bytes, new: bytes, secret: WrappedSecret) -> WrappedSecret:
    return wrap_secret(new, secret.kind, secret.tenant, secret.version, unwrap_secret(old, secret))


def _check_target(home: Path, deployment: HomeDeployment, to: str | None) -> None:
    if to is None:
        if root_file(home, deployment.root) is None:
            raise InputError(
                f"security.root is {deployment.root}, which steward cannot replace; make another key (openssl rand "
                "-hex 32), stop steward and run: steward crypt rotate --to env:NAME"
            )
        return
    if to.partition(":")[0] not in ("file", "env", "vault", "kms"):
        raise InputError(f"--to {to}: expected file:PATH, env:NAME, vault:MOUNT/KEY or kms:KEY")
    if is_running(home):
        raise InputError(
            f"--to {to}: steward runs, and its processes know only {deployment.root or 'the file in the home'}; "
            f"stop it first. Without --to the root key is replaced where it is, and nothing needs to stop"
        )


def rotate_tenant(home: Path, tenant: str, *, actor: Principal, step: Step = _no_step) -> RotationResult:
    """Give a tenant a new key, wrap the keys of its subjects anew, and delete the old one. Content stays as it is.

    Called again after it was cut off, it begins anew and leaves one key.
    :raises UnknownName: nothing was sealed for this tenant yet
    """
    deployment, began = find_deployment(home), time.monotonic()
    with open_keys(deployment, time.time()) as (store, _, root), hold_lock(home / LOCK):
        known = unwrap_all(RootKeys(root), store.secrets.list_secrets(TENANT_KEY))
        versions = sorted(version for name, version in known if name == tenant)
        if not versions:
            raise UnknownName("tenant", tenant, sorted({name for name, _ in known}))
        new, value = versions[-1] + 1, secrets.token_bytes(KEY_BYTES)
        deployment.open_audit_log().record(
            make_act(actor, "crypt.rotate", f"tenant:{tenant}", before=str(versions[-1]), after=str(new))
        )
        step("audit")
        store.secrets.add(wrap_secret(root, TENANT_KEY, tenant, new, value), time.time(), fingerprint(root))
        store.subject_keys.rewrap(())  # raises the generation: every process asks for the tenant's newest key
        step("added")
        time.sleep(2 * CONFIRM_S)  # until nobody wraps anything under an old one any more
        old = {version: known[tenant, version] for version in versions}
        count = _rewrap_subjects(store, tenant, old, new, value)
        step("wrapped")
        for secret in store.secrets.list_secrets(TENANT_KEY):
            if secret.tenant == tenant and secret.version < new:
                store.secrets.delete(secret)
        step("deleted")
    return RotationResult(
        root=fingerprint(root),
        replaced=None,
        secrets=1,
        tenant=tenant,
        version=new,
        subject_keys=count,
        took_s=time.monotonic() - began,
    )


def _rewrap_subjects(store: SqlStore, tenant: str, old: dict[int, bytes], new: int, value: bytes) -> int:
    """Page by page; -> how many keys. One that was erased meanwhile stays away."""
    count, after = 0, ""
    while page := store.subject_keys.list_keys(PAGE, after, tenant=tenant):
        after = page[-1].id
        wrapped = [_rewrap(key, old[key.tenant_version], new, value) for key in page if key.tenant_version in old]
        count += store.subject_keys.rewrap(wrapped) if wrapped else 0
    return count


def _rewrap(key: SubjectKey, old: bytes, new: int, value: bytes) -> SubjectKey:
    plain = unwrap_subject_key(old, key.wrapped, key.tenant, key.subject, key.id, key.tenant_version)
    wrapped = wrap_subject_key(value, plain, key.tenant, key.subject, key.id, new)
    return msgspec.structs.replace(key, tenant_version=new, wrapped=wrapped)
