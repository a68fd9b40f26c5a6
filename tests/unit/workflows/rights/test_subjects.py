"""Who a person is: the pseudonym of each project, or one that was given as such."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import InputError
from steward.workflows.rights.subjects import MOST_NAME, find_data_subject


class Projects:
    def list_projects(self, *, tenant: str) -> list[str]:
        return ["p", "q"] if tenant == "t" else []


PROJECTS: Any = Projects()


def name_in(tenant: str, project: str, name: str) -> str | None:
    return None if project == "q" else f"{tenant}/{project}/{name}"


def test_a_person_has_a_pseudonym_in_each_project_that_has_keys() -> None:
    person = find_data_subject(PROJECTS, name_in, "t", "anna")
    assert person.by_project == {"p": "t/p/anna"} and person.pseudonyms == ("t/p/anna",)
    assert "anna" not in repr(person)


def test_one_project_is_enough_where_it_is_named() -> None:
    assert find_data_subject(PROJECTS, name_in, "u", "anna", "x").by_project == {"x": "u/x/anna"}


def test_a_pseudonym_stands_for_itself() -> None:
    assert find_data_subject(PROJECTS, name_in, "t", "a" * 32).pseudonyms == ("a" * 32,)


@pytest.mark.parametrize("name", ["", "  ", "x" * (MOST_NAME + 1)])
def test_a_name_that_no_request_carries_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="expected the name that requests carry"):
        find_data_subject(PROJECTS, name_in, "t", name)


def test_a_name_may_have_a_thousand_characters() -> None:
    assert find_data_subject(PROJECTS, name_in, "t", "x" * 1000).by_project


def test_projects_that_only_a_training_set_names_count_too() -> None:
    found = find_data_subject(PROJECTS, name_in, "t", "anna", others=["p", "set"])
    assert found.by_project == {"p": "t/p/anna", "set": "t/set/anna"}
