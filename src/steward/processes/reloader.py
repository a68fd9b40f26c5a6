"""The supervisor's part that follows the configuration: a changed file, `steward reload`, a rollback.

A configuration is numbered and kept before it is tried. It serves whole or not at all: what cannot be read,
needs a restart or does not come up leaves the old one serving, with the reason in the log and in state.json.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steward.core.errors import InputError, StewardError, describe_origin
from steward.core.excerpts import cut_digest
from steward.core.extend import AuditLog
from steward.core.files import read_stamp
from steward.core.identity import Principal
from steward.workflows import approvals, history, prompts, reload
from steward.workflows.audit import make_act
from steward.workflows.reload import ConfigCandidate, ConfigChange, ConfigSource, ReloadReport, ReloadRequest

log = logging.getLogger(__name__)

POLL_S = 0.25  # between looks at the file
CALM_S = 0.5  # a file is read when it has not changed for so long: editors write in several steps


class Reloader:
    """`apply` serves a plan with all workers and returns their number; `tell` shows a note with the state."""

    def __init__(
        self,
        source: ConfigSource,
        home: Path,
        served: ConfigCandidate,
        apply: Callable[[Any], int],
        tell: Callable[[dict[str, Any]], None],
        audit: AuditLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._home, self._served = source, home, served
        self._apply, self._tell, self._audit, self._clock = apply, tell, audit, clock
        self._seen = self._done = read_stamp(source.file)
        self._seen_at = self._looked_at = clock()

    @property
    def version(self) -> int:
        return self._served.plan.config_version

    def step(self) -> None:
        """One round: answer what commands ask, and follow the file."""
        for request in reload.take_requests(self._home):
            reload.send_answer(self._home, request, self._answer(request))
        if self._take_file_change() and self._served.facts["watch"]:
            self._answer(ReloadRequest(""))

    def _take_file_change(self) -> bool:
        """True once for each change, when the file has been calm; a file that is gone is not followed."""
        now = self._clock()
        if now - self._looked_at < POLL_S:
            return False
        self._looked_at = now
        stamp = read_stamp(self._source.file)
        if stamp != self._seen:
            self._seen, self._seen_at = stamp, now
        if stamp == self._done or now - self._seen_at < CALM_S or not any(stamp):
            return False
        self._done = stamp
        return True

    def _answer(self, request: ReloadRequest) -> ReloadReport:
        started = self._clock()
        changed: tuple[ConfigChange, ...] = ()
        stamp, keeps = read_stamp(self._source.file), self._keeps_text(request)
        try:
            target = history.get_version(self._home, request.rollback) if request.rollback is not None else None
            file = self._find_kept_text(target, keeps)
            wanted = reload.build_candidate(self._source, self._home, file, target.prompts if target else None)
            changed = reload.diff_facts(self._served.facts, wanted.facts)
            restart = reload.select_restart_changes(changed)
            if restart:
                raise InputError(reload.explain_restart(restart, wanted.origins))
            if not keeps:
                self._check_approval(wanted, request)
            previous = self.version
            if request.dry_run:
                return ReloadReport(outcome="dry-run", version=previous, previous=previous, changes=changed)
            note = f"rollback to {target.version}" if target else ""
            workers = self._serve(wanted, note, request.actor) if changed else self._served.plan.workers
            if target:
                for name, version in target.prompts.items():
                    prompts.use(self._home, name, version, actor=request.actor, audit=self._audit)
                reload.replace_config_file(self._source.file, wanted.text)
                stamp = read_stamp(self._source.file)
        except Exception as error:  # whatever a file provokes, the old version keeps serving
            named = error if isinstance(error, StewardError) else _unexpected_error(error, self._source.file)
            if not request.dry_run:
                self._report_failure(named)
            return reload.build_refusal(named, self.version, changed)
        finally:
            self._done = self._done if request.dry_run or keeps else stamp
        if not keeps:
            self._tell({"config_error": None})
        if changed:
            log.warning("configuration %d serves; changed: %s", self.version, ", ".join(item.key for item in changed))
        return ReloadReport(
            outcome="applied" if changed else "unchanged",
            version=self.version,
            previous=previous,
            changes=changed,
            workers=workers,
            duration_s=self._clock() - started,
        )

    def _keeps_text(self, request: ReloadRequest) -> bool:
        """Whether the file says something else by now that the request is not about."""
        return request.keep_file and reload.read_config_text(self._source.file) != self._served.text

    def _find_kept_text(self, target: history.ConfigVersion | None, keeps: bool) -> Path | None:
        """The file of the history that serves instead of the one that operators edit; None for that one."""
        if target is not None:
            return history.text_file(self._home, target.version)
        return history.text_file(self._home, self.version) if keeps else None

    def _check_approval(self, wanted: ConfigCandidate, request: ReloadRequest) -> None:
        """By the policy that serves. :raises InputError: another text of the file, which is not approved"""
        if wanted.text == self._served.text:
            return
        authors = approvals.find_file_authors(self._source.file) if request.rollback is None else ()
        change = approvals.propose_settings(wanted.text, self._served.text, authors)
        policy, ask = self._served.plan.approval_policy, not request.dry_run
        approvals.require_approval(self._home, policy, change, time.time(), actor=request.actor, ask=ask)

    def _serve(self, wanted: ConfigCandidate, note: str, actor: Principal) -> int:
        number = history.next_number(self._home)
        wanted = reload.assign_number(wanted, number)
        before = f"version {self.version} {cut_digest(self._served.digest)}"
        after = f"version {number} {cut_digest(wanted.digest)}"
        self._audit.record(make_act(actor, "config.serve", "config", before=before, after=after))
        reload.save_version(self._home, wanted, "tried", note, actor)
        try:
            workers = self._apply(wanted.plan)
        except StewardError:
            reload.save_version(self._home, wanted, "failed", note, actor)
            raise
        reload.save_version(self._home, wanted, "serving", note, actor)
        self._served = wanted
        return workers

    def _report_failure(self, error: StewardError) -> None:
        log.error("configuration not reloaded, version %d is still serving: %s", self.version, error)
        self._tell({"config_error": {"at": time.time(), "message": str(error)}})


def _unexpected_error(error: Exception, file: Path) -> InputError:
    """An error without a message of ours: its own may repeat what the file says."""
    why = error.strerror if isinstance(error, OSError) else describe_origin(error)
    return InputError(f"{file}: it cannot be used ({why}); `steward config check` may say more")
