"""Every check of `steward check`, in the order in which they are printed. A new one is one entry here.

Sources of what is asked: the ML Test Score (Breck et al. 2017; its tests of features and of training code have no
counterpart here), production readiness reviews, and the controls that `frameworks.py` names for each. Every check has a
page in docs/reference/checks, made from its entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from steward.governance.readiness import DAY_S, Check, Decide, Facts, Outcome, Situation, by_evidence

LEAST_FREE_DISK: Final = 0.1
NAMED: Final = 5  # of what is wrong; the others are counted
LARGEST_LAG_S: Final = 300.0
UNUSED_AFTER_S: Final = 90 * DAY_S


def _decide_by(decide: Callable[[Facts], Outcome]) -> Decide:
    return lambda situation: decide(situation.facts)


def _yes(fine: bool, value: str, expected: str) -> Outcome:
    return Outcome(verdict="pass" if fine else "fail", value=value, expected=expected)


def _unknown(value: str, expected: str) -> Outcome:
    return Outcome(verdict="cannot tell", value=value, expected=expected)


def _inapplicable(reason: str) -> Outcome:
    return Outcome(verdict="not applicable", value=reason)


def _none_of(names: list[str], what: str, expected: str) -> Outcome:
    rest = names[NAMED:]
    shown = ", ".join(names[:NAMED]) + (f" and {len(rest)} more" if rest else "")
    return _yes(not names, f"{what}: {shown}" if names else "none", expected)


# -- infrastructure ----------------------------------------------------------------------------------


def _answers(facts: Facts) -> Outcome:
    if facts.answers is None:
        return _unknown("nothing is running here", "a request would be answered")
    return _yes(facts.answers, facts.problem or "a request would be answered", "a request would be answered")


def _disk(facts: Facts) -> Outcome:
    expected = f"at least {LEAST_FREE_DISK:.0%} free"
    if facts.free_disk is None:
        return _unknown("the disk cannot be asked", expected)
    return _yes(facts.free_disk >= LEAST_FREE_DISK, f"{facts.free_disk:.0%} free", expected)


def _fallback(facts: Facts) -> Outcome:
    if not facts.models:
        return _unknown("nothing has been served", "two models, or a fallback, for every route")
    expected = "two models, or a fallback, for every route"
    if not facts.lone_routes:
        return _yes(True, "every route has another model", expected)
    return _none_of(list(facts.lone_routes), "one model and no fallback", expected)


# -- monitoring --------------------------------------------------------------------------------------


def _channels(facts: Facts) -> Outcome:
    return _yes(bool(facts.channels), ", ".join(facts.channels) or "none", "a channel for alerts that page")


def _firing(facts: Facts) -> Outcome:
    if facts.firing is None:
        return _unknown("alerts cannot be read", "no alert pages now")
    return _none_of(list(facts.firing), "paging", "no alert pages now")


def _heartbeat(facts: Facts) -> Outcome:
    value = "configured" if facts.heartbeat else "none"
    return _yes(facts.heartbeat, value, "an address that notices when steward itself stops")


def _lag(facts: Facts) -> Outcome:
    expected = f"the ledger is read within {LARGEST_LAG_S:.0f} s"
    if facts.ledger_lag_s is None:
        return _unknown("nothing has been served", expected)
    return _yes(facts.ledger_lag_s <= LARGEST_LAG_S, f"{facts.ledger_lag_s:.0f} s behind", expected)


def _incidents(facts: Facts) -> Outcome:
    expected = "no follow-up or report of an incident is late"
    if facts.overdue is None:
        return _unknown("a file of an incident cannot be read", expected)
    return _none_of(list(facts.overdue), "late", expected)


def _prices(facts: Facts) -> Outcome:
    hosted = [model for model in facts.models if model.hosted]
    if not hosted:
        return _inapplicable("no model is paid by the token")
    return _none_of([model.name for model in hosted if not model.priced], "no price", "a price for every hosted model")


def _ratings(facts: Facts) -> Outcome:
    expected = "people's ratings within 30 days"
    if facts.ratings is None or facts.requests is None:
        return _unknown("the store cannot be read", expected)
    if not facts.requests:
        return _unknown("no request in 30 days", expected)
    return _yes(facts.ratings > 0, f"{facts.ratings:,} ratings of {facts.requests:,} requests", expected)


# -- security and privacy ----------------------------------------------------------------------------


def _transport(facts: Facts) -> Outcome:
    expected = "TLS where other machines connect"
    if facts.loopback:
        return _inapplicable("the gateway listens on this machine alone")
    if facts.encrypted:
        return _yes(True, "TLS", expected)
    return _yes(facts.proxy_declared, "a proxy does it" if facts.proxy_declared else "plain HTTP", expected)


def _home(facts: Facts) -> Outcome:
    if facts.home_private is None:
        return _unknown("the folder cannot be read", "mode 0700")
    return _yes(facts.home_private, "0700" if facts.home_private else "others may read it", "mode 0700")


def _audit_log(facts: Facts) -> Outcome:
    expected = "the log verifies"
    if facts.audit_error is not None:
        return _yes(False, facts.audit_error, expected)
    if facts.audit_entries is None:
        return _unknown("there is no log yet", expected)
    return _yes(True, f"{facts.audit_entries:,} entries verified", expected)


def _limits(facts: Facts) -> Outcome:
    expected = "no key without a limit or budget"
    if facts.keys is None:
        return _unknown("keys cannot be read", expected)
    return _none_of([key.name for key in facts.keys if not key.limited], "no limit", expected)


def _expiry(facts: Facts) -> Outcome:
    expected = "every key expires"
    if facts.keys is None:
        return _unknown("keys cannot be read", expected)
    return _none_of([key.name for key in facts.keys if key.expires_at is None], "never expire", expected)


def _unused(situation: Situation) -> Outcome:
    expected, keys = "no key unused for 90 days", situation.facts.keys
    if keys is None:
        return _unknown("keys cannot be read", expected)
    old = [key.name for key in keys if situation.now - (key.last_used or key.created_at) > UNUSED_AFTER_S]
    return _none_of(old, "unused", expected)


def _first_key(facts: Facts) -> Outcome:
    if facts.loopback:
        return _inapplicable("the gateway listens on this machine alone")
    return _yes(not facts.first_key, "first-key lies in the home" if facts.first_key else "gone", "no key in a file")


def _guard(facts: Facts) -> Outcome:
    return _yes(facts.guard, "on" if facts.guard else "off", "personal data is masked before it reaches a model")


def _root_key(facts: Facts) -> Outcome:
    value = "a file in the home" if facts.root_key_in_home else "kept elsewhere"
    return _yes(not facts.root_key_in_home, value, "the root key lies apart from what it seals")


def _witness(facts: Facts) -> Outcome:
    value = "configured" if facts.witness else "none"
    return _yes(facts.witness, value, "heads of the audit log are kept elsewhere")


def _approvals(facts: Facts) -> Outcome:
    value = "configured" if facts.approvals else "none"
    return _yes(facts.approvals, value, "changes need another person's approval")


# -- ethics ------------------------------------------------------------------------------------------


def _disclosure(facts: Facts) -> Outcome:
    expected = "answers say that a model has made them"
    told = f"; with a text on: {', '.join(facts.told_routes)}" if facts.told_routes else ""
    value = "x-ai-generated on every answer" if facts.discloses else "no header"
    return _yes(facts.discloses, f"{value}{told}", expected)


def _complaints(facts: Facts) -> Outcome:
    expected = "no appeal waits longer than it may"
    if facts.late_appeals is None:
        return _unknown("the store cannot be read", expected)
    return _none_of(list(facts.late_appeals), "late", expected)


CHECKS: Final[tuple[Check, ...]] = (
    Check(
        id="infra.answers",
        pitfall="infrastructure",
        level="prototype",
        question="Would a request be answered now?",
        why="Everything else is worth nothing while nobody gets an answer.",
        decide=_decide_by(_answers),
        fix="steward up",
    ),
    Check(
        id="infra.disk",
        pitfall="infrastructure",
        level="prototype",
        question="Is there room on the disk?",
        why="A full disk ends the record of requests, and with it the gateway's answers.",
        decide=_decide_by(_disk),
        fix="df -h .",
    ),
    Check(
        id="infra.plan",
        pitfall="infrastructure",
        level="internal",
        question="Was the hardware planned?",
        why="Memory for the KV cache runs out long before processors do, and shows as queues. A plan says how "
        "many requests fit.",
        decide=by_evidence("capacity.plan", 90, of="plan"),
        fix="steward plan --model MODEL --rate 5 --input 500 --output 200 --keep",
    ),
    Check(
        id="infra.backup",
        pitfall="infrastructure",
        level="internal",
        question="Is there a recent backup?",
        why="Keys, prompts, records and the audit log lie in one home. A week is what most teams can afford to lose.",
        decide=by_evidence("backup.made", 7, of="store"),
        fix="steward backup home.tar",
    ),
    Check(
        id="infra.load",
        pitfall="infrastructure",
        level="production",
        question="Did a load test meet its objective?",
        why="A plan predicts and a load test measures. Only a run of what serves now, with a client that kept up, "
        "says what people will wait for.",
        decide=by_evidence("loadtest.run", 30, of="model"),
        fix="steward load run http://127.0.0.1:8080 --model MODEL --key file:.steward/first-key --rate 5"
        ' --duration 60s --slo "ttft_p95<500ms"',
    ),
    Check(
        id="infra.headroom",
        pitfall="infrastructure",
        level="production",
        question="Does traffic still fit the plan?",
        why="Traffic grows past the plan without any error, until response times double within a day.",
        decide=by_evidence("capacity.watch", 7, of="plan"),
        fix="steward plan watch",
    ),
    Check(
        id="infra.fallback",
        pitfall="infrastructure",
        level="production",
        question="What answers when a model fails?",
        why="Providers have outages every month. A route with one model goes down with it.",
        decide=_decide_by(_fallback),
        fix="add `fallback` to the route in steward.yaml, then: steward reload",
    ),
    Check(
        id="infra.restore",
        pitfall="infrastructure",
        level="production",
        question="Was a restore rehearsed?",
        why="A backup that nobody has restored is a hope. The rehearsal finds the key that is missing.",
        decide=by_evidence("backup.restored", 90, of="store"),
        fix="steward restore home.tar --home rehearsal",
    ),
    Check(
        id="data.contract",
        pitfall="data",
        level="production",
        question="Do the training data keep their contract?",
        why="A model learns what its data say. A contract holds the promises that the data were chosen for: "
        "languages, sizes, freshness, no empty answers.",
        decide=by_evidence("data.contract", 90),
        fix="steward data check contract.yaml 'data/*.jsonl'",
    ),
    Check(
        id="data.training",
        pitfall="data",
        level="production",
        question="Are the training sets of served versions as they were built?",
        why="A row that was altered after the set was built changes the model without any trace.",
        decide=by_evidence("dataset.verify", 90, of="data"),
        fix="steward dataset verify SET",
    ),
    Check(
        id="data.overlap",
        pitfall="data",
        level="production",
        question="Are the questions of the suite unseen in training?",
        why="A question that stood in the training data measures memory, and makes every score too good.",
        decide=by_evidence("evaluation.overlap", 90),
        fix="steward eval overlap suite.yaml --train 'data/*.jsonl'",
    ),
    Check(
        id="data.personal",
        pitfall="data",
        level="production",
        question="Were the data searched for personal data?",
        why="What a model was trained on, it can repeat to anybody, and no erasure reaches it.",
        decide=by_evidence("privacy.scan", 90),
        fix="steward privacy scan data.jsonl",
    ),
    Check(
        id="eval.run",
        pitfall="evaluation",
        level="internal",
        question="Was the model evaluated at all?",
        why="Without a number, whether a change was better is a matter of taste.",
        decide=by_evidence("evaluation.run", 90, "a run within 90 days", of="model"),
        fix="steward eval run suite.yaml --model MODEL --out runs/now",
    ),
    Check(
        id="eval.gate",
        pitfall="evaluation",
        level="production",
        question="Did the released version pass a gate?",
        why="A new version that is better on average can be worse where it matters. The gate says no by rules "
        "that were written before.",
        decide=by_evidence("evaluation.gate", 90, of="model"),
        fix="steward eval gate --baseline runs/before --candidate runs/now --policy gate.yaml",
    ),
    Check(
        id="eval.robustness",
        pitfall="evaluation",
        level="production",
        question="Do typos and other words change answers?",
        why="People write with typos and in other words. Answers that change with them were right by luck.",
        decide=by_evidence("evaluation.robustness", 90, of="model"),
        fix="steward eval robustness suite.yaml --model MODEL --out runs/robust --margin 0.1",
    ),
    Check(
        id="monitoring.lag",
        pitfall="monitoring",
        level="prototype",
        question="Are requests recorded without delay?",
        why="Alerts, budgets and usage are read from the ledger. What is not read yet is not seen.",
        decide=_decide_by(_lag),
        fix="steward status",
    ),
    Check(
        id="monitoring.firing",
        pitfall="monitoring",
        level="internal",
        question="Is anything wrong right now?",
        why="A release on top of a fault hides which of the two is to blame.",
        decide=_decide_by(_firing),
        fix="steward alerts list",
    ),
    Check(
        id="monitoring.prices",
        pitfall="monitoring",
        level="internal",
        question="Is it known what requests cost?",
        why="Tokens without a price pass every budget, and the bill comes at the end of the month.",
        decide=_decide_by(_prices),
        fix="add `price` to the model in steward.yaml, then: steward reload",
    ),
    Check(
        id="monitoring.channels",
        pitfall="monitoring",
        level="production",
        question="Who is told when something breaks?",
        why="An alert on a page that nobody looks at is no alert.",
        decide=_decide_by(_channels),
        fix="add a channel under `monitoring.channels` in steward.yaml, then: steward reload && steward alerts test",
    ),
    Check(
        id="monitoring.drill",
        pitfall="monitoring",
        level="production",
        question="Did a test message reach somebody?",
        why="Addresses change and tokens expire. A test message is the only proof that somebody is reached.",
        decide=by_evidence("alerts.test", 7, of="channels"),
        fix="steward alerts test",
    ),
    Check(
        id="monitoring.heartbeat",
        pitfall="monitoring",
        level="production",
        question="Who notices when the monitoring itself stops?",
        why="Silence means health only while the monitoring itself is alive, and that can be noticed from outside "
        "alone.",
        decide=_decide_by(_heartbeat),
        fix="set `monitoring.heartbeat` in steward.yaml, then: steward reload",
    ),
    Check(
        id="monitoring.ratings",
        pitfall="monitoring",
        level="production",
        question="Do people say what they think?",
        why="Response times and errors say nothing of whether answers were any good. People do.",
        decide=_decide_by(_ratings),
        fix="steward feedback --since 30d",
    ),
    Check(
        id="monitoring.incidents",
        pitfall="monitoring",
        level="production",
        question="Is what incidents left to do done in time?",
        why="What an incident taught is lost when its follow-ups are not done; and laws set deadlines for reports.",
        decide=_decide_by(_incidents),
        fix="steward incident list",
    ),
    Check(
        id="monitoring.drift",
        pitfall="monitoring",
        level="production",
        question="Is traffic still what was tested?",
        why="A model that was tested on last year's questions may be wrong on this year's.",
        decide=by_evidence("drift.compare", 30),
        fix="steward drift compare baseline.jsonl current.jsonl",
    ),
    Check(
        id="security.home",
        pitfall="security and privacy",
        level="prototype",
        question="Can others read the home?",
        why="The home holds keys and records. Whoever may read it may act as anybody.",
        decide=_decide_by(_home),
        fix="chmod 700 .steward",
    ),
    Check(
        id="security.transport",
        pitfall="security and privacy",
        level="internal",
        question="Is traffic encrypted?",
        why="Prompts and keys in the clear can be read by every machine on the way.",
        decide=_decide_by(_transport),
        fix="steward tls init",
    ),
    Check(
        id="security.limits",
        pitfall="security and privacy",
        level="internal",
        question="Can one key use everything up?",
        why="One loop in one client can spend the month's money, and keeps everybody else waiting.",
        decide=_decide_by(_limits),
        fix="set `limits.default` in steward.yaml, then: steward reload",
    ),
    Check(
        id="security.audit",
        pitfall="security and privacy",
        level="internal",
        question="Is the audit log whole?",
        why="A log that may have been changed proves nothing of who did what.",
        decide=_decide_by(_audit_log),
        fix="steward audit verify",
    ),
    Check(
        id="security.first-key",
        pitfall="security and privacy",
        level="production",
        question="Is the first key's file gone?",
        why="The file is a convenience of the first hour. Later it is a key without an owner.",
        decide=_decide_by(_first_key),
        fix="steward keys rotate first",
    ),
    Check(
        id="security.unused-keys",
        pitfall="security and privacy",
        level="production",
        question="Are there forgotten keys?",
        why="A key that nobody uses is one whose theft nobody notices.",
        decide=_unused,
        fix="steward keys revoke NAME",
    ),
    Check(
        id="security.selftest",
        pitfall="security and privacy",
        level="production",
        question="Does the gateway stand the attacks that others fell to?",
        why="Settings say what should be refused. The self-test asks, from outside.",
        decide=by_evidence("security.selftest", 30, of="settings"),
        fix="steward selftest security http://127.0.0.1:8080 --key file:.steward/first-key",
    ),
    Check(
        id="security.key-expiry",
        pitfall="security and privacy",
        level="regulated",
        question="Does every key expire?",
        why="A leaked key that never expires works for ever.",
        decide=_decide_by(_expiry),
        fix="steward keys rotate NAME --expires 90d",
    ),
    Check(
        id="security.access",
        pitfall="security and privacy",
        level="regulated",
        question="Was it looked at who may do what?",
        why="Grants outlive jobs and projects. The whole matrix shows what nobody would grant today: roles of people "
        "who left, a reach into another tenant, an approval of one's own change.",
        decide=by_evidence("access.matrix", 90, of="access"),
        fix="steward access matrix",
    ),
    Check(
        id="security.root-key",
        pitfall="security and privacy",
        level="regulated",
        question="Does the root key lie apart from what it seals?",
        why="A root key beside what it seals is a lock with the key in it: one copied disk opens everything.",
        decide=_decide_by(_root_key),
        fix="set `security.root` in steward.yaml to a file or variable outside the home",
    ),
    Check(
        id="security.witness",
        pitfall="security and privacy",
        level="regulated",
        question="Would a rollback of the whole home be noticed?",
        why="Whoever can replace the whole home can replace its log as well. A head that is kept elsewhere shows it.",
        decide=_decide_by(_witness),
        fix="set `security.witness` in steward.yaml, then: steward reload",
    ),
    Check(
        id="security.approvals",
        pitfall="security and privacy",
        level="regulated",
        question="Does a second person see changes?",
        why="Most outages and most fraud are one person's change that nobody else saw.",
        decide=_decide_by(_approvals),
        fix="set `approval_policy` in steward.yaml, then: steward reload",
    ),
    Check(
        id="privacy.guard",
        pitfall="security and privacy",
        level="production",
        question="Is personal data kept from models?",
        why="What reaches a model's provider is out of your hands: kept, perhaps read, and never erased on your word.",
        decide=_decide_by(_guard),
        fix="set `privacy: {profile: gdpr}` in steward.yaml, then: steward reload",
    ),
    Check(
        id="ethics.disclosure",
        pitfall="ethics",
        level="production",
        question="Are people told that a model answers?",
        why="People may ask for a person instead, and weigh an answer as what it is. Article 50 of the EU AI Act "
        "asks for it since August 2026.",
        decide=_decide_by(_disclosure),
        fix="set `gateway: {disclose: true}` in steward.yaml, then: steward reload",
    ),
    Check(
        id="ethics.complaints",
        pitfall="ethics",
        level="production",
        question="Does a person decide on objections in time?",
        why="Whoever is wronged by an answer needs somebody who looks at it. GDPR, Article 12(3), gives a month.",
        decide=_decide_by(_complaints),
        fix="steward appeals list",
    ),
    Check(
        id="ethics.counterfactual",
        pitfall="ethics",
        level="production",
        question="Do answers change with the person who asks?",
        why="An answer that changes with a name or a pronoun treats people unequally, however good its average.",
        decide=by_evidence("evaluation.counterfactual", 30, of="model"),
        fix="steward eval counterfactual suite.yaml --model MODEL --out runs/others --margin 0.1",
    ),
    Check(
        id="ethics.disparity",
        pitfall="ethics",
        level="regulated",
        question="Do people fare alike in live traffic?",
        why="What was tested on purpose is not what people ask. Errors and refusals can fall on one language alone.",
        decide=by_evidence("fairness.status", 30, "no certain difference between groups within 30 days"),
        fix="steward fairness status --by language",
    ),
    Check(
        id="ethics.groups",
        pitfall="ethics",
        level="regulated",
        question="Are groups treated alike?",
        why="A mean over everybody hides the group for whom it fails.",
        decide=by_evidence("evaluation.groups", 90, of="model"),
        fix="steward eval groups runs/now --by SLICE",
    ),
)
