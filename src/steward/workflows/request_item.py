"""A request as an item of an evaluation: what was asked, and the answer that would have been right.

The item is given to whoever asks for it and kept nowhere: what people wrote lies unsealed in no file of a home.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.identity import Principal
from steward.workflows.appeals import AppealItem, find_question
from steward.workflows.request_content import read_request_content


def make_request_item(
    home: Path, store: SqlStore, request_id: str, answer: str, now: float, *, actor: Principal, tenant: str | None
) -> AppealItem:
    """Reading what was asked is an act, with the actor's reason.

    :raises UnknownName: no such request
    :raises InputError: no answer or no reason, or what was asked is not kept
    :raises Unavailable: the store does not answer, or the reading cannot be recorded
    """
    if not answer.strip():
        raise InputError("answer: empty; an evaluation item needs the answer that would have been right")
    content = read_request_content(home, store, request_id, now, actor=actor, tenant=tenant)
    try:
        question = find_question(content.request.encode()) if content.request else ""
    except msgspec.DecodeError:  # a form, such as of a sound
        question = ""
    if not question.strip():
        why = "was erased" if content.erased else "is not kept, or holds no text of a person"
        raise InputError(f"what was asked in {request_id} {why}; write the item by hand: id, question, answer")
    return AppealItem(id=request_id, question=question, answer=answer.strip())
