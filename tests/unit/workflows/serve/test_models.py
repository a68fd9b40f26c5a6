"""Where the engine of an embedded model listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan


def test_a_home_whose_path_no_socket_can_have_is_refused_with_what_to_do(tmp_path: Path) -> None:
    settings = Settings.model_validate({"models": [{"name": "m", "backend": "embedded"}]})
    room = 107 - len("/run/e-0123456789.sock")  # man 7 unix: 108 bytes with the one that ends it
    fits, long = Path("/" + "h" * (room - 1)), Path("/" + "h" * room)
    assert len(str(make_plan(settings, fits, "0").models[0].socket)) == 107
    with pytest.raises(InputError, match=r"1 bytes too long for the socket.*--home /srv/steward"):
        make_plan(settings, long, "0")
