"""The examples in the docstrings of this area."""

import pytest

from docstring_examples import list_examples, run_examples


@pytest.mark.parametrize("module", list_examples("workflows"))
def test_examples_come_out_as_they_stand(module: str) -> None:
    run_examples(module)
