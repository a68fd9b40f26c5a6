import pytest

from improvement_manifests import make_manifest
from steward.core.errors import Unavailable
from steward.gateway.middleware.identify import pseudonym
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.shared_secrets import SUBJECT_INDEX, ensure_secret


def test_people_are_named_as_the_gateway_names_them(tmp_path):
    home = DatasetHome(tmp_path / "home")
    name = home.subject_namer("default", "default")
    store = home._deployment.open_store()
    key = ensure_secret(store.secrets, home._root, SUBJECT_INDEX, "default", 0.0)
    store.close()
    assert name("ana") == pseudonym(key, "default", "ana") == home.subject_namer("default", "default")("ana")
    assert home.subject_namer("default", "other")("ana") != name("ana")


def test_sets_are_registered_wherever_they_are(tmp_path):
    home = DatasetHome(tmp_path / "home")
    assert home.list_registered() == []
    home.register(make_manifest(digest="sha256:aa"), tmp_path / "x", 3.0)
    [one] = DatasetHome(tmp_path / "home").list_registered()
    assert (one.name, one.digest, one.folder, one.built_at, one.subjects) == (
        "support", "sha256:aa", str(tmp_path / "x"), 3.0, 1,
    )  # fmt: skip


def test_a_register_that_cannot_be_read_is_told(tmp_path):
    home = DatasetHome(tmp_path / "home")
    home.register(make_manifest(), tmp_path / "x", 3.0)
    with (home.folder / "register.jsonl").open("ab") as file:
        file.write(b"{\n")
    with pytest.raises(Unavailable, match="a line that cannot be read"):
        home.list_registered()
