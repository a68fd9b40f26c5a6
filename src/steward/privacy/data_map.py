"""Every table of the store and every entry of a home: whose data it holds, how that is erased, and what ends it.

A table or an entry that stands in neither list fails `tests/architecture/test_data_map.py`, and one of people that no
test plants somebody in fails `tests/security/test_every_place_of_a_person.py`. What a release writes outside a home
(training sets, runs of evaluations, studies) is found by the register of training sets and by `personal_files`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Holds = Literal[
    "nothing",  # numbers, keys, settings: nothing of anybody who asks a model
    "staff",  # of those who run the deployment
    "pseudonyms",  # who asked, without a word of theirs
    "words",  # what people wrote, or what was written about them
]
Treatment = Literal[
    "none",  # there is nothing to find
    "rows",  # found by pseudonym; deleted, or left without the person
    "taken in",  # moves into rows before anybody looks
    "key",  # destroyed, so that what it sealed opens nowhere
    "journal",  # keeps the pseudonym: without it an erasure is neither proved nor repeated after a restore
    "answers",  # stored answers of the person's requests
    "batches",  # lines that name the person, and the answers to them
    "documents",  # lines and texts that name the person, by name, pseudonym or request
    "served",  # as documents, but changed by hand alone: it is versioned, and serves
    "sets",  # named by their manifest, made anew on demand; what was made from them goes, or is marked
]


class DataPlace(msgspec.Struct, frozen=True):
    """A table, or a file or folder directly in a home."""

    name: str
    holds: Holds
    treatment: Treatment = "none"
    kept: str = "as long as the deployment"  # or what ends it


_REQUESTS: Final = "rows stay for billing; `retention.request_people_days` takes the person out"
_MONITORING: Final = "`monitoring.keep_…_for_days`"
_OWNER: Final = "until its owner deletes it"
_SECONDS: Final = "seconds, until the keeper has taken it in"

TABLES: Final = (
    DataPlace("outstanding", "pseudonyms", "rows", "until the request has ended"),
    DataPlace("exchanges", "pseudonyms", "rows", _REQUESTS),
    DataPlace("feedback", "words", "rows", "scores stay; `retention.feedback_text_days` ends the words"),
    DataPlace("captures", "words", "rows", "`keep_days` of its capture rule"),
    DataPlace("traces", "pseudonyms", "rows", "`monitoring.traces.keep_for_days`"),
    DataPlace("request_features", "pseudonyms", "rows", "`monitoring.drift.keep_for_days`"),
    DataPlace("corrections", "words", "rows", "until the person is erased"),
    DataPlace("holds", "pseudonyms", "rows", "until it is released and the person is erased"),
    DataPlace("subject_keys", "pseudonyms", "key", "until the person is erased"),
    DataPlace("erasures", "pseudonyms", "journal"),
    DataPlace("breaches", "nothing"),
    DataPlace("drained", "nothing"),
    DataPlace("meters", "nothing"),
    DataPlace("keys", "staff"),
    DataPlace("key_uses", "nothing"),
    DataPlace("people", "staff", kept="until the account is removed"),
    DataPlace("sessions", "staff", kept="`console.session_s`"),
    DataPlace("grants", "staff"),
    DataPlace("roles", "nothing"),
    DataPlace("secrets", "nothing"),
    DataPlace("roots", "nothing"),
    DataPlace("counters", "nothing"),
    DataPlace("evidence", "nothing"),  # of an erasure: a digest of the pseudonyms
    DataPlace("audit_heads", "nothing"),
    DataPlace("approval_requests", "staff"),
    DataPlace("approval_decisions", "staff"),
    DataPlace("jobs", "nothing"),
    DataPlace("releases", "nothing"),
    DataPlace("model_versions", "nothing"),  # marked where somebody who was erased stands in its training set
    DataPlace("alias_moves", "staff"),
    DataPlace("improvements", "nothing"),
    DataPlace("minutes", "nothing", kept=_MONITORING),
    DataPlace("series", "nothing", kept=_MONITORING),
    DataPlace("rollups", "nothing", kept=_MONITORING),
    DataPlace("reactions", "nothing"),
    DataPlace("gauges", "nothing", kept=_MONITORING),
    DataPlace("engine_states", "nothing"),
    DataPlace("drift_baselines", "nothing"),
    DataPlace("alerts", "staff"),
    DataPlace("rule_states", "nothing"),
    DataPlace("silences", "staff"),
    DataPlace("notices", "nothing"),
)

HOME: Final = (
    DataPlace("steward.db", "words", "rows", "see the tables"),
    DataPlace("ledger", "pseudonyms", "taken in", _SECONDS),
    DataPlace("spool", "words", "taken in", _SECONDS),
    DataPlace("captures", "words", "taken in", _SECONDS),
    DataPlace("responses", "words", "answers", "`gateway.responses_store.keep_s`"),
    DataPlace("response-owners", "pseudonyms", "answers", "as long as the answer"),
    DataPlace("batches", "words", "batches", "`batches.keep_days`"),
    DataPlace("datasets", "words", "sets", _OWNER),
    DataPlace("training", "words", "sets", _OWNER),
    DataPlace("experiments", "words", "sets", _OWNER),
    DataPlace("improve", "words", "documents", _OWNER),
    DataPlace("fairness", "words", "documents", _OWNER),
    DataPlace("incidents", "words", "documents"),
    DataPlace("cards", "words", "documents"),
    DataPlace("waivers", "words", "documents", "until the waiver ends"),
    DataPlace("audit-reasons", "words", "documents"),
    DataPlace("prompts", "words", "served", _OWNER),
    DataPlace("config", "words", "served"),
    DataPlace("erasures.jsonl", "pseudonyms", "journal"),
    DataPlace("audit", "pseudonyms", "journal"),
    DataPlace("models", "nothing"),  # of a version that was trained on somebody: its registration says so
    DataPlace("limits", "nothing"),
    DataPlace("held.json", "nothing"),  # names of files that legal holds keep
    DataPlace("restored", "nothing", kept="until the keeper has erased again what was erased since the backup"),
    DataPlace("plan", "nothing"),
    DataPlace("releases.json", "nothing"),
    DataPlace("demo.json", "nothing"),
    DataPlace("demonstration", "nothing"),  # made up
    DataPlace("first-run-done", "nothing"),
    DataPlace("run", "nothing", kept="while it serves"),
    DataPlace("tls", "nothing"),
    DataPlace("root-key", "nothing"),
    DataPlace("root-key.wrapped", "nothing"),
    DataPlace("retired-roots", "nothing"),
    DataPlace("first-key", "nothing"),
    DataPlace("keys-revoked", "nothing"),
    DataPlace("keys.json", "nothing"),  # of releases before 0.3, and the same below
    DataPlace("keys.json.migrated", "nothing"),
    DataPlace("pepper", "nothing"),
    DataPlace("pepper.migrated", "nothing"),
)


def list_folders(treatment: Treatment) -> tuple[str, ...]:
    """Entries of a home that are treated so.

    >>> list_folders("batches")
    ('batches',)
    """
    return tuple(place.name for place in HOME if place.treatment == treatment)
