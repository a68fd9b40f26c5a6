"""The section `privacy` of steward.yaml."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from steward.configuration.section import Section, check_no_credentials
from steward.core.errors import UnknownName
from steward.privacy.custom import CustomDetector, check_pattern, check_words
from steward.privacy.entities import ALIASES, ENTITIES, KINDS, find_entity
from steward.privacy.policy import PROFILE_ACTIONS, Action, PrivacyPolicy

Profile = Literal["off", "default", "standard", "gdpr", "hipaa_safe_harbor", "pci", "secrets-only"]


def _read_entities(actions: object) -> object:
    """The same actions by today's names. :raises ValueError: no such kind, or one named twice"""
    if not isinstance(actions, dict):
        return actions
    entities: dict[str, object] = {}
    for name, action in actions.items():
        try:
            entity = name if name == "default" else find_entity(str(name))
        except UnknownName as error:
            raise ValueError(str(error)) from None
        if entity in entities:
            raise ValueError(f"{name}: {entity} has an action already; name it once")
        entities[entity] = action
    return entities


EntityActions = Annotated[dict[str, Action], BeforeValidator(_read_entities)]
_NAMES: str = f"{', '.join(ENTITIES)}; also {', '.join(ALIASES)}"


_OF_OTHERS: Final = frozenset(("budget_ms", "on_error"))
_WITHOUT_EFFECT: Final = {
    "pattern": _OF_OTHERS | {"language"},
    "words": _OF_OTHERS | {"language"},
    "function": frozenset(("near", "language")),
    "url": frozenset(("near",)),
    "spacy": frozenset(("near", "language")),
}


class PrivacyDetectorConfig(Section):
    """A detector of your own."""

    name: str = Field(pattern=r"^[a-z0-9_-]{1,40}$", description="what finds are said to be found by")
    entity: str = Field("CUSTOM", description="the kind of what it finds: one of steward's, or CUSTOM")
    pattern: str = Field(
        "", description="regular expression of whole words; every count has a bound ({1,20} rather than + or *)"
    )
    words: list[str] = Field([], max_length=100_000, description="words and phrases, whatever their case")
    near: list[str] = Field([], description="words one of which must stand up to 48 characters before, or 24 after")
    score: float = Field(0.9, ge=0.5, le=1, description="how sure a find is; where finds overlap the surer one wins")
    function: str = Field("", description="path/to/file.py:name of a Python function that returns (start, end, …) rows")
    url: str = Field(
        "", description="address of a service that is posted {text, language}, such as that of Presidio's analyzer"
    )
    spacy: str = Field("", description="installed model of spaCy, or its folder, run in this process (extra nlp)")
    language: str = Field("en", pattern=r"^[A-Za-z-]{2,12}$", description="url: the language that the service is told")
    budget_ms: float = Field(
        2000.0, gt=0, description="function, url, spacy: how long a text may take; longer is a failure"
    )
    on_error: Literal["block", "allow"] = Field(
        "block", description="function, url, spacy: when it fails, block the request, or go on without it and say so"
    )

    @model_validator(mode="after")
    def _check_detector(self) -> PrivacyDetectorConfig:
        ways = [way for way in ("pattern", "words", "function", "url", "spacy") if getattr(self, way)]
        if len(ways) != 1:
            named = " and ".join(ways) or "none"
            raise ValueError(f"a detector has one of pattern, words, function, url and spacy; this one has {named}")
        useless = self.model_fields_set & _WITHOUT_EFFECT[ways[0]]
        if useless:
            raise ValueError(f"{min(useless)}: without effect for a detector by {ways[0]}; leave it out")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url: {self.url!r}; expected an address that begins with http:// or https://")
        check_no_credentials(self.url)
        if self.function and not self.function.rpartition(":")[0].endswith(".py"):
            raise ValueError(f"function: {self.function!r}; expected path/to/file.py:name")
        for name, check in (("words", self.words), ("near", self.near)):
            try:
                check_words(check)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        if self.pattern:
            try:
                check_pattern(self.pattern)
            except ValueError as error:
                raise ValueError(f"pattern: {error}") from None
        try:
            find_entity(self.entity)
        except UnknownName as error:
            raise ValueError(f"entity: {error}") from None
        return self

    def plan(self) -> CustomDetector:
        return CustomDetector(
            name=self.name,
            entity=find_entity(self.entity),
            pattern=self.pattern,
            words=tuple(self.words),
            near=tuple(self.near),
            score=self.score,
            function=self.function,
            url=self.url,
            spacy=self.spacy,
            language=self.language,
            budget_ms=self.budget_ms,
            on_error=self.on_error,
        )


class PrivacyRuleConfig(Section):
    """What is done with personal data in the requests of one route or key."""

    profile: Profile = Field("default", description="which kinds are pseudonymised or changed; off: none")
    actions: EntityActions = Field({}, description="as `privacy.actions`, on top of this profile")

    def resolve(self) -> dict[str, Action]:
        """The action of each kind that is not let through."""
        otherwise = self.actions.get("default")
        actions = {
            entity: self.actions.get(entity) or otherwise or action
            for entity, action in PROFILE_ACTIONS[self.profile].items()
        }
        actions |= {entity: action for entity, action in self.actions.items() if entity != "default"}
        return {entity: action for entity, action in actions.items() if action != "allow"}


class PrivacyConfig(Section):
    """Personal data in requests. Off unless asked: without a guard the bytes of a request pass through unchanged."""

    profile: Profile = Field(
        "off",
        description="default (also: standard) and gdpr: pseudonymise everything that names or reaches somebody; "
        "hipaa_safe_harbor: the 18 identifiers, dates as years, ages over 89 as 90+, three digits of postal codes; "
        "pci: mask card numbers; secrets-only: redact passwords and keys",
    )
    actions: EntityActions = Field(
        {},
        description="what happens to each kind, on top of the profile: pseudonymise, mask, redact, generalise, hash, "
        f"block or allow, by `default` or by kind ({_NAMES})",
    )
    routes: dict[str, PrivacyRuleConfig] = Field({}, description="other rules for the requests of a route, by its name")
    keys: dict[str, PrivacyRuleConfig] = Field(
        {}, description="other rules for the requests of a key, by its id; they come before those of the route"
    )
    on_error: Literal["block", "allow"] = Field(
        "block", description="when the guard fails: block the request, or allow it through unmasked"
    )

    surrogates: bool = Field(
        False,
        description="people become realistic names, such as Ada Brenwick, rather than tokens; they come back alike",
    )
    unread: Literal["pass", "block", "ocr"] = Field(
        "pass",
        description="pictures, sounds and files in messages, which no guard can read: pass them and name them in the "
        "receipt, block the request, or (ocr) have pictures read by the service at `ocr_url` and block all else",
    )
    ocr_url: str = Field("", description="unread ocr: address that is posted {media_type, data} and replies {text}")
    ocr_budget_ms: float = Field(10_000.0, gt=0, le=120_000, description="unread ocr: how long a picture may take")

    detectors: list[PrivacyDetectorConfig] = Field(
        [], description="detectors of your own, beside steward's; `steward privacy scan --config FILE` uses them, too"
    )

    @model_validator(mode="after")
    def _check_effect(self) -> PrivacyConfig:
        useless = self.model_fields_set - {"profile", "routes", "keys", "detectors"}
        if self.profile == "off" and "actions" in useless:
            raise ValueError("actions: without effect while profile is off; choose profile: default or gdpr")
        for name in ("on_error", "unread", "surrogates"):
            if name in useless and self.policy() is None:
                raise ValueError(f"{name}: without effect while profile is off; choose profile: default or gdpr")
        if (self.unread == "ocr") is not bool(self.ocr_url):
            raise ValueError(
                "ocr_url: unread: ocr needs it, and nothing else does; name the service that reads pictures"
            )
        if self.ocr_url and not self.ocr_url.startswith(("http://", "https://")):
            raise ValueError(f"ocr_url: {self.ocr_url!r}; expected an address that begins with http:// or https://")
        check_no_credentials(self.ocr_url)
        return self

    def describe(self) -> str:
        """What the guard reads and what it does not, as a sentence."""
        policy = self.policy()
        if policy is None:
            return "Personal data is not masked (privacy.profile: off)."
        rules = [f"Personal data: {_describe(policy.actions)}"]
        rules += [f"Route {name}: {_describe(actions)}" for name, actions in sorted(policy.routes.items())]
        rules += [f"Key {name}: {_describe(actions)}" for name, actions in sorted(policy.keys.items())]
        if self.detectors:
            rules.append(f"Detectors of your own: {', '.join(one.name for one in self.detectors)}.")
        pictures = "Has pictures read by a service." if self.unread == "ocr" else "Does not read images or sounds."
        return " ".join([*rules, pictures])

    def policy(self, served: Collection[str] | None = None) -> PrivacyPolicy | None:
        """None where nothing is guarded.

        :raises UnknownName: a rule is for a route that is not among those served
        """
        for name in self.routes:
            if served is not None and name not in served:
                raise UnknownName("model or route (in privacy.routes)", name, served)
        general = PrivacyRuleConfig(profile=self.profile, actions=self.actions).resolve()
        routes = {name: rule.resolve() for name, rule in self.routes.items()}
        keys = {name: rule.resolve() for name, rule in self.keys.items()}
        if not any((general, *routes.values(), *keys.values())) and self.profile == "off":
            return None
        return PrivacyPolicy(
            actions=general,
            routes=routes,
            keys=keys,
            on_error=self.on_error,
            unread=self.unread,
            ocr_url=self.ocr_url,
            ocr_budget_ms=self.ocr_budget_ms,
            detectors=self.list_detectors(),
            surrogates=self.surrogates,
        )

    def list_detectors(self) -> tuple[CustomDetector, ...]:
        return tuple(detector.plan() for detector in self.detectors)


def _describe(actions: dict[str, Action]) -> str:
    read = [kind.plural for name, kind in KINDS.items() if name in actions and name != "CUSTOM"]
    unread = [kind.plural for name, kind in KINDS.items() if name not in actions and name != "CUSTOM"]
    return f"masks {', '.join(read) or 'nothing'}. Does not mask {', '.join(unread)}, or names without a cue."
