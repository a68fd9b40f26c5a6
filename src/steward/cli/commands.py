"""Every command of `steward`, in the order of `--help`. A new command is one line here and one function.

Functions are named, not imported: only the command that runs is loaded.
"""

from __future__ import annotations

from typing import Final

from steward.cli.lazy import Command, Group

TALKING: Final = frozenset(  # commands that serve, ask, follow, or show how far they are: no note of `waiting.py`
    {
        *("up", "chat", "login", "tail", "audit tail", "train logs", "users add", "users password", "users totp"),
        *("eval rate", "eval view", "plan watch", "improve work"),
        *("load run", "load replay", "load find-max", "load sweep", "load selftest"),
    }
)

CONFIG: Final = Group(
    "config",
    "Check, show and roll back the settings.",
    (
        Command("check", "steward.cli.config:check"),
        Command("show", "steward.cli.config:show"),
        Command("schema", "steward.cli.config:schema"),
        Command("history", "steward.cli.reload:history"),
        Command("diff", "steward.cli.reload:diff"),
        Command("rollback", "steward.cli.reload:rollback"),
    ),
)

EVAL: Final = Group(
    "eval",
    "Evaluate models: scores, runs, comparisons, release gates (extra `eval`).",
    (
        Command("score", "steward.cli.eval.score:score"),
        Command("run", "steward.cli.eval.run:run"),
        Command("compare", "steward.cli.eval.compare:compare"),
        Command("gate", "steward.cli.eval.compare:gate"),
        Command("perplexity", "steward.cli.eval.perplexity:perplexity"),
        Command("benchmark", "steward.cli.eval.benchmark:benchmark"),
        Command("attacks", "steward.cli.eval.attacks:attacks"),
        Command("rate", "steward.cli.eval.rate:rate"),
        Command("agreement", "steward.cli.eval.rate:agreement"),
        Command("report", "steward.cli.eval.run:report"),
        Command("view", "steward.cli.eval.view:view"),
        Command("judge", "steward.cli.eval.judge:judge"),
        Command("robustness", "steward.cli.eval.robustness:robustness"),
        Command("counterfactual", "steward.cli.eval.robustness:counterfactual"),
        Command("checks", "steward.cli.eval.checks:checks"),
        Command("overlap", "steward.cli.eval.overlap:overlap"),
        Command("groups", "steward.cli.eval.fairness:groups"),
        Command("bias", "steward.cli.eval.fairness:bias"),
    ),
)

LOAD: Final = Group(
    "load",
    "Load-test any OpenAI-compatible server (extra `load`). Latencies count from the intended send.",
    (
        Command("run", "steward.cli.load.run:run"),
        Command("replay", "steward.cli.load.replay:replay"),
        Command("find-max", "steward.cli.load.find_max:find_max"),
        Command("sweep", "steward.cli.load.sweep:sweep"),
        Command("compare", "steward.cli.load.compare:compare"),
        Command("selftest", "steward.cli.load.selftest:selftest"),
    ),
)

CHECK: Final = Group(
    "check",
    "Check whether a deployment is ready. Exits with 0 for go, with 1 for no-go, with 3 where nobody can tell.",
    (Command("waive", "steward.cli.check:waive"), Command("end-waiver", "steward.cli.check:end_waiver")),
    target="steward.cli.check:check",
)

MODEL: Final = Group(
    "model",
    "Keep versions of models: who made them of what, which is the champion, who signed them.",
    (
        Command("list", "steward.cli.model:list_"),
        Command("show", "steward.cli.model:show"),
        Command("lineage", "steward.cli.model:lineage"),
        Command("import", "steward.cli.model:import_"),
        Command("export", "steward.cli.model:export"),
        Command("alias", "steward.cli.model:alias"),
        Command("sign", "steward.cli.model:sign"),
        Command("verify", "steward.cli.model:verify"),
        Command("mark", "steward.cli.model:mark"),
        Command("collect", "steward.cli.model:collect"),
    ),
)

IMPROVE: Final = Group(
    "improve",
    "Run the circle from ratings to a better model, by hand or by policy.",
    (
        Command("run", "steward.cli.improve:run"),
        Command("status", "steward.cli.improve:status"),
        Command("enable", "steward.cli.improve:enable"),
        Command("cancel", "steward.cli.improve:cancel"),
        Command("work", "steward.cli.improve:work"),
    ),
)

RELEASE: Final = Group(
    "release",
    "Give a new version to growing shares of people, and take it back where it is worse.",
    (
        Command("start", "steward.cli.release:start"),
        Command("status", "steward.cli.release:status"),
        Command("pause", "steward.cli.release:pause"),
        Command("resume", "steward.cli.release:resume"),
        Command("promote", "steward.cli.release:promote"),
        Command("rollback", "steward.cli.release:rollback"),
        Command("drill", "steward.cli.release:drill"),
        Command("backtest", "steward.cli.release:backtest"),
    ),
)

USAGE: Final = Group(
    "usage",
    "Show requests, tokens and costs.",
    (Command("reconcile", "steward.cli.usage:reconcile"),),
    target="steward.cli.usage:usage",
)

PRIVACY: Final = Group(
    "privacy",
    "Find personal data, and answer for what is kept of people.",
    (
        Command("scan", "steward.cli.privacy:scan"),
        Command("test", "steward.cli.privacy:test"),
        Command("report", "steward.cli.rights.accounts:report"),
        Command("export", "steward.cli.rights.people:export"),
        Command("erase", "steward.cli.rights.people:erase"),
        Command("correct", "steward.cli.rights.people:correct"),
        Group(
            "holds",
            "Keep what a court wants kept.",
            (
                Command("list", "steward.cli.rights.accounts:list_holds"),
                Command("add", "steward.cli.rights.accounts:add_hold"),
                Command("release", "steward.cli.rights.accounts:release_hold"),
            ),
        ),
        Group(
            "breach",
            "Keep the clock of a breach, and list whom it touches.",
            (
                Command("open", "steward.cli.rights.accounts:open_breach"),
                Command("status", "steward.cli.rights.accounts:breach_status"),
                Command("close", "steward.cli.rights.accounts:close_breach"),
            ),
        ),
    ),
)

GUARDS: Final = Group(
    "guards",
    "Show what the guards do with requests.",
    (
        Command("list", "steward.cli.guards:list_guards"),
        Command("test", "steward.cli.guards:test"),
        Command("replay", "steward.cli.guards:replay"),
    ),
)

METRICS: Final = Group(
    "metrics",
    "Ask for latency, tokens, money and satisfaction over time.",
    (
        Command("query", "steward.cli.monitoring.metrics:query"),
        Command("engines", "steward.cli.monitoring.metrics:engines"),
    ),
)

MAINTENANCE: Final = Group(
    "maintenance",
    "Show what must be renewed, when, and whose task it is.",
    (Command("list", "steward.cli.maintenance:list_"),),
)
SLO: Final = Group(
    "slo",
    "Show service level objectives: error budgets and burn rates.",
    (Command("status", "steward.cli.monitoring.slo:status"),),
)

ALERTS: Final = Group(
    "alerts",
    "Show and handle alerts; try rules on history before they wake anybody.",
    (
        Command("list", "steward.cli.monitoring.alerts:list_"),
        Command("show", "steward.cli.monitoring.alerts:show"),
        Command("rules", "steward.cli.monitoring.alerts:rules"),
        Command("ack", "steward.cli.monitoring.alerts:ack"),
        Command("silence", "steward.cli.monitoring.alerts:silence"),
        Command("test", "steward.cli.monitoring.alerts:test"),
        Command("backtest", "steward.cli.monitoring.alerts:backtest"),
        Command("export", "steward.cli.monitoring.export:export"),
    ),
)

DRIFT: Final = Group(
    "drift",
    "Tell whether the traffic has changed (extra `monitoring`).",
    (
        Command("baseline", "steward.cli.monitoring.drift:baseline"),
        Command("show", "steward.cli.monitoring.drift:show"),
        Command("compare", "steward.cli.monitoring.drift:compare"),
    ),
)

PLAN: Final = Group(
    "plan",
    "Find the cheapest hardware that meets the objectives; exit 3 when none does, with the reasons.",
    (
        Command("predict", "steward.cli.plan.predict:predict"),
        Command("validate", "steward.cli.plan.validate:validate"),
        Command("calibrate", "steward.cli.plan.calibrate:calibrate"),
        Command("watch", "steward.cli.plan.watch:watch"),
    ),
    target="steward.cli.plan.make:plan",
)

DATA: Final = Group(
    "data",
    "Clean, check and explain data sets; `steward dataset` builds training sets from production.",
    (
        Command("run", "steward.cli.data:run"),
        Command("report", "steward.cli.data:report"),
        Command("explain", "steward.cli.data:explain"),
        Command("check", "steward.cli.data:check"),
        Command("profile", "steward.cli.data:profile"),
        Command("convert", "steward.cli.data:convert"),
        Command("compare", "steward.cli.data:compare"),
        Command("judge", "steward.cli.data_judge:judge"),
        Group(
            "classifier",
            "Classify texts for the stage `classifier`.",
            (Command("train", "steward.cli.classifier:train"),),
        ),
    ),
)

DATASET: Final = Group(
    "dataset",
    "Build training sets from production; `steward data` cleans files.",
    (
        Command("build", "steward.cli.dataset:build"),
        Command("show", "steward.cli.dataset:show"),
        Command("diff", "steward.cli.dataset:diff"),
        Command("verify", "steward.cli.dataset:verify"),
        Command("list", "steward.cli.dataset:list_"),
        Command("export", "steward.cli.dataset:export"),
        Command("erase", "steward.cli.dataset:erase"),
    ),
)

TRAIN: Final = Group(
    "train",
    "Train models on training sets, in processes of their own.",
    (
        Command("run", "steward.cli.train:run"),
        Command("list", "steward.cli.train:list_"),
        Command("show", "steward.cli.train:show"),
        Command("logs", "steward.cli.train:logs"),
        Command("cancel", "steward.cli.train:cancel"),
    ),
)

EXPERIMENT: Final = Group(
    "experiment",
    "Search parameters, and measure the winner on items that no trial saw (extra `eval`).",
    (
        Command("run", "steward.cli.experiment:run"),
        Command("status", "steward.cli.experiment:status"),
        Command("report", "steward.cli.experiment:report"),
        Command("apply", "steward.cli.experiment:apply"),
    ),
)

PROMPTS: Final = Group(
    "prompts",
    "Keep versions of the prompts that routes carry.",
    (
        Command("list", "steward.cli.prompts:list_"),
        Command("show", "steward.cli.prompts:show"),
        Command("add", "steward.cli.prompts:add"),
        Command("use", "steward.cli.prompts:use"),
    ),
)

KEYS: Final = Group(
    "keys",
    "Create, list, rotate and revoke gateway keys.",
    (
        Command("create", "steward.cli.keys:create"),
        Command("list", "steward.cli.keys:list_"),
        Command("show", "steward.cli.keys:show"),
        Command("rotate", "steward.cli.keys:rotate"),
        Command("revoke", "steward.cli.keys:revoke"),
    ),
)

BATCH: Final = Group(
    "batch",
    "List, show and cancel the batches that clients have made.",
    (
        Command("list", "steward.cli.batch:list_"),
        Command("show", "steward.cli.batch:show"),
        Command("cancel", "steward.cli.batch:cancel"),
    ),
)

USERS: Final = Group(
    "users",
    "Add users, give them roles, disable them.",
    (
        Command("add", "steward.cli.users:add"),
        Command("list", "steward.cli.users:list_"),
        Command("role", "steward.cli.users:role"),
        Command("disable", "steward.cli.users:disable"),
        Command("enable", "steward.cli.users:enable"),
        Command("password", "steward.cli.users:password"),
        Command("totp", "steward.cli.users:totp"),
    ),
)

ACCESS: Final = Group(
    "access",
    "Explain and grant permissions.",
    (
        Command("explain", "steward.cli.access:explain"),
        Command("list", "steward.cli.access:list_"),
        Command("grant", "steward.cli.access:grant"),
        Command("remove", "steward.cli.access:remove"),
        Command("roles", "steward.cli.access:roles"),
        Command("role", "steward.cli.access:role"),
        Command("matrix", "steward.cli.access:matrix"),
    ),
)

TLS: Final = Group(
    "tls",
    "Make and show the certificates of both ports.",
    (
        Command("init", "steward.cli.tls:init"),
        Command("show", "steward.cli.tls:show"),
    ),
)

AUDIT: Final = Group(
    "audit",
    "Show, verify and prove the log of administrative acts.",
    (
        Command("tail", "steward.cli.audit:tail"),
        Command("verify", "steward.cli.audit:verify"),
        Command("prove", "steward.cli.audit:prove"),
        Command("export", "steward.cli.audit:export"),
        Command("shred", "steward.cli.audit:shred"),
    ),
)

CARD: Final = Group(
    "card",
    "Write cards of models, data and the whole system from live records.",
    (
        Command("model", "steward.cli.card:model"),
        Command("system", "steward.cli.card:system"),
        Command("data", "steward.cli.card:data"),
        Command("state", "steward.cli.card:state"),
    ),
)

FAIRNESS: Final = Group(
    "fairness",
    "Find out whether people are treated alike.",
    (
        Command("run", "steward.cli.fairness:run"),
        Command("status", "steward.cli.fairness:status"),
        Command("schedule", "steward.cli.fairness:schedule"),
    ),
)

APPEALS: Final = Group(
    "appeals",
    "Decide on objections to answers.",
    (
        Command("list", "steward.cli.appeals:list_"),
        Command("show", "steward.cli.appeals:show"),
        Command("answer", "steward.cli.appeals:answer"),
    ),
)

INCIDENT: Final = Group(
    "incident",
    "Keep incidents: timeline, follow-ups, deadlines and the report.",
    (
        Command("open", "steward.cli.incident:open_"),
        Command("update", "steward.cli.incident:update"),
        Command("close", "steward.cli.incident:close"),
        Command("list", "steward.cli.incident:list_"),
        Command("report", "steward.cli.incident:report"),
    ),
)

EVIDENCE: Final = Group(
    "evidence",
    "Show what was proved here, and pack it for an auditor.",
    (
        Command("list", "steward.cli.evidence:list_"),
        Command("show", "steward.cli.evidence:show"),
        Command("map", "steward.cli.evidence:map_"),
        Command("pack", "steward.cli.evidence:pack"),
        Command("verify", "steward.cli.evidence:verify"),
    ),
)

SELFTEST: Final = Group(
    "selftest",
    "Test any running gateway.",
    (Command("security", "steward.cli.selftest:security"),),
)

APPROVALS: Final = Group(
    "approvals",
    "List the changes that wait for approval.",
    (Command("list", "steward.cli.approvals:list_"), Command("show", "steward.cli.approvals:show")),
    target="steward.cli.approvals:approvals",
)

POLICY: Final = Group(
    "policy",
    "Explain what changes need, and who may still approve them.",
    (
        Command("check", "steward.cli.policy:check"),
        Command("explain", "steward.cli.policy:explain"),
        Command("template", "steward.cli.policy:template"),
    ),
)

CRYPT: Final = Group(
    "crypt",
    "Show and rotate keys, encrypt and decrypt files.",
    (
        Command("encrypt", "steward.cli.crypt:encrypt"),
        Command("decrypt", "steward.cli.crypt:decrypt"),
        Command("rotate", "steward.cli.crypt:rotate"),
        Command("status", "steward.cli.crypt:status"),
    ),
)

STEWARD: Final = Group(
    "steward",
    "Looks after a language model in production.",
    (
        Command("up", "steward.cli.up:up", "Start the gateway, a model and the console; Ctrl-C stops them."),
        Command("init", "steward.cli.config:init", "Write a short commented steward.yaml; never overwrites one."),
        Command(
            "status",
            "steward.cli.status:status",
            "Show whether requests are answered, and by what. Exits with 1 if not.",
        ),
        Command(
            "reload",
            "steward.cli.reload:reload",
            "Serve the changed steward.yaml without dropping a request. Exits with 2 if it cannot be served.",
        ),
        Command("chat", "steward.cli.chat:chat", "Ask the model behind the running gateway."),
        Command(
            "trace",
            "steward.cli.monitoring.trace:trace",
            "Show where the time of one request went; its content only with --content.",
        ),
        Command(
            "login",
            "steward.cli.remote:login",
            "Sign in to a console, for `steward api`. The session lasts eight hours, or as long as the console says.",
        ),
        Command("logout", "steward.cli.remote:logout", "End the session of `steward login`."),
        Command(
            "api", "steward.cli.remote:api", "Ask the administrative API of the console that you are signed in to."
        ),
        Command("tail", "steward.cli.usage:tail", "Show the latest requests, without their content."),
        Command(
            "feedback",
            "steward.cli.feedback:feedback",
            "Show satisfaction with its interval, what people did with answers, and the latest ratings.",
        ),
        Command(
            "gpu",
            "steward.cli.gpu.command:gpu",
            "Show the GPUs of this machine; exit 1 when one is unhealthy, 3 when there is none, 4 without a driver.",
        ),
        Command(
            "backup",
            "steward.cli.backup:backup",
            "Back up the home while it serves; its keys go into a file of their own.",
        ),
        Command(
            "restore",
            "steward.cli.backup:restore",
            "Restore a home and check it; exit 2 for a damaged archive, 5 when the home is not as it was.",
        ),
        EVAL,
        MODEL,
        RELEASE,
        IMPROVE,
        CHECK,
        LOAD,
        CONFIG,
        USAGE,
        METRICS,
        SLO,
        MAINTENANCE,
        ALERTS,
        DRIFT,
        PRIVACY,
        GUARDS,
        PLAN,
        DATA,
        DATASET,
        TRAIN,
        EXPERIMENT,
        PROMPTS,
        KEYS,
        BATCH,
        USERS,
        ACCESS,
        TLS,
        AUDIT,
        EVIDENCE,
        FAIRNESS,
        APPEALS,
        INCIDENT,
        CARD,
        SELFTEST,
        APPROVALS,
        POLICY,
        Command("approve", "steward.cli.approvals:approve", "Approve a change of somebody else."),
        Command(
            "reject",
            "steward.cli.approvals:reject",
            "Reject a change. It stays rejected until you approve it or it is changed.",
        ),
        CRYPT,
    ),
)
