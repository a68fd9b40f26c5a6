"""A demonstration has a home of its own, with settings that hold."""

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.settings import load_settings
from steward.workflows.demo.fill import MARK, SETTINGS, prepare_demo


def test_the_settings_are_valid_and_are_written_once(tmp_path: Path) -> None:
    settings = prepare_demo(tmp_path / "home")
    loaded = load_settings(settings, {}).settings
    assert [route.name for route in loaded.routes] == ["assistant", "search", "drafts"] and len(loaded.slos) == 4
    settings.write_text("# changed\n" + SETTINGS)
    assert prepare_demo(tmp_path / "home").read_text().startswith("# changed")


def test_a_deployment_is_not_mixed_with_what_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "steward.db").touch()
    with pytest.raises(InputError, match="choose another --home"):
        prepare_demo(tmp_path)
    (tmp_path / MARK).touch()
    assert prepare_demo(tmp_path).exists()
