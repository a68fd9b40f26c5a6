"""Times and limits that the documentation promises: its sentence stands there still, and the code keeps it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from steward.workflows import jobs
from steward.workflows.serve import batch_runner
from steward.workflows.serve.service import KEYS_POLL_S, TALLY_S

ROOT = Path(__file__).parents[3]
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

PROMISED = [
    (
        "ARCHITECTURE.md",
        "drains the ledger five times a second (twice under load)",
        {"drain.PAUSE_S": 0.2, "drain.BUSY_PAUSE_S": 0.5},
    ),
    ("docs/how-to/follow-a-request.md", "posts kept traces every five seconds", {"jobs.TRACES_S": 5.0}),
    ("docs/how-to/watch-engines.md", "Every 15 seconds the keeper asks", {"jobs.ENGINES_S": 15.0}),
    ("docs/how-to/release-a-version.md", "the keeper looks every five seconds, and loads", {"jobs.ADAPTERS_S": 5.0}),
    ("docs/how-to/release-a-version.md", "it took longer than a second", {"release_drill.ROLLBACK_S": 1.0}),
    ("docs/how-to/verify-the-audit-log.md", "passes each new head on within five seconds", {"jobs.AUDIT_S": 5.0}),
    ("docs/how-to/rotate-keys.md", "or the keeper within a second, finishes", {"jobs.ROOT_S": 1.0}),
    ("docs/how-to/rotate-keys.md", "a second after the segment's first record", {"spool.SEGMENT_S": 1.0}),
    (
        "docs/explanation/security.md",
        "in every other process within half a second",
        {"jobs.ERASED_S": 0.5, "subject_keys.CONFIRM_S": 0.5},
    ),
    (
        "docs/how-to/answer-an-access-request.md",
        "looks every minute, at files every five minutes, at traces and series every hour",
        {
            "rights.retention.RETENTION_S": MINUTE,
            "rights.file_retention.SLOW_S": 5 * MINUTE,
            "rights.retention.FORGET_S": HOUR,
        },
    ),
    ("docs/how-to/answer-an-access-request.md", "of the 72 hours is left", {"rights.breaches.NOTIFY_S": 72 * HOUR}),
    ("docs/how-to/approve-changes.md", "a request for 30 days", {"approvals.REQUEST_S": 30 * DAY}),
    ("docs/how-to/manage-keys.md", "the old one goes on for a day", {"keys.OVERLAP_S": DAY}),
    ("docs/how-to/manage-keys.md", "# 90 days, all models", {"key_terms.LIFETIME_S": 90 * DAY}),
    ("docs/how-to/back-up-and-restore.md", "Keys are kept for a week", {"key_backup.KEEP_S": 7 * DAY}),
    ("docs/reference/checks/infra.restore.md", "may be 90 days old", {"restore.VALID_S": 90 * DAY}),
    (
        "docs/how-to/keep-incidents.md",
        "from an hour before the beginning to an hour after the end",
        {"incidents._BEFORE_S": HOUR, "incidents._AFTER_S": HOUR},
    ),
    (
        "docs/how-to/receive-alerts.md",
        "most 200 groups are open at the same time, and 300 begin in an hour",
        {"outside_alerts.MOST_OPEN": 200, "outside_alerts.MOST_NEW": 300, "outside_alerts.HOUR_S": HOUR},
    ),
    ("docs/how-to/tell-people.md", "has taken nothing for two minutes", {"store_watch.GONE_S": 2 * MINUTE}),
    ("docs/how-to/tell-people.md", "is asked every minute", {"watch.HEARTBEAT_S": MINUTE}),
    ("docs/how-to/watch-drift.md", "the keeper looks every hour", {"drift.LOOK_S": HOUR}),
    ("docs/how-to/watch-drift.md", "Below 100 sampled requests a day", {"drift.LEAST_ROWS": 100}),
    ("docs/how-to/watch-gpus.md", "reads the GPUs of its own machine every 10 s", {"gpus.INTERVAL_S": 10.0}),
    ("docs/how-to/watch-gpus.md", "the last numbers stay for five minutes", {"gpus.STALE_S": 5 * MINUTE}),
    (
        "docs/how-to/use-an-identity-provider.md",
        "and looked at every five minutes",
        {"serve.issuer_keys.FRESH_S": 5 * MINUTE},
    ),
    ("docs/how-to/improve-by-policy.md", "starts another one within a minute", {"improve.SILENT_S": MINUTE}),
    (
        "docs/tutorials/capacity.md",
        "the last 60 days of the ledger",
        {"plan.watch.SEEN_DAYS": 60, "conditions.PLAN_DAYS": 60},
    ),
    ("docs/how-to/scrape-metrics.md", "a second old at most", {"serve.service.TALLY_S": 1.0}),
    ("docs/how-to/follow-a-request.md", "the counts of `/metrics` every minute", {"traces.METRICS_S": MINUTE}),
    ("docs/how-to/receive-alerts.md", "nothing was heard for three days", {"watch.UNHEARD_S": 3 * DAY}),
    ("docs/how-to/run-an-experiment.md", "slice that has judged ten times", {"experiment.MAX_JUDGE_USES": 10}),
    (
        "docs/how-to/tell-people.md",
        "has not answered two looks, 30 seconds apart",
        {"conditions.LOOKS": 2, "conditions.MODELS_S": 30.0},
    ),
    ("docs/how-to/improve-by-policy.md", "than in the four weeks before", {"improve.BASELINE_DAYS": 28}),
    (
        "docs/reference/load-tests.md",
        "would reach its limit within ten trials",
        {"loadtest.find_max.GROWTH_HORIZON": 10},
    ),
]


@pytest.mark.parametrize(("page", "sentence", "numbers"), PROMISED, ids=[sentence for _, sentence, _ in PROMISED])
def test_what_the_documentation_promises_is_kept(page: str, sentence: str, numbers: dict[str, float]) -> None:
    assert sentence in " ".join((ROOT / page).read_text().split()), "say here what the page says now, if it is right"
    for name, value in numbers.items():
        assert find_number(name) == value, name


STANDARDS = [
    ("OWASP Password Storage Cheat Sheet: scrypt with N = 2^17", "key_backup._COST", 131_072),
    ("NIST SP 800-38D, section 5.2.1.1: a nonce of 96 bits", "key_backup._NONCE_BYTES", 12),
    ("NIST SP 800-132, section 5.1: a salt of 128 bits", "key_backup._SALT_BYTES", 16),
    ("RFC 8628, section 3.2: 5 seconds where a provider names no interval", "single_sign_on.POLL_S", 5.0),
    ("GDPR, Article 33(1): 72 hours", "rights.breaches.NOTIFY_S", 259_200.0),
    ("man 7 unix: sun_path has 108 bytes, and ends with a zero", "serve.models.MOST_SOCKET_BYTES", 107),
]


@pytest.mark.parametrize(("standard", "name", "value"), STANDARDS)
def test_what_a_standard_asks_for_is_so(standard: str, name: str, value: float) -> None:
    assert find_number(name) == value, standard


KEPT_FORMATS = [
    ("batch_store.PIECE_BYTES", 1_048_576),  # a batch's files are sealed in pieces of it
    ("backup_archive.FORMAT", 1),
    ("key_backup.FORMAT", 2),
]


@pytest.mark.parametrize(("name", "value"), KEPT_FORMATS)
def test_what_a_release_wrote_opens_in_the_next(name: str, value: int) -> None:
    """A change of these leaves files of before unreadable, unless what reads them knows both."""
    assert find_number(name) == value


TAKEN = [  # what people may give, by the messages that refuse more
    ("audit.MOST_REASON", 1000),
    ("crypt.MAX_FERNET_BYTES", 268_435_456),
    ("key_terms.LONGEST_S", 3_153_600_000.0),  # a hundred years
    ("keys.MAX_LIMIT", 1_000_000_000),
    ("keys.MAX_OVERLAP_S", 90 * DAY),
    ("privacy_scan.MAX_BYTES", 268_435_456),
    ("registry.FEWEST_DIGITS", 6),
    ("rights.breaches.MOST_WORDS", 2000),
    ("rights.holds.MOST_REASON", 1000),
    ("rights.subjects.MOST_NAME", 1000),
]


@pytest.mark.parametrize(("name", "value"), TAKEN)
def test_what_was_taken_yesterday_is_taken_today(name: str, value: float) -> None:
    """Scripts give reasons, names and limits that were long or high enough, and must not be refused by an upgrade."""
    assert find_number(name) == value


def test_a_batch_asks_again_where_the_providers_own_clients_do() -> None:
    """openai-python's `_should_retry`: 408, 409, 429 and from 500 on; Anthropic's errors: 529 is overloaded."""
    assert frozenset({408, 409, 429, 500, 502, 503, 504, 529}) == batch_runner._AGAIN


def find_number(name: str) -> float:
    module, _, constant = name.rpartition(".")
    number: float = getattr(importlib.import_module(f"steward.workflows.{module}"), constant)
    return number


def test_a_revoked_key_is_refused_within_a_second_on_every_machine() -> None:
    """The keeper sees another machine's change, and the workers the keeper's copy."""
    assert "within a second" in (ROOT / "docs/how-to/manage-keys.md").read_text()
    assert jobs.KEYS_S + KEYS_POLL_S < 1.0 and TALLY_S <= 1.0


@pytest.mark.parametrize(
    ("lease_s", "every_s"),
    [
        (jobs.TRACES_LEASE_S, jobs.TRACES_S),
        (jobs.ENGINES_LEASE_S, jobs.ENGINES_S),
        (jobs.WATCH_LEASE_S, jobs.WATCH_S),
        (jobs.RELEASES_LEASE_S, jobs.RELEASES_S),
        (jobs.ADAPTERS_LEASE_S, jobs.ADAPTERS_S),
    ],
)
def test_whoever_does_a_job_for_all_machines_keeps_it_over_a_few_rounds(lease_s: float, every_s: float) -> None:
    """A keeper that misses one round loses no lease, so that two never do the same job."""
    assert lease_s >= 3 * every_s
