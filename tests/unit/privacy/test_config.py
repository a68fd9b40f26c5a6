import pytest

from steward.privacy.config import PrivacyConfig


def actions(**config: object) -> tuple[str, str, str, str]:
    policy = PrivacyConfig.model_validate(config).policy()
    assert policy is not None
    return policy.email, policy.phone, policy.payment_card, policy.ip_address


def test_off_means_no_guard() -> None:
    assert PrivacyConfig().policy() is None
    with pytest.raises(ValueError, match="actions: without effect while profile is off"):
        PrivacyConfig.model_validate({"actions": {"email": "block"}})


def test_only_gdpr_counts_ip_addresses_as_personal() -> None:
    """Recital 30 of the GDPR; CJEU C-582/14, Breyer."""
    assert actions(profile="standard") == ("pseudonymise", "pseudonymise", "pseudonymise", "allow")
    assert actions(profile="gdpr") == ("pseudonymise",) * 4


@pytest.mark.parametrize("profile", ["standard", "gdpr"])
def test_a_default_action_is_for_every_kind_that_has_none_of_its_own(profile: str) -> None:
    given = {"default": "redact", "phone_number": "block"}
    assert actions(profile=profile, actions=given) == ("redact", "block", "redact", "redact")


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({"profile": "standard"}, "e-mail addresses, phone numbers, payment cards"),
        ({"profile": "gdpr"}, "e-mail addresses, phone numbers, payment cards, IP addresses"),
        (
            {"profile": "gdpr", "actions": {"phone": "allow", "email": "block"}},
            "e-mail addresses, payment cards, IP addresses",
        ),
        ({"profile": "gdpr", "actions": {"default": "allow"}}, "nothing"),
    ],
)
def test_a_sentence_says_what_is_masked(config: dict[str, object], kinds: str) -> None:
    assert f"masks {kinds}, found by their form" in PrivacyConfig.model_validate(config).describe()
    assert PrivacyConfig().describe() == "Personal data is not masked (privacy.profile: off)."
