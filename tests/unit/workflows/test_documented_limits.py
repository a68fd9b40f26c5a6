"""How long, how often and how much: what people who run steward, and clients, would notice if it were otherwise.

Each number stands with what it is for; the promises of the documentation are in test_documented_numbers.py.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

from steward.workflows.data_judge import RowJudgePlan
from steward.workflows.evaluate.target import ModelTarget
from steward.workflows.loadtest.find_max import find_max
from steward.workflows.loadtest.sweep import sweep
from steward.workflows.serve.plan import ServePlan
from steward.workflows.train.run import cancel_run

MIB, HOUR, DAY = 1_048_576, 3600.0, 86_400.0

WAITS = [  # seconds that somebody, or something, waits
    ("a scrape of an engine's metrics ends long before the next one, 15 s later", "engine_metrics.TIMEOUT_S", 5.0),
    ("nvidia-smi of a busy machine takes seconds", "gpus.TIMEOUT_S", 10.0),
    ("a driver that is loaded later is seen within a minute", "gpus.LOOK_AGAIN_S", 60.0),
    ("a judge without a budget may answer as slowly as a small model does", "guardrails.LONGEST_WAIT_S", 10.0),
    ("a run that lost its process is seen after a dozen missed heartbeats", "improve.HEARTBEAT_S", 5.0),
    ("a command is told to end, and killed if it does not: as docker stop does", "improve.END_S", 10.0),
    ("deleted responses are gone from the disk seconds later", "jobs.RESPONSES_S", 5.0),
    ("a store that is gone is told of within two minutes and one look", "jobs.STORE_S", 10.0),
    ("processes and GPUs are looked at every half minute", "jobs.MACHINE_S", 30.0),
    ("old content is sealed anew slowly, beside requests", "jobs.RESEAL_S", 2.0),
    ("what arrived late of an erased person is gone seconds later", "jobs.ERASURES_S", 5.0),
    ("when a generated certificate ends is looked at every hour", "jobs.CERTIFICATES_S", HOUR),
    ("a run of improve: begins seconds after it is due", "jobs.IMPROVE_S", 5.0),
    ("an audit of fairness begins seconds after it is due", "jobs.FAIRNESS_S", 10.0),
    ("people who reload a page find their session's end where they left it", "people.SLIDE_S", 60.0),
    ("the playground's own key ends within an hour", "playground.KEY_S", HOUR),
    ("a reasoning model answers the playground within two minutes", "playground.ANSWER_S", 120.0),
    ("all workers know a new key by then", "playground.KNOWN_S", 5.0),
    ("an adapter that no release serves is unloaded a day later", "release_adapters.FORGET_S", DAY),
    ("what another machine's keeper brought late counts for a release", "release_watch.OVERLAP_S", 60.0),
    ("a release that could not be served is tried again", "release_watch.RETRY_S", 30.0),
    ("requests reach the store within a second of their end", "release_watch.LAG_S", 1.0),
    ("a command against another machine's console gives up", "remote.TIMEOUT_S", 30.0),
    ("a provider's changed endpoints are found after five minutes", "single_sign_on.FRESH_S", 300.0),
    ("somebody has ten minutes to sign in at the provider", "single_sign_on.PENDING_S", 600.0),
    ("an endpoint of traces that comes back gets them within five minutes", "traces.LONGEST_WAIT_S", 300.0),
    ("alerts are judged ten seconds after a minute", "watch.SETTLED_S", 10.0),
    ("minutes are kept for the five weeks that are compared, and four days", "watch.KEPT_S", 40 * DAY),
    ("alerts are kept for more than a year, to compare with", "watch.ALERTS_KEPT_S", 400 * DAY),
    ("a training that does not begin says so after a minute", "train.detached.START_S", 60.0),
    ("alerts are looked at every five seconds", "jobs.WATCH_S", 5.0),
    ("a release's requests are looked at every second", "jobs.RELEASES_S", 1.0),
    ("old rollups are made good slowly, beside requests", "jobs.ROLLUPS_S", 2.0),
    ("another machine's change of keys is seen half a second later", "jobs.KEYS_S", 0.5),
    ("a keeper that was killed is taken over from after a minute", "jobs.WATCH_LEASE_S", 60.0),
    ("a keeper that was killed is taken over from after a minute", "jobs.TRACES_LEASE_S", 60.0),
    ("a keeper that was killed is taken over from after a minute", "jobs.ENGINES_LEASE_S", 60.0),
    ("forgetting goes on elsewhere after five minutes", "jobs.FORGET_LEASE_S", 300.0),
    ("releases go on elsewhere after two minutes", "jobs.RELEASES_LEASE_S", 120.0),
    ("a server may read an adapter from a slow disk", "jobs.ADAPTERS_LEASE_S", 600.0),
    ("a worker sees a changed key a quarter of a second later", "serve.service.KEYS_POLL_S", 0.25),
    ("the keeper's other jobs wait no longer than this for rollups", "rollups.WORK_S", 0.5),
    ("the keeper's other jobs wait no longer than this for old minutes", "watch.SLICE_S", 0.3),
    ("old minutes and alerts are deleted every hour", "watch.CLEAN_EVERY_S", HOUR),
    ("what rules say is at most ten minutes old in the store", "watch.STATES_EVERY_S", 600.0),
    ("a chart's step is read anew for two minutes after its end", "traffic.OPEN_S", 120.0),
    ("what a late request changes shows on charts within a minute", "traffic.CHECK_S", 60.0),
    ("a mark of an answer that is being written is no leftover", "response_store._YOUNG_S", 60.0),
    ("processes of a load test begin at one time", "loadtest.processes._LEAD_S", 0.03),
    ("whoever starts a training sees it begin at once", "train.detached._POLL_S", 0.05),
    ("a training's events are read ten times a second", "train.run._POLL_S", 0.1),
    ("an answer of a reasoning model may take half an hour", "evaluate.target.TIMEOUT_S", 1800.0),
    ("a person's request waits for the keeper's next round", "rights.intake.PATIENCE_S", 15.0),
    ("whoever waits for that looks ten times a second", "rights.intake._POLL_S", 0.1),
    ("a cancelled batch stops within a second", "serve.batch_runner.POLL_S", 1.0),
    ("a batch whose request cannot be sent now is tried again", "serve.batch_runner.AGAIN_S", 30.0),
    ("a batch's request never waits longer than a minute between tries", "serve.batch_runner.LONGEST_WAIT_S", 60.0),
    ("a full spool takes captures again a second after it was drained", "serve.capture_spool.MEASURE_S", 1.0),
    ("a provider that hangs delays a sign-in by seconds", "serve.issuer_keys.FETCH_S", 5.0),
    ("unknown keys in tokens cannot make steward ask more often", "serve.issuer_keys.PAUSE_S", 10.0),
    ("load balancers ask every 5 to 30 s, and hear what holds now", "serve.readiness.FRESH_S", 1.5),
    ("engines and stores come up one after the other", "serve.readiness.STARTING_S", 10.0),
    ("whoever starts steward sees the end of it at once", "serve.readiness.STARTING_FRESH_S", 0.1),
    ("a power failure loses a twentieth of a second of the ledger", "serve.service.FSYNC_S", 0.05),
    ("requests that are cut off at the end are settled", "serve.service.SETTLE_S", 1.0),
    ("a new configuration serves a tenth of a second after it is accepted", "serve.service.PLAN_POLL_S", 0.1),
    ("engines are asked every second of a load test", "loadtest.monitors.INTERVAL_S", 1.0),
    ("what takes days is looked at every hour", "conditions.SLOW_S", HOUR),
    ("what changes slowly is looked at every minute", "conditions.LOOK_S", 60.0),
    ("proofs of retention stay few: one an hour", "rights.file_retention.PROVED_S", HOUR),
    ("what an erased person's late requests brought is looked for over a day", "rights.replay.LATE_S", DAY),
    ("the percentile of a route's answers is of a week", "releases.SLOW_DAYS", 7),
]

AMOUNTS = [  # of what is read, shown or kept
    ("runs among which the one that a gate judged is found", "evidence.MOST_RUNS", 2000),
    ("an input of a check is read again up to 64 MiB", "evidence_inputs.LARGEST_BYTES", 64 * MIB),
    ("records of a pack", "evidence_pack.MOST_RECORDS", 1_000_000),
    ("acts that a pack proves", "evidence_pack.MOST_ACTS", 10_000),
    ("examples of what a guard would change", "guard_replay.MOST_EXAMPLES", 10),
    ("runs that a page of improve shows", "improve.MOST_RUNS", 200),
    ("acts of an incident", "incidents._MOST_ACTS", 500),
    ("proofs that are looked through for what runs out", "maintenance.MOST_PROOFS", 2000),
    ("keys of a playground that are kept", "playground.MOST_KEYS", 1000),
    ("bytes of an answer that a playground shows", "playground.MOST_ANSWER", MIB),
    ("proofs of each kind that a policy looks through", "policy._MOST", 100),
    ("proofs of each kind that a check reads", "readiness._MOST_PROOFS", 200),
    ("a percentile of fewer answers is none", "releases.FEWEST_ANSWERS", 100),
    ("answers that a percentile is of", "releases.MOST_ANSWERS", 20_000),
    ("releases that a list shows", "releases.MOST_RELEASES", 200),
    ("tries of a step that another machine was quicker with", "releases.SAFE_TRIES", 5),
    ("traces in one request to an endpoint", "traces.BATCH", 500),
    ("requests that are looked through where no sums are kept", "traffic.MOST_COUNTED", 100_000),
    ("approvals that a list shows", "approvals.MOST_REQUESTS", 1000),
    ("entries of the audit log that one search reads", "audit.MOST_LOOKED_AT", 20_000),
    ("answers that rise by a third show a growing queue", "loadtest.find_max.GROWTH_OF_MEAN", 0.3),
    ("keys that created keys, up to a person", "approvals._MOST_HOPS", 10),
    ("rows of series in a transaction, for which requests wait", "rollups.ROWS", 2000),
    ("an hour of minutes, a day of hours and a month of days are compared at once", "rollups._PARTS_S",
     {60: 3600, 3600: 86_400, 86_400: 30 * 86_400}),
    ("keys of subjects in a transaction, for which requests wait", "root_rotation.PAGE", 1000),
    ("a rater's link cannot be guessed: 144 bits", "study._TOKEN_BYTES", 18),
    ("groups of charts in memory: about 100 MB", "traffic.MOST_KEPT", 250_000),
    ("a day of minutes is read at once", "watch.CHUNK_MINUTES", 1440),
    ("releases whose adapters are looked at", "release_adapters._MOST", 200),
    ("bytes of an engine's page of metrics", "engine_metrics.MOST_BYTES", 4 * MIB),
    ("a heartbeat may win against an end that somebody asks for", "improve.CANCEL_TRIES", 5),
    ("bytes that are read for the time of a record that waits", "backlog._FIRST_BYTES", 65_536),
    ("characters that an example of a find shows on each side", "guard_replay._AROUND", 24),
    ("keys of people in memory", "subject_keys.MAX_CACHED", 4096),
    ("keys and records that a status looks through", "crypt_status.PAGE", 1000),
    ("a backup is compressed as fast as a disk reads", "backup_archive.LEVEL", 1),
    ("bytes of a backup's manifest", "backup_archive.MAX_MANIFEST_BYTES", 256 * MIB),
    ("proofs of each kind that a card looks through", "cards._MOST", 500),
    ("labels that an error names", "classify._SHOWN_LABELS", 10),
    ("problems that a check of a set names", "dataset.folder._MAX_PROBLEMS", 20),
    ("people that a breach names", "rights.breaches.MOST_AFFECTED", 100_000),
    ("words of a name that are joined when a text is searched", "rights.pseudonym_finder.MOST_WORDS", 8),
    ("batches that run at once", "serve.batch_runner.MOST_RUNNING", 8),
    ("tries of a batch's request", "serve.batch_runner.MOST_TRIES", 5),
    ("bytes of an issuer's keys", "serve.issuer_keys.MAX_BYTES", 262_144),
    ("answers at one load, for a row of measurements", "plan.calibrate.LEAST_SAMPLES", 8),
    ("requests of a plan's simulation", "plan.report.REQUESTS", 300),
    ("bytes of a page of metrics", "loadtest.monitors.MAX_PAGE_BYTES", 4_000_000),
    ("a secret has 256 bits: NIST SP 800-107, section 5.3.4", "shared_secrets._BYTES", 32),
    ("days of the demo", "demo.month.DAYS", 30),
    ("rates that a plan's chart shows", "plan.report.RATE_SHARES",
     (0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)),
    ("objectives that a plan's chart shows", "plan.report.OBJECTIVE_FACTORS", (0.5, 0.7, 0.85, 1.0, 1.4, 2.0, 3.0)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "name", "value"), [*WAITS, *AMOUNTS])
def test_how_long_how_often_and_how_much(why: str, name: str, value: Any) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(f"steward.workflows.{module}"), constant) == value, why


def test_what_a_command_does_without_options() -> None:
    """As docs/reference/cli.md shows the defaults."""
    assert find_defaults(ModelTarget) == {"concurrency": 16, "timeout_s": 1800.0, "retries": 3}
    assert find_defaults(RowJudgePlan) == {
        "lowest": 0.0, "highest": 5.0, "max_tokens": 256, "concurrency": 8, "timeout_s": 60.0,
    }  # fmt: skip
    assert find_defaults(find_max) == {"trial_s": 20.0, "highest": 1e6, "tolerance": 0.02}
    assert find_defaults(sweep) == {"step_s": 20.0, "most": 10}
    assert find_defaults(cancel_run) == {"wait_s": 30.0}
    assert find_defaults(ServePlan) == {
        "config_version": 0, "heartbeat_s": 2.0, "keys_max_stale_s": 3600.0, "appeal_days": 30,
    }  # fmt: skip


def find_defaults(of: Any) -> dict[str, float]:
    return {
        name: one.default
        for name, one in inspect.signature(of).parameters.items()
        if isinstance(one.default, int | float) and not isinstance(one.default, bool)
    }
