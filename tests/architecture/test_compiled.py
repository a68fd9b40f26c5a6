"""The modules of the compiled wheel: mypyc takes all of them. `make test-compiled` says what they then answer."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULES = [ROOT / "src" / "steward" / f"{name}.py" for name in SETTINGS["tool"]["steward"]["compiled"]["modules"]]
RECORDS = {"Struct", "BaseModel", "Section"}  # mypyc makes their classes without the keywords, such as `frozen`


def list_bases(path: Path) -> set[str]:
    classes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)]
    return {ast.unparse(base).rpartition(".")[2] for one in classes for base in one.bases}


def test_no_compiled_module_defines_a_record() -> None:
    assert {path.name: found for path in MODULES if (found := list_bases(path) & RECORDS)} == {}


def test_mypyc_translates_every_listed_module(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "compile_modules.py"
    done = subprocess.run(
        [sys.executable, script, tmp_path, "--translate"], capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr
