"""Compile the modules of `[tool.steward.compiled]` in pyproject.toml to C with mypyc: `compile_modules.py FOLDER`.

What a compiled wheel has beside the pure one (docs/decisions/0048-compiled-wheel.md). Into FOLDER go the shared
objects, laid as in `src`; Python takes one before the module of the same name. Needs a C compiler and Python's headers.
`--translate` ends before the C compiler: two seconds, for a test that all listed modules can be compiled.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.command.build_ext import build_ext

ROOT: Final = Path(__file__).resolve().parent.parent
GROUP: Final = "steward"  # the shared object of all modules is steward__mypyc
# Types of the whole program, so that calls between modules become C calls. What the package's face names for type
# checkers is everything there is, torch included: with it mypy takes eight gigabytes.
MYPY: Final = """
[mypy]
mypy_path = {source}
cache_dir = {folder}/cache
explicit_package_bases = True
python_version = {version}
strict = True
warn_unused_ignores = False
follow_imports = silent
ignore_missing_imports = True
[mypy-steward]
follow_imports = skip
"""


def read_modules() -> list[str]:
    """Paths below the repository, such as `src/steward/privacy/scan.py`."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [f"src/steward/{name}.py" for name in settings["tool"]["steward"]["compiled"]["modules"]]


def compile_modules(into: Path, translate_only: bool = False) -> None:
    """:raises SystemExit: a module that mypyc refuses, with its line; or no C compiler"""
    if not translate_only and not shutil.which(os.environ.get("CC", "cc")):
        raise SystemExit(
            "no C compiler (cc) is on the path, which a compiled wheel needs: `apt-get install gcc libc6-dev`, "
            "or unset STEWARD_COMPILE for the pure wheel"
        )
    into = into.resolve()
    os.chdir(ROOT)  # mypyc names modules by their path from here
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "mypy.ini")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        config.write_text(MYPY.format(source=ROOT / "src", folder=folder, version=version), encoding="utf-8")
        extensions = mypycify(
            ["--config-file", str(config), *read_modules()],
            opt_level="2",
            debug_level="0",
            multi_file=True,
            target_dir=f"{folder}/c",
            group_name=GROUP,
        )
        if translate_only:
            return
        command = build_ext(Distribution({"name": "steward", "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(into), f"{folder}/o"
        command.parallel = os.cpu_count() or 1
        command.ensure_finalized()
        command.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--translate", action="store_true")
    options = parser.parse_args()
    compile_modules(options.folder, options.translate)


if __name__ == "__main__":
    main()
