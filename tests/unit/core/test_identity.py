from steward.core.identity import ALL_RIGHTS, ANONYMOUS, KEY_RIGHTS, Principal, keep_known_rights, operator


def test_nobody_may_do_what_is_not_public() -> None:
    assert ANONYMOUS.has("public")
    assert not any(ANONYMOUS.has(right) for right in ALL_RIGHTS - {"public"})


def test_the_command_line_has_all_rights() -> None:
    assert operator(1000).rights == ALL_RIGHTS
    assert operator(0).actor == "operator:0"


def test_a_key_asks_models_and_rates_answers_and_no_more() -> None:
    key = Principal(kind="key", id="k1", rights=KEY_RIGHTS, auth_method="api-key")
    assert key.has("infer") and key.has("feedback") and key.has("models.read")
    assert not key.has("keys.manage") and not key.has("console.read")


def test_a_principal_belongs_to_the_default_tenant_unless_told() -> None:
    assert (ANONYMOUS.tenant, ANONYMOUS.project) == ("default", "default")


def test_a_right_of_a_later_release_is_none_here() -> None:
    assert keep_known_rights(["infer", "a.later.right", "feedback.project"]) == {"infer", "feedback.project"}
    assert keep_known_rights([]) == frozenset()


def test_only_a_key_is_counted_under_its_bare_id() -> None:
    assert Principal(kind="key", id="0123abcd").account == "0123abcd"
    assert Principal(kind="certificate", id="0123abcd").account == "certificate:0123abcd"
