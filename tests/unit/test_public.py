"""The public face: what `import steward` offers, and what it does not load."""

from __future__ import annotations

import inspect
import operator
import subprocess
import sys

import pytest

import steward


@pytest.mark.parametrize("name", steward.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(steward, name)
    assert name in dir(steward)
    assert isinstance(value, str) or inspect.getdoc(value)


@pytest.mark.parametrize("name", [name for name in steward.__all__ if name[0].islower() and name[0] != "_"])
def test_every_public_function_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(getattr(steward, name)) or "")


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'steward' has no attribute 'scor'"):
        operator.attrgetter("scor")(steward)


def test_the_import_loads_no_module_of_ours() -> None:
    code = "import sys, steward; print([name for name in sys.modules if name.startswith('steward.')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_name_loads_only_what_it_needs() -> None:
    code = "import sys, steward; steward.plan; print({'numpy', 'pyarrow', 'pydantic'} & set(sys.modules) or 'light')"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "light"
