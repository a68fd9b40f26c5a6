"""Advisory 25, CVE-2026-34070: a prompt's name led to any file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from steward.core.errors import InputError
from steward.settings import Settings
from steward.workflows import prompts

NAMES = ["../secret", "..", "/etc/passwd", "a/../../secret", "secret\x00", "..%2fsecret", "a\\..\\secret", "lc://x", ""]


@pytest.mark.parametrize("name", NAMES)
def test_a_route_finds_no_prompt_outside_the_home(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    (home / "prompts").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "0001-00000000.json").write_text('{"at": 1, "system": "stolen", "examples": []}')
    (tmp_path / "secret" / "in-use").write_text("1-00000000")
    assert prompts.list_versions(home, name) == []
    with pytest.raises(InputError):
        prompts.find(home, name)
    tree = {
        "models": [{"name": "m", "backend": "openai", "url": "http://a"}],
        "routes": [{"name": "r", "targets": [{"model": "m"}], "prompt": {"name": name or "x"}}],
    }
    with pytest.raises((InputError, ValidationError)):
        prompts.prompts_of(Settings.model_validate(tree), home)
