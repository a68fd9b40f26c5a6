"""Keys as they are shown, and found by name."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import UnknownName
from steward.core.identity import Principal, operator
from steward.core.keys import KeyRecord
from steward.workflows.key_views import (
    copy_view,
    describe_terms,
    find_in_force,
    find_key,
    find_state,
    is_visible,
    list_replaced,
)


def key(name: str, **changes: Any) -> KeyRecord:
    return KeyRecord(**{"id": f"id_{name}", "name": name, "digest": "secret", "created_at": 1.0, **changes})


@pytest.mark.parametrize(
    ("changes", "now", "state"),
    [
        ({}, 5.0, "valid"),
        ({"expires_at": 5.0}, 4.9, "valid"),
        ({"expires_at": 5.0}, 5.0, "expired"),
        ({"not_before": 5.0}, 4.9, "not yet valid"),
        ({"not_before": 5.0}, 5.0, "valid"),
        ({"revoked_at": 9.0, "expires_at": 1.0}, 5.0, "revoked"),
        ({"expires_at": 5.0, "not_before": 9.0}, 5.0, "expired"),
    ],
)
def test_what_holds_of_a_key_now(changes: dict[str, Any], now: float, state: str) -> None:
    assert find_state(key("a", **changes), now) == state


def test_a_key_is_shown_without_its_digest() -> None:
    shown = copy_view(key("a", rpm=5))
    assert "digest" not in shown and (shown["id"], shown["rpm"]) == ("id_a", 5)


def test_an_operator_sees_all_tenants() -> None:
    record = key("a", tenant="t")
    assert is_visible(record, operator(7))
    assert is_visible(record, Principal(kind="key", id="k", tenant="t"))
    assert not is_visible(record, Principal(kind="key", id="k", tenant="other"))


def test_a_key_is_found_by_id_else_by_the_name_in_force() -> None:
    revoked = key("a", id="1", revoked_at=1.0)
    replaced = key("a", id="2", replaced_by="3")
    current = key("a", id="3")
    other = key("3", id="4")  # its name is another's id
    records = [revoked, replaced, current, other]
    assert find_key(records, "a") is current and find_key(records, "3") is current
    assert find_key(records[:2], "a") is replaced and find_key(records[:1], "a") is revoked
    assert find_key(records, "none") is None


def test_only_a_key_in_force_is_found_for_a_change() -> None:
    records = [key("a", revoked_at=1.0), key("b")]
    assert find_in_force(records, "b") is records[1]
    with pytest.raises(UnknownName, match="id_b"):
        find_in_force(records, "a")


def test_a_key_and_those_that_it_replaced() -> None:
    first = key("a", id="1", replaced_by="2")
    second = key("a", id="2", replaced_by="3")
    third = key("a", id="3")
    gone = key("a", id="0", replaced_by="2", revoked_at=1.0)
    assert list_replaced([first, gone, second, third], third) == [third, second, first]
    assert list_replaced([first, second, third], first) == [first]


def test_the_terms_of_a_key_in_words() -> None:
    assert describe_terms(key("a", rights=frozenset({"infer", "feedback"}))) == "rights feedback,infer"
    full = key(
        "a", rights=frozenset({"infer"}), models=frozenset({"b", "a"}), networks=("10.0.0.0/8",), expires_at=12.6
    )
    assert describe_terms(full) == "rights infer; models a,b; networks 10.0.0.0/8; expires 13"
    assert describe_terms(key("a", rights=frozenset({"infer"}), models=frozenset())) == "rights infer; models "
