import pytest

from steward.console.settings_edits import SettingEdit, apply_edits, decode_edits, encode_edits, find_place
from steward.core.errors import InputError

TEXT = "routes:\n- name: a\n  targets: [{model: x/y, weight: 1}, {model: z.1}]\n- name: b\n  targets: [{model: z.1}]\n"


def test_names_lead_to_places() -> None:
    assert find_place(TEXT, "routes[b].targets[z.1].weight") == "routes.1.targets.0.weight"
    assert find_place(TEXT, "routes[a].targets[x/y]") == "routes.0.targets.0"
    assert find_place(TEXT, "gateway.port") == "gateway.port" and find_place("", "a.b") == "a.b"
    assert find_place(TEXT, "routes.1.name") == "routes.1.name"
    assert find_place(TEXT, "routes.2.name") == "routes.2.name"  # the settings say that there is none
    named = "routes:\n- {name: a, model: b}\n"
    assert find_place(named, "routes[a].weight") == "routes.0.weight"
    with pytest.raises(InputError, match="no routes called 'b'"):
        find_place(named, "routes[b].weight")  # what has a name is called by it


@pytest.mark.parametrize("key", ["routes[c].name", "models[a].name", "routes[a].targets[nobody].weight"])
def test_what_is_not_there_is_said(key: str) -> None:
    with pytest.raises(InputError, match="the file has no"):
        find_place(TEXT, key)


def test_several_values_change_together() -> None:
    edits = [SettingEdit("routes[a].targets[x/y].weight", "3"), SettingEdit("routes[b].targets[z.1].weight", "4")]
    changed = apply_edits(TEXT, edits)
    assert "{model: x/y, weight: 3}" in changed and "[{weight: 4, model: z.1}]" in changed
    assert decode_edits(encode_edits(edits)) == edits


def test_what_was_changed_on_its_way_is_refused() -> None:
    for text in ("", "[1]", "{}"):
        with pytest.raises(InputError, match="open the page again"):
            decode_edits(text)
    with pytest.raises(InputError, match="not valid YAML"):
        find_place("a: [", "a")
