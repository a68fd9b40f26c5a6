"""Hatchling's hook for a compiled wheel: with `STEWARD_COMPILE=1` in the environment, and only then.

The hot modules are compiled by `compile_modules.py` and join the wheel beside their source; the wheel is then one of a
platform and a Python. Without the variable, and in an editable installation, nothing happens and nothing is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    def dependencies(self) -> list[str]:
        """What the build environment needs beside hatchling: the compiler, and whatever the source takes types from."""
        if not is_asked():
            return []
        return ["mypy[mypyc]>=2.4,<3", "setuptools", *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not is_asked() or version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        script = Path(__file__).with_name("compile_modules.py")
        subprocess.run([sys.executable, str(script), self._folder.name], check=True)
        built = Path(self._folder.name)
        build_data["force_include"] |= {
            str(path): str(path.relative_to(built)) for path in sorted(built.rglob("*")) if path.is_file()
        }
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if is_asked() and version != "editable":
            self._folder.cleanup()


def is_asked() -> bool:
    return os.environ.get("STEWARD_COMPILE", "") not in ("", "0")
