"""The section `privacy` of steward.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field, model_validator

from steward.configuration.section import Section
from steward.privacy.guard import Action, PrivacyPolicy


class ActionsConfig(Section):
    """What is done with each kind of personal data that a request contains; unset: `default`, else the profile's."""

    default: Action | None = Field(None, description="every kind that is not named: pseudonymise, redact, block, allow")
    email: Action | None = Field(
        None,
        validation_alias=AliasChoices("email", "email_address"),
        description="e-mail addresses (also: email_address)",
    )
    phone: Action | None = Field(
        None, validation_alias=AliasChoices("phone", "phone_number"), description="phone numbers (also: phone_number)"
    )
    payment_card: Action | None = Field(
        None,
        validation_alias=AliasChoices("payment_card", "credit_card"),
        description="card numbers that pass Luhn's check (also: credit_card)",
    )
    ip_address: Action | None = Field(None, description="IPv4 and IPv6 addresses")


class PrivacyConfig(Section):
    """Personal data in requests. Off unless asked: without a guard the bytes of a request pass through unchanged."""

    profile: Literal["off", "standard", "gdpr"] = Field(
        "off",
        description="standard: pseudonymise e-mail addresses, phone numbers and cards; gdpr: IP addresses too",
    )
    actions: ActionsConfig = Field(ActionsConfig(), description="what happens to each kind of personal data")
    on_error: Literal["block", "allow"] = Field(
        "block", description="when the guard fails: block the request, or allow it through unmasked"
    )

    @model_validator(mode="after")
    def _check_effect(self) -> PrivacyConfig:
        if self.profile == "off" and self.model_fields_set - {"profile"}:
            names = " and ".join(sorted(self.model_fields_set - {"profile"}))
            raise ValueError(f"{names}: without effect while profile is off; choose profile: standard or gdpr")
        return self

    def describe(self) -> str:
        """What the guard reads and what it does not, as a sentence."""
        policy = self.policy()
        if policy is None:
            return "Personal data is not masked (privacy.profile: off)."
        kinds = {"email": "e-mail addresses", "phone": "phone numbers", "payment_card": "payment cards"}
        kinds |= {"ip_address": "IP addresses"}
        read = [words for name, words in kinds.items() if getattr(policy, name) != "allow"]
        return (
            f"Personal data: masks {', '.join(read) or 'nothing'}, found by their form. Does not mask names, postal "
            "addresses, dates of birth, record numbers, passwords or images."
        )

    def policy(self) -> PrivacyPolicy | None:
        """None where nothing is guarded. IP addresses are personal data under GDPR: recital 30, CJEU C-582/14."""
        if self.profile == "off":
            return None
        actions = self.actions
        otherwise: Action = actions.default or "pseudonymise"
        address: Action = actions.default or ("pseudonymise" if self.profile == "gdpr" else "allow")
        return PrivacyPolicy(
            email=actions.email or otherwise,
            phone=actions.phone or otherwise,
            payment_card=actions.payment_card or otherwise,
            ip_address=actions.ip_address or address,
            on_error=self.on_error,
        )
