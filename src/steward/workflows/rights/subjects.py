"""Who a person is in a home: the pseudonyms that follow from the name that requests carry."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.core.stores import RightsStore

_PSEUDONYM: Final = re.compile(r"[0-9a-f]{32}")
MOST_NAME: Final = 1000  # characters

FindSubject = Callable[[str, str, str], str | None]  # of tenant, project and name


class DataSubject(msgspec.Struct, frozen=True, kw_only=True):
    """A person, and what each project calls them."""

    tenant: str
    name: str
    by_project: dict[str, str]  # the name's pseudonyms; under "" one that was given as such

    def __repr__(self) -> str:
        return f"DataSubject({len(self.by_project)} pseudonyms)"

    @property
    def pseudonyms(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.by_project.values())))


def find_data_subject(
    rights: RightsStore,
    find_subject: FindSubject,
    tenant: str,
    name: str,
    project: str | None = None,
    others: Collection[str] = (),
) -> DataSubject:
    """`name`: as `X-Steward-Subject` or `user` said it, or a pseudonym of 32 hex digits. `project`: in this one only;
    else in all that the store names, and in `others`.

    :raises InputError: no name, or one that no request can carry
    """
    if not name.strip() or len(name) > MOST_NAME:
        raise InputError(f"a subject of {len(name)} characters: expected the name that requests carry, or a pseudonym")
    if _PSEUDONYM.fullmatch(name):
        return DataSubject(tenant=tenant, name=name, by_project={"": name})
    everywhere = sorted({*rights.list_projects(tenant=tenant), *others})
    projects = [project] if project is not None else everywhere
    found = {each: find_subject(tenant, each, name) for each in projects}
    return DataSubject(
        tenant=tenant,
        name=name,
        by_project={each: pseudonym for each, pseudonym in found.items() if pseudonym is not None},
    )
