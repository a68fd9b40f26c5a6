"""Advisory 24, CVE-2025-68664 and CVE-2026-27794: a dictionary became an object, a cache was unpickled."""

from __future__ import annotations

import json

import msgspec
import pytest

from source_facts import list_calls, list_imports, scans_source
from steward.configuration.yaml_lines import read_mapping
from steward.core.errors import InputError

REVIVED = {"lc": 1, "type": "constructor", "id": ["os", "environ"], "kwargs": {"secrets_from_env": True}}


def test_a_dictionary_stays_one() -> None:
    from steward.core.acts import AdministrativeAct

    body = json.dumps({"at": 1, "actor": "a", "action": "b", "subject": "c", **REVIVED}).encode()
    act = msgspec.json.decode(body, type=AdministrativeAct)
    assert type(act) is AdministrativeAct and act.subject == "c"


@scans_source
def test_no_library_that_revives_is_imported() -> None:
    unsafe = {"pickle", "dill", "shelve", "marshal", "jsonpickle", "langchain", "langchain_core"}
    assert not [path for path, module in list_imports() if module.partition(".")[0] in unsafe]


@scans_source
def test_yaml_makes_plain_values_only(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "steward.yaml"
    file.write_text("home: !!python/object/apply:os.system ['touch executed']\n")
    with pytest.raises(InputError):
        read_mapping(file, such_as="gateway")
    assert not (tmp_path / "executed").exists()
    assert not [path for path, call in list_calls() if call in ("yaml.load", "yaml.unsafe_load", "yaml.full_load")]
