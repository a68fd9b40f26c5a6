"""What a release's record says of itself: whether it goes on, and which registered versions its arms serve."""

from __future__ import annotations

from typing import get_args

import pytest

from steward.core.releases import ModelVersion, ReleaseRecord, ReleaseState, RouteVariant


def release(state: ReleaseState = "canary", **fields: RouteVariant) -> ReleaseRecord:
    return ReleaseRecord(
        id="r", route="support", state=state, weight=0.1, started_at=1.0, started_by="operator:0", step_at=1.0,
        route_digest="d", **{"candidate": RouteVariant(kind="model", name="big"), **fields},
    )  # fmt: skip


def test_a_release_goes_on_until_it_is_decided() -> None:
    going_on = {state for state in get_args(ReleaseState) if release(state).is_open}
    assert going_on == {"shadow", "canary", "paused"}
    assert release().revision == 1 and release().alias_number == 0


def test_only_registered_versions_are_held_for_a_release() -> None:
    version = RouteVariant(kind="version", name="bot", version="sha256:3f", served="bot@3f")
    prompt = RouteVariant(kind="prompt", name="tone", version="2")
    assert release(champion=version, candidate=prompt).list_versions() == ["sha256:3f"]
    assert release(champion=prompt, candidate=version).list_versions() == ["sha256:3f"]
    assert release(champion=prompt).list_versions() == []


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (RouteVariant(), "as in the settings"),
        (RouteVariant(kind="model", name="big"), "model big"),
        (RouteVariant(kind="prompt", name="tone", version="2"), "prompt tone@2"),
        (RouteVariant(kind="version", name="bot", version="sha256:3f", served="bot@3f"), "version bot@3f"),
    ],
)
def test_an_arm_is_described_by_what_it_changes(variant: RouteVariant, words: str) -> None:
    assert variant.describe() == words


def test_a_version_answers_under_twelve_digits_of_its_digest() -> None:
    version = ModelVersion(
        name="bot", digest="sha256:" + "0123456789abcdef" * 4, kind="gguf", files=(), created_at=0.0, created_by="a"
    )
    assert version.served == "bot@0123456789ab"
