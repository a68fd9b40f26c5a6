"""Which check speaks for which control of a law or standard. Data: a control is one row here.

Titles are our own short words; the wording of ISO/IEC 42001 and of the SOC 2 criteria is licensed, so their controls
are named by id and by what is kept for them. `people` is what no software can show. Ids and dates were read on the day
that each framework names.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One duty, and what speaks for it here."""

    id: str  # as the framework spells it
    title: str
    checks: tuple[str, ...] = ()  # ids of `steward check`
    keeps: str = ""  # a command that shows what else is kept for it
    people: str = ""  # what only people can show


class Framework(msgspec.Struct, frozen=True, kw_only=True):
    """A law, a standard or a catalogue."""

    name: str  # as an option: "eu-ai-act"
    title: str
    as_of: str  # the day on which its controls and dates were read: "2026-11-28"
    note: str
    controls: tuple[Control, ...]


def _control(id_: str, title: str, checks: str = "", keeps: str = "", people: str = "") -> Control:
    """`checks`: ids between spaces."""
    return Control(id=id_, title=title, checks=tuple(checks.split()), keeps=keeps, people=people)


EU_AI_ACT: Final = Framework(
    name="eu-ai-act",
    title="Regulation (EU) 2024/1689 (AI Act), as amended by Regulation (EU) 2026/1744",
    as_of="2026-11-28",
    note="Article 50 applies since 2 August 2026; Articles 6 to 27 to systems of Annex III from 2 December 2027. Which "
    "duties a deployment has depends on its purpose: have a lawyer decide.",
    controls=(
        _control("Art. 4", "People who operate it know how", people="training of staff"),
        _control("Art. 9", "Risks are managed", "eval.gate security.approvals", "steward approvals list",
                 "the register of risks, and which ones are accepted"),
        _control("Art. 10", "Training data are governed", "data.contract data.training data.overlap data.personal",
                 "steward card data RUN", "why these data fit the purpose"),
        _control("Art. 11", "Technical documentation", keeps="steward card system", people="purpose, design choices"),
        _control("Art. 12", "Events are recorded", "monitoring.lag security.audit", "steward audit tail"),
        _control("Art. 13", "Deployers are told what it can do", keeps="steward card model MODEL",
                 people="instructions for use"),
        _control("Art. 14", "People can oversee and stop it", "ethics.complaints", "steward release drill NAME",
                 "who oversees it, and their authority"),
        _control("Art. 15", "Accuracy, robustness, cybersecurity",
                 "eval.gate eval.robustness security.selftest infra.load"),
        _control("Art. 17", "A quality management system", people="the system itself"),
        _control("Art. 19", "Logs are kept", "infra.backup security.audit", "steward privacy report",
                 "that logs of a high-risk system are kept for six months or more"),
        _control("Art. 26(5)", "Deployers monitor its operation",
                 "monitoring.firing monitoring.channels monitoring.drift monitoring.ratings"),
        _control("Art. 27", "Impact on fundamental rights", "ethics.counterfactual ethics.groups ethics.disparity",
                 "steward card system", "the assessment itself"),
        _control("Art. 50(1)", "People are told that they talk to an AI", "ethics.disclosure"),
        _control("Art. 50(2)", "Output is marked in a machine-readable way", "ethics.disclosure",
                 people="marking within the text itself: upstreams offer none"),
        _control("Art. 72", "Monitoring after the market",
                 "monitoring.drift monitoring.ratings monitoring.incidents", "steward slo status"),
        _control("Art. 73", "Serious incidents are reported", "monitoring.incidents", "steward incident list",
                 "the report to the authority"),
    ),
)  # fmt: skip

GDPR: Final = Framework(
    name="gdpr",
    title="Regulation (EU) 2016/679 (GDPR)",
    as_of="2026-11-28",
    note="The legal basis, notices and contracts with processors are for people.",
    controls=(
        _control("Art. 5", "Little is kept, and not for long", "privacy.guard", "steward privacy report",
                 "the purpose, and its legal basis"),
        _control("Art. 13", "People are told", "ethics.disclosure", people="the privacy notice"),
        _control("Art. 15", "Access to one's data", keeps="steward privacy export SUBJECT"),
        _control("Art. 16", "Correction", keeps="steward privacy correct SUBJECT"),
        _control("Art. 17", "Erasure", keeps="steward privacy erase SUBJECT"),
        _control("Art. 22", "Automated decisions can be contested", "ethics.complaints", "steward appeals list",
                 "that a person with authority decides"),
        _control("Art. 25", "Data protection by design", "privacy.guard data.personal"),
        _control("Art. 28", "Processors", keeps="steward privacy report", people="contracts with them"),
        _control("Art. 30", "Records of processing", keeps="steward privacy report"),
        _control("Art. 32", "Security of processing",
                 "security.transport security.home security.root-key infra.restore security.selftest"),
        _control("Art. 33", "Breaches are reported in 72 hours", "monitoring.incidents",
                 "steward privacy breach status", "the report to the authority"),
        _control("Art. 35", "Impact assessment", keeps="steward card system", people="the assessment itself"),
    ),
)  # fmt: skip

HIPAA: Final = Framework(
    name="hipaa",
    title="HIPAA Security Rule, 45 CFR 164.312",
    as_of="2026-11-28",
    note="Audit controls are required today. The change proposed in 2025 was not final when this was read.",
    controls=(
        _control("164.312(a)(1)", "Access control", "security.home security.limits security.access",
                 "steward access matrix"),
        _control("164.312(a)(2)(i)", "Unique users", "security.first-key security.unused-keys", "steward users list"),
        _control("164.312(a)(2)(ii)", "Access in an emergency", "infra.restore", people="the procedure"),
        _control("164.312(a)(2)(iii)", "Automatic log-off", keeps="steward config show",
                 people="that the time-outs of sessions suit the ward"),
        _control("164.312(a)(2)(iv)", "Encryption at rest", "security.root-key", "steward crypt status"),
        _control("164.312(b)", "Audit controls", "security.audit security.witness", "steward audit verify"),
        _control("164.312(c)", "Integrity", "security.audit data.training", "steward dataset verify SET"),
        _control("164.312(d)", "Authentication of people", "security.key-expiry", "steward users list"),
        _control("164.312(e)", "Security of transmission", "security.transport"),
    ),
)  # fmt: skip

NIST_AI_RMF: Final = Framework(
    name="nist-ai-rmf",
    title="NIST AI RMF 1.0 with the Generative AI Profile (NIST AI 600-1), MEASURE and some of MANAGE",
    as_of="2026-11-28",
    note="Actions of the profile are named as it names them. GOVERN and MAP are for people.",
    controls=(
        _control("MS-1.1-006", "Measures are monitored", "monitoring.drift monitoring.firing"),
        _control("MS-1.1-009", "Risks that cannot be measured are listed", keeps="steward check --json"),
        _control("MS-2.3-003", "Results before a release decide", "eval.gate"),
        _control("MS-2.5-005", "Provenance of data", "data.contract data.training", "steward card data RUN"),
        _control("MS-2.5-006", "Safety measures are tested", "security.selftest privacy.guard"),
        _control("MS-2.6-007", "Behaviour under unusual input", "eval.robustness"),
        _control("MS-2.7-007", "Resistance to attacks", "security.selftest", "steward eval attacks"),
        _control("MS-2.7-009", "Security measures work", "security.selftest"),
        _control("MS-2.9-002", "The system is documented", keeps="steward card system"),
        _control("MS-2.10-003", "Personal data in training", "data.personal"),
        _control("MS-2.11-001", "Bias is measured", "ethics.counterfactual ethics.groups ethics.disparity"),
        _control("MS-2.11-002", "Harm to groups is measured", "ethics.counterfactual ethics.groups ethics.disparity"),
        _control("MS-2.11-004", "Bias of the data", "data.contract"),
        _control("MS-2.13-001", "The measures themselves are checked", "eval.run",
                 people="that people agree with a judge: steward study"),
        _control("MS-3.3-005", "Complaints of those affected", "ethics.complaints monitoring.ratings",
                 "steward appeals list"),
        _control("MS-4.2-001", "Attacks are tried again and again", "security.selftest"),
        _control("MS-4.2-002", "Quality in production", "monitoring.drift monitoring.ratings"),
        _control("MS-4.2-004", "Overrides are recorded", "ethics.complaints", "steward audit tail"),
        _control("MS-4.2-005", "Go or no-go", "eval.gate security.approvals", "steward check"),
        _control("MG-2.4", "It can be switched off", keeps="steward release drill NAME"),
        _control("MG-4.3", "Incidents are communicated", "monitoring.incidents", "steward incident list"),
    ),
)  # fmt: skip

ISO_42001: Final = Framework(
    name="iso-42001",
    title="ISO/IEC 42001:2023, Annex A",
    as_of="2026-11-28",
    note="Ids only: the text is licensed. A.2, A.3 and A.4.6 are of people, and nothing here speaks for them.",
    controls=(
        _control("A.4.2", "Resources are documented", "infra.plan", "steward card system"),
        _control("A.4.3", "Data", "data.contract data.training", "steward card data RUN"),
        _control("A.4.4", "Tools", keeps="steward card system"),
        _control("A.4.5", "Systems and computing", "infra.plan infra.load infra.headroom"),
        _control("A.5.3", "Impact assessments are kept", keeps="steward evidence list", people="the assessments"),
        _control("A.6.2.4", "Verification and validation", "eval.run eval.gate eval.robustness"),
        _control("A.6.2.5", "Deployment", "eval.gate security.approvals", "steward release status NAME"),
        _control("A.6.2.6", "Operation and monitoring", "monitoring.firing monitoring.channels monitoring.drift"),
        _control("A.6.2.7", "Technical documentation", keeps="steward card system"),
        _control("A.6.2.8", "Event logs", "monitoring.lag security.audit"),
        _control("A.7.2", "Data for development", "data.contract data.training"),
        _control("A.7.4", "Quality of data", "data.contract data.overlap"),
        _control("A.7.5", "Provenance of data", "data.training", "steward model lineage REQUEST_ID"),
        _control("A.7.6", "Preparation of data", "data.contract", "steward data explain FILE:LINE"),
        _control("A.8.2", "Information for users", "ethics.disclosure", "steward card model MODEL"),
        _control("A.8.3", "Reports from outside", "ethics.complaints"),
        _control("A.8.4", "Communication of incidents", "monitoring.incidents monitoring.drill"),
        _control("A.10.3", "Suppliers", keeps="steward privacy report", people="contracts with them"),
    ),
)  # fmt: skip

SOC_2: Final = Framework(
    name="soc-2",
    title="SOC 2, Trust Services Criteria (2017, points of focus of 2022)",
    as_of="2026-11-28",
    note="Ids only: the text is licensed. An auditor samples over a period; evidence here has dates.",
    controls=(
        _control("CC6.1", "Logical access", "security.home security.limits security.root-key"),
        _control("CC6.2", "Access is granted and removed", "security.unused-keys security.key-expiry security.access",
                 "steward users list"),
        _control("CC6.3", "Rights by role", "security.access", "steward access matrix"),
        _control("CC6.6", "Threats from outside", "security.transport security.selftest"),
        _control("CC6.7", "Data in transit", "security.transport"),
        _control("CC6.8", "Malicious software", keeps="steward model verify VERSION",
                 people="the machine's own protection"),
        _control("CC7.1", "Weaknesses are found", "security.selftest", people="scans of dependencies in your CI"),
        _control("CC7.2", "Anomalies are found", "monitoring.firing monitoring.channels security.audit"),
        _control("CC7.3", "Events are judged", "monitoring.drill monitoring.incidents"),
        _control("CC7.4", "Incidents are handled", "monitoring.incidents", "steward incident list"),
        _control("CC7.5", "Recovery", "infra.restore"),
        _control("CC8.1", "Changes are approved", "security.approvals eval.gate", "steward approvals list"),
        _control("A1.2", "Capacity and backups", "infra.headroom infra.backup infra.disk"),
        _control("A1.3", "Recovery is tested", "infra.restore"),
        _control("C1.1", "Confidential data are known", "data.personal privacy.guard", "steward privacy report"),
        _control("C1.2", "Confidential data are disposed of", keeps="steward privacy erase SUBJECT"),
    ),
)  # fmt: skip

OWASP_LLM: Final = Framework(
    name="owasp-llm",
    title="OWASP Top 10 for LLM Applications 2025",
    as_of="2026-11-28",
    note="A guard is a signal, not a boundary: docs/explanation/guards.md has what each is worth.",
    controls=(
        _control("LLM01", "Prompt injection", "security.selftest", "steward guards test", "what tools may do"),
        _control("LLM02", "Disclosure of sensitive information", "privacy.guard data.personal"),
        _control("LLM03", "Supply chain", "data.training", "steward model verify VERSION"),
        _control("LLM04", "Poisoned data and models", "data.contract data.training eval.gate"),
        _control("LLM05", "Output is handled unsafely", "security.selftest", people="how your application renders it"),
        _control("LLM06", "Too much agency", keeps="steward guards list", people="what tools may do"),
        _control("LLM07", "The system prompt leaks", keeps="steward guards test", people="no secret in a prompt"),
        _control("LLM08", "Weaknesses of embeddings", people="access to your vector store"),
        _control("LLM09", "Misinformation", "eval.run eval.gate monitoring.ratings"),
        _control("LLM10", "Unbounded consumption", "security.limits infra.headroom"),
    ),
)  # fmt: skip

_NO_FEATURES: Final = "no counterpart: a language model has no engineered features"
_NO_TRAINER: Final = "no counterpart: training is done by a library or a provider, whose own tests cover it"
ML_TEST_SCORE: Final = Framework(
    name="ml-test-score",
    title="The ML Test Score (Breck et al., 2017)",
    as_of="2026-11-28",
    note="A rubric of 28 tests. Those without a counterpart here say so.",
    controls=(
        _control("Data 1", "Expectations of the data are in a schema", "data.contract"),
        _control("Data 2", "Every feature is beneficial", people=_NO_FEATURES),
        _control("Data 3", "No feature costs too much", people=_NO_FEATURES),
        _control("Data 4", "Features keep to the requirements of data", "data.personal"),
        _control("Data 5", "The pipeline has privacy controls", "data.personal privacy.guard"),
        _control("Data 6", "New features come quickly", people=_NO_FEATURES),
        _control("Data 7", "Code that makes the input is tested", people="tests of your custom stages"),
        _control("Model 1", "Every model is reviewed", "security.approvals"),
        _control("Model 2", "Offline measures agree with online ones", "eval.gate monitoring.ratings",
                 "steward release status NAME"),
        _control("Model 3", "Hyperparameters were tuned", keeps="steward experiment report NAME"),
        _control("Model 4", "The effect of staleness is known", "monitoring.drift"),
        _control("Model 5", "A simpler model is not better", "eval.gate", people="which simpler model to compare with"),
        _control("Model 6", "Quality holds on every slice", "ethics.groups"),
        _control("Model 7", "Inclusion was tested", "ethics.counterfactual ethics.groups ethics.disparity"),
        _control("Infra 1", "Training is reproducible", keeps="steward train show RUN"),
        _control("Infra 2", "The model's code has unit tests", people=_NO_TRAINER),
        _control("Infra 3", "The whole pipeline is tested", keeps="steward improve status"),
        _control("Infra 4", "Quality is checked before serving", "eval.gate"),
        _control("Infra 5", "One step can be debugged on one example", people=_NO_TRAINER),
        _control("Infra 6", "A canary comes before serving", keeps="steward release status NAME"),
        _control("Infra 7", "Serving can be rolled back", keeps="steward release drill NAME"),
        _control("Monitor 1", "Changes of dependencies are noticed", keeps="steward maintenance list"),
        _control("Monitor 2", "Invariants of the data hold in serving", "monitoring.drift privacy.guard"),
        _control("Monitor 3", "Training and serving are not skewed", "monitoring.drift"),
        _control("Monitor 4", "Models are not too stale", "eval.run", "steward maintenance list"),
        _control("Monitor 5", "Numbers are stable", people=_NO_TRAINER),
        _control("Monitor 6", "Speed has not got worse", "infra.load monitoring.firing"),
        _control("Monitor 7", "Quality has not got worse", "monitoring.ratings monitoring.drift"),
    ),
)  # fmt: skip

FRAMEWORKS: Final[tuple[Framework, ...]] = (
    EU_AI_ACT, GDPR, HIPAA, NIST_AI_RMF, ISO_42001, SOC_2, OWASP_LLM, ML_TEST_SCORE,
)  # fmt: skip
