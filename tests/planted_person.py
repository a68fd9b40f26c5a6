"""One person, planted in every table and every entry of a home that the map of data says may hold people.

`PLANTERS` has a function for each such place; each says under which name an export must count what it has planted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.tables import metadata
from steward.core.captures import CapturedContent, CapturedExchange, CapturedText
from steward.core.identity import operator
from steward.core.records import Admitted, Feedback
from steward.gateway.batch import Batch
from steward.gateway.feedback import FeedbackContent
from steward.gateway.ledger import LedgerWriter
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse
from steward.settings import Settings
from steward.workflows.audit import make_act
from steward.workflows.batch_store import BatchStore, make_file_record
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.incidents import open_incident, update_incident
from steward.workflows.response_store import FileResponseStore
from steward.workflows.rights.corrections import correct_person
from steward.workflows.rights.home import RightsHome
from steward.workflows.sealing import SPOOL, find_place
from steward.workflows.serve.capture_spool import FolderCaptureSpool
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.spool import SpoolWriter
from steward.workflows.train.run import start_run
from training_sets import build_set, question

NAME, CANARY = "quirin.maier-4711@clinic.example", "Zwölfender-am-Kanarienvogel"
REQUEST, LATE, CONVERSATION = f"req_{'a1' * 12}", f"req_{'b2' * 12}", "c3" * 16
ACTOR = operator(1000)
NOW = 1_700_000_000.0
USUAL: Final[dict[type, Any]] = {float: 1.0, int: 1, str: "x", bytes: b"", bool: False}


class Planted:
    """A home that serves nothing, with registered files beside it."""

    def __init__(self, folder: Path, store: dict[str, str] | None = None) -> None:
        self.folder, self.home = folder, folder / "home"
        (self.home / "run").mkdir(parents=True)
        places = {"sources": folder / "sources" / "a.jsonl", "evaluations": folder / "evaluations"}
        files = [{"name": name, "path": str(path)} for name, path in places.items()]
        for name in places:
            (folder / name).mkdir()
        models = [{"name": "m", "backend": "openai", "url": "http://x"}]
        settings = Settings.model_validate(
            {"models": models, "personal_files": files} | ({"store": store} if store else {})
        )
        plan = msgspec.structs.replace(
            make_plan(settings, self.home, "0"), responses_store=ResponseStorePlan(keep_s=1e12)
        )
        (self.home / "run" / "plan.json").write_bytes(msgspec.json.encode(plan))
        self.pseudonym = DatasetHome(self.home).subject_namer("default", "p")(NAME)
        self.opened: RightsHome

    def insert(self, table: str, **values: Any) -> None:
        """A row, with something in each column that must have something."""
        wanted = {
            column.name: USUAL[column.type.python_type]
            for column in metadata.tables[table].columns
            if not column.nullable and column.server_default is None
        }
        with self.opened.store.database.write() as connection:
            connection.execute(sa.insert(metadata.tables[table]).values(wanted | values))

    def write(self, name: str, text: str) -> None:
        """A file of the home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def make_feedback(planted: Planted, name: str, request_id: str) -> Feedback:
    return Feedback(
        id=name, at=NOW, key_id="k", project="p", request_id=request_id, score=1.0, subject=planted.pseudonym
    )


def make_capture(planted: Planted, request_id: str) -> tuple[CapturedExchange, CapturedContent]:
    record = CapturedExchange(
        request_id=request_id, at=NOW, key_id="k", project="p", endpoint="/v1/chat/completions", route="m", model="m",
        streamed=False, subject=planted.pseudonym, conversation=CONVERSATION, purpose="support", consent=None,
        form="as_sent", rules_version="1", expires_at=1e12, complete=True, sealed=b"",
    )  # fmt: skip
    return record, CapturedContent(json.dumps({"messages": [CANARY]}).encode(), (CapturedText(0, "content", CANARY),))


def make_admitted(planted: Planted, request_id: str) -> Admitted:
    return Admitted(
        request_id=request_id, at=NOW, key_id="k", project="p", endpoint="/v1/chat/completions", route="m",
        streamed=False, subject=planted.pseudonym, conversation=CONVERSATION,
    )  # fmt: skip


# -- tables ------------------------------------------------------------------------------------------


def plant_exchange(planted: Planted) -> str:
    planted.insert(
        "exchanges", request_id=REQUEST, project="p", subject=planted.pseudonym, conversation=CONVERSATION, at=NOW,
        traceparent="00-a", attempts=msgspec.msgpack.encode(()),
    )  # fmt: skip
    return "exchanges"


def plant_open_request(planted: Planted) -> str:
    record = msgspec.msgpack.encode(make_admitted(planted, "req_open"))
    planted.insert("outstanding", request_id="req_open", record=record)
    return "open_requests"


def plant_trace(planted: Planted) -> str:
    planted.insert("traces", request_id=REQUEST, at=NOW)
    return "traces"


def plant_features(planted: Planted) -> str:
    planted.insert("request_features", request_id=REQUEST, at=NOW, features="{}")
    return "exchanges"  # numbers about a request that is exported


def plant_feedback(planted: Planted) -> str:
    record = make_feedback(planted, "fb_1", REQUEST)
    sealed = planted.opened.contents.seal(record, msgspec.msgpack.encode(FeedbackContent(CANARY, CANARY)))
    values = {name: getattr(record, name) for name in Feedback.__struct_fields__}
    planted.insert("feedback", **values | {"sealed": sealed, "person": planted.pseudonym})
    return "feedback"


def plant_capture(planted: Planted) -> str:
    record, content = make_capture(planted, REQUEST)
    sealed = planted.opened.contents.seal(record, msgspec.msgpack.encode(content))
    planted.insert("captures", **msgspec.structs.asdict(record) | {"sealed": sealed})
    return "captures"


def plant_correction(planted: Planted) -> str:
    correct_person(planted.home, NAME, f"{CANARY} is right", NOW, actor=ACTOR, project="p")
    return "corrections"


def plant_released_hold(planted: Planted) -> str:
    planted.insert("holds", id="hold_1", subject=planted.pseudonym, released_at=NOW - 1, released_by="operator:1")
    return ""  # tells nothing of the person, and goes with them


def plant_nothing(planted: Planted) -> str:
    """What other planters, or the erasure itself, have put there."""
    return ""


# -- entries of the home -----------------------------------------------------------------------------


def plant_in_ledger(planted: Planted) -> str:
    writer = LedgerWriter(planted.home / "ledger", "w-1")
    writer.append(make_admitted(planted, LATE))
    writer.close()
    return "open_requests"


def plant_in_spool(planted: Planted) -> str:
    writer = SpoolWriter(planted.home / SPOOL, "spool-1", planted.opened.roots)
    record = make_feedback(planted, "fb_2", LATE)
    sealed = writer.seal(find_place(record), msgspec.msgpack.encode(FeedbackContent(CANARY, None)))
    writer.append(msgspec.structs.replace(record, sealed=sealed))
    writer.close()
    return "feedback"


def plant_in_capture_spool(planted: Planted) -> str:
    spool = FolderCaptureSpool(planted.home / "captures", "captures-1", planted.opened.roots)
    spool.max_bytes = 10**9
    spool.keep(*make_capture(planted, LATE))
    assert spool._writer is not None
    spool._writer.close()
    return "captures"


def plant_answer(planted: Planted) -> str:
    store = FileResponseStore(planted.home, planted.opened.roots, ResponseStorePlan(keep_s=1e12))
    said = json.dumps([CANARY]).encode()
    answer = StoredResponse(at=NOW, output=said, input=said)
    store.put("default", "p", REQUEST.removeprefix("req_"), answer, planted.pseudonym)
    return "stored_responses"


def plant_batch(planted: Planted) -> str:
    """Its input names the person; its answers name the line, or the request that answered it."""
    store, names = BatchStore(planted.home, planted.opened.roots), []
    store.make_folders()
    asked = json.dumps({"custom_id": "1", "body": {"user": NAME, "messages": [CANARY]}}) + "\n"
    answered = json.dumps({"custom_id": "1", "response": CANARY}) + "\n"
    for text in (asked, answered):
        record = make_file_record("default", "p", "x.jsonl", text.encode(), NOW, 1e12)
        purpose = "batch" if text is asked else "batch_output"
        store.keep(msgspec.structs.replace(record, purpose=purpose), text.encode())
        names.append(record.id)
    batch = Batch(
        id=f"batch-{names[0][5:]}", tenant="default", project="p", key_id="k", endpoint="/v1/chat/completions",
        input_file_id=names[0], output_file_id=names[1], created_at=NOW, expires_at=1e12, status="completed",
    )  # fmt: skip
    store.put_batch(batch)
    return "batches"


def plant_dataset(planted: Planted) -> str:
    """Built from a registered folder; the set and its source hold the person."""
    rows = [question(number) for number in range(40)]
    mine = [row | {"prompt": f"{row['prompt']} {CANARY}", "subject": NAME} for row in rows[:20]]
    build_set(planted.folder / "sources", DatasetHome(planted.home), mine + rows[20:])
    return "datasets"


def plant_training(planted: Planted) -> str:
    (planted.folder / "t.yaml").write_text(
        "trainer: command\ndataset: sources/set\nmin_free_gb: 0\ncommand: [python, -c, pass]\n"
    )
    run = start_run(planted.folder / "t.yaml", planted.home, prepare_only=True)
    with (Path(run.folder) / "rows" / "train.jsonl").open("a") as file:  # whichever slice the person is drawn into
        file.write(json.dumps({"prompt": CANARY}) + "\n")
    return "datasets"


def plant_experiment(planted: Planted) -> str:
    settings = json.dumps({"settings": {"dataset": "sources/set"}, "base": str(planted.folder)})
    planted.write("experiments/ex_1/config.json", settings)
    planted.write("experiments/ex_1/items/select.jsonl", json.dumps({"prompt": CANARY}) + "\n")
    return "datasets"


def plant_improvement(planted: Planted) -> str:
    planted.write("improve/imp_1/worker.log", f"begun\n{NAME} wrote {CANARY}\nended\n")
    return "improve"


def plant_audit_of_groups(planted: Planted) -> str:
    planted.write("fairness/a/1/answers/items.jsonl", json.dumps({"id": REQUEST, "answer": CANARY}) + "\n")
    planted.write("fairness/a/1/answers/report.html", f"<p>{REQUEST}: {CANARY}</p>")
    return "fairness"


def plant_incident(planted: Planted) -> str:
    incident = open_incident(planted.home, f"{NAME} complains", NOW, actor=ACTOR)
    update_incident(planted.home, incident.id, NOW, actor=ACTOR, note=f"{NAME} said: {CANARY}")
    return "incidents"


def plant_card(planted: Planted) -> str:
    planted.write("cards/system-0.json", json.dumps({"sections": {"known": f"see {REQUEST}: {CANARY}"}}))
    return "cards"


def plant_waiver(planted: Planted) -> str:
    planted.write("waivers/w.json", json.dumps({"reason": f"{NAME} agreed: {CANARY}"}))
    return "waivers"


def plant_reason(planted: Planted) -> str:
    actor = msgspec.structs.replace(ACTOR, reason=f"{NAME} asked: {CANARY}")
    planted.opened.deployment.open_audit_log().record(make_act(actor, "config.apply", "config:1"))
    return "audit-reasons"


def plant_evaluation(planted: Planted) -> None:
    """A registered run whose item was made of the person's request, as `steward trace --item` gives it."""
    item = {"id": REQUEST, "question": CANARY, "answer": "yes"}
    (planted.folder / "evaluations" / "items.jsonl").write_text(json.dumps(item) + "\n" + '{"id": "other"}\n')


PLANTERS: Final[dict[tuple[str, str], Callable[[Planted], str]]] = {
    ("table", "exchanges"): plant_exchange,
    ("table", "outstanding"): plant_open_request,
    ("table", "traces"): plant_trace,
    ("table", "request_features"): plant_features,
    ("table", "feedback"): plant_feedback,
    ("table", "captures"): plant_capture,
    ("table", "corrections"): plant_correction,
    ("table", "holds"): plant_released_hold,
    ("table", "subject_keys"): plant_nothing,  # whoever seals makes the key
    ("table", "erasures"): plant_nothing,
    ("home", "steward.db"): plant_nothing,
    ("home", "ledger"): plant_in_ledger,
    ("home", "spool"): plant_in_spool,
    ("home", "captures"): plant_in_capture_spool,
    ("home", "responses"): plant_answer,
    ("home", "response-owners"): plant_nothing,
    ("home", "batches"): plant_batch,
    ("home", "datasets"): plant_dataset,
    ("home", "training"): plant_training,
    ("home", "experiments"): plant_experiment,
    ("home", "improve"): plant_improvement,
    ("home", "fairness"): plant_audit_of_groups,
    ("home", "incidents"): plant_incident,
    ("home", "cards"): plant_card,
    ("home", "waivers"): plant_waiver,
    ("home", "audit-reasons"): plant_reason,
    ("home", "prompts"): plant_nothing,  # what serves is changed by hand: a test of its own
    ("home", "config"): plant_nothing,
    ("home", "erasures.jsonl"): plant_nothing,
    ("home", "audit"): plant_nothing,
}


def find_bytes(folder: Path, *words: str) -> set[str]:
    """Files below a folder that hold one of the words, spelled plainly or as JSON spells it."""
    spelled = [word.encode() for word in words] + [json.dumps(word)[1:-1].encode() for word in words]
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(word in path.read_bytes() for word in spelled)
    }


def find_tables(database: Path, word: str) -> set[str]:
    """Tables of an SQLite file with a cell that holds the word."""
    found = set()
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                cells = (cell.encode() if isinstance(cell, str) else cell for cell in row)
                if any(isinstance(cell, bytes) and word.encode() in cell for cell in cells):
                    found.add(str(name))
    return found
