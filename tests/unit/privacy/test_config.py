"""What the section `privacy` makes of profiles and actions."""

import pytest

from ranges import read_limits, read_ranges
from settings_reference import describe_settings, read_settings
from steward.core.errors import UnknownName
from steward.privacy.config import PrivacyConfig, PrivacyDetectorConfig
from steward.privacy.custom import CustomDetector
from steward.privacy.policy import Action, PrivacyPolicy


def policy(**config: object) -> PrivacyPolicy:
    made = PrivacyConfig.model_validate(config).policy()
    assert made is not None
    return made


def actions(**config: object) -> list[Action | None]:
    chosen = policy(**config).actions
    return [chosen.get(name) for name in ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "DATE_TIME")]


def test_off_means_no_guard() -> None:
    assert PrivacyConfig().policy() is None
    for config in ({"actions": {"email": "block"}}, {"on_error": "allow"}):
        with pytest.raises(ValueError, match=f"{next(iter(config))}: without effect while profile is off"):
            PrivacyConfig.model_validate(config)


def test_profiles() -> None:
    """Dates: 45 CFR 164.514(b)(2)(i)(C) removes all elements but the year; cards: PCI DSS 4.0, 3.4.1."""
    personal = ["pseudonymise", "pseudonymise", "pseudonymise", None]
    assert actions(profile="default") == actions(profile="standard") == actions(profile="gdpr") == personal
    assert actions(profile="hipaa_safe_harbor") == [*personal[:3], "generalise"]
    assert policy(profile="secrets-only").actions == {"SECRET": "redact"}
    assert actions(profile="pci") == [None, None, "mask", None]


def test_a_default_action_is_for_every_kind_of_the_profile_that_has_none_of_its_own() -> None:
    given = {"default": "redact", "phone_number": "block"}
    assert actions(profile="standard", actions=given) == ["redact", "block", "redact", None]


def test_a_kind_that_the_profile_leaves_can_be_added_and_one_that_it_has_left() -> None:
    given = {"DATE_TIME": "generalise", "email": "allow"}
    assert actions(profile="gdpr", actions=given) == [None, "pseudonymise", "pseudonymise", "generalise"]


@pytest.mark.parametrize("names", [("email", "EMAIL_ADDRESS"), ("payment_card", "credit_card")])
def test_older_names_mean_the_same_and_are_not_named_twice(names: tuple[str, str]) -> None:
    first, second = ({"profile": "gdpr", "actions": {name: "block"}} for name in names)
    assert policy(**first) == policy(**second)
    with pytest.raises(ValueError, match="has an action already"):
        policy(profile="gdpr", actions=dict.fromkeys(names, "block"))


def test_an_unknown_kind_is_refused_with_a_likely_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'EMAIL_ADDRESS'"):
        policy(profile="gdpr", actions={"EMAIL_ADRESS": "block"})


def test_routes_and_keys_have_rules_of_their_own() -> None:
    made = policy(routes={"support": {"profile": "pci"}}, keys={"ab12": {"actions": {"default": "hash"}}})
    assert made.actions == {} and made.routes == {"support": {"CREDIT_CARD": "mask"}}
    assert set(made.keys["ab12"].values()) == {"hash"}
    assert made.choose_actions("support", "") == made.routes["support"]
    assert made.choose_actions("support", "ab12") == made.keys["ab12"] and made.choose_actions("other", "") == {}


def test_a_rule_for_a_route_that_is_not_served_is_refused() -> None:
    config = PrivacyConfig.model_validate({"routes": {"suport": {}}})
    with pytest.raises(UnknownName, match=r"in privacy.routes.*suport.*did you mean 'support'"):
        config.policy(["support"])
    assert config.policy() is not None


def test_a_sentence_says_what_is_masked_and_what_is_not() -> None:
    text = PrivacyConfig.model_validate({"profile": "pci", "routes": {"support": {"profile": "gdpr"}}}).describe()
    general, route = text.split(" Route support: ")
    assert "masks payment cards. Does not mask e-mail addresses, phone numbers" in general
    assert "masks e-mail addresses, phone numbers" in route and "Does not mask organisations, dates, ages" in route
    assert text.endswith("Does not read images or sounds.")
    assert PrivacyConfig().describe() == "Personal data is not masked (privacy.profile: off)."


@pytest.mark.parametrize(
    ("detector", "problem"),
    [
        ({"name": "badge"}, "one of pattern, words, function, url and spacy; this one has none"),
        ({"name": "badge", "pattern": "a", "words": ["b"]}, "this one has pattern and words"),
        ({"name": "badge", "pattern": "a", "url": "http://h"}, "this one has pattern and url"),
        ({"name": "badge", "pattern": "a", "on_error": "allow"}, "on_error: without effect for a detector by pattern"),
        ({"name": "badge", "words": ["b"], "budget_ms": 5}, "budget_ms: without effect for a detector by words"),
        ({"name": "badge", "function": "a.py:f", "near": ["b"]}, "near: without effect for a detector by function"),
        ({"name": "badge", "function": "a.f"}, "expected path/to/file.py:name"),
        ({"name": "badge", "url": "localhost/find"}, "expected an address that begins with http"),
        ({"name": "badge", "url": "http://h", "budget_ms": 0}, "budget_ms"),
        ({"name": "badge", "pattern": "a+"}, "pattern: \\+ has no bound"),
        ({"name": "badge", "words": [" "]}, "words: ' ' does not begin"),
        ({"name": "badge", "pattern": "a", "near": ["("]}, "near: "),
        ({"name": "badge", "pattern": "a", "entity": "BADGE"}, "entity: "),
        ({"name": "Badge", "pattern": "a"}, "name"),
        ({"name": "badge", "pattern": "a", "score": 0.4}, "score"),
    ],
)
def test_a_detector_that_could_not_work_is_refused(detector: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        PrivacyConfig.model_validate({"detectors": [detector]})


def test_a_detector_reaches_the_policy_with_the_entity_of_today() -> None:
    config = PrivacyConfig.model_validate(
        {"profile": "gdpr", "detectors": [{"name": "badge", "pattern": "B-[0-9]{4}", "entity": "email"}]}
    )
    policy = config.policy()
    assert policy is not None and policy.detectors == (
        CustomDetector(name="badge", pattern="B-[0-9]{4}", entity="EMAIL_ADDRESS"),
    )
    assert policy.actions["CUSTOM"] == "pseudonymise"
    assert "Detectors of your own: badge." in config.describe()


def test_a_detector_is_believed_from_even_odds_on() -> None:
    assert read_ranges(PrivacyDetectorConfig) == {"score": "0.5 <= x <= 1", "budget_ms": "0 < x"}


def test_a_service_reaches_the_policy_with_its_budget_and_what_its_failure_means() -> None:
    service = {"name": "s", "url": "http://h/find", "language": "de", "budget_ms": 50, "on_error": "allow"}
    policy = PrivacyConfig.model_validate({"profile": "gdpr", "detectors": [service]}).policy()
    assert policy is not None and policy.detectors == (
        CustomDetector(name="s", url="http://h/find", language="de", budget_ms=50, on_error="allow"),
    )
    assert policy.detectors[0].is_external and not CustomDetector(name="s", words=("b",)).is_external


@pytest.mark.parametrize(
    ("privacy", "problem"),
    [
        ({"profile": "gdpr", "unread": "ocr"}, "unread: ocr needs it"),
        ({"profile": "gdpr", "ocr_url": "http://h"}, "nothing else does"),
        ({"profile": "gdpr", "unread": "ocr", "ocr_url": "localhost"}, "expected an address that begins with http"),
        ({"profile": "off", "surrogates": True}, "surrogates: without effect while profile is off"),
    ],
)
def test_pictures_are_read_by_a_service_that_is_named(privacy: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        PrivacyConfig.model_validate(privacy)
    read = PrivacyConfig.model_validate({"profile": "gdpr", "unread": "ocr", "ocr_url": "http://h/read"})
    policy = read.policy()
    assert policy is not None and (policy.unread, policy.ocr_url) == ("ocr", "http://h/read")
    assert read.describe().endswith("Has pictures read by a service.")


def test_defaults_and_lengths_are_those_of_the_settings_reference() -> None:
    assert read_limits(PrivacyConfig) == {"ocr_budget_ms": "10000.0: 0 < x <= 120000"}  # two minutes
    assert read_limits(PrivacyDetectorConfig) == {
        "words": "n <= 100000",
        "score": "0.9: 0.5 <= x <= 1",
        "budget_ms": "2000.0: 0 < x",
    }


@pytest.mark.parametrize("section", ["privacy.", "retention.", "processors[].", "personal_files[]."])
def test_defaults_and_bounds_are_those_that_operators_read(section: str) -> None:
    rows = read_settings(section)
    assert rows and describe_settings(section) == rows
