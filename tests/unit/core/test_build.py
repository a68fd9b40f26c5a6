from __future__ import annotations

from pathlib import Path

import pytest

from steward.core import build


def test_a_build_is_compiled_where_the_shared_object_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "steward__mypyc.py").touch()  # another installation's
    assert build.name_build() == "pure Python"
    monkeypatch.setattr(build, "__file__", str(tmp_path / "steward" / "core" / "build.py"))
    assert build.name_build() == "compiled"
