"""The recipes of ARCHITECTURE.md, followed with toys: each is reachable by what the recipe says and nothing more."""

from __future__ import annotations

import asyncio
import re
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
import typer
from alembic.migration import MigrationContext
from alembic.operations import Operations
from pydantic import Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from typer.testing import CliRunner

from console_client import ask
from steward.adapters.stores.database import Database, insert_rows
from steward.adapters.stores.sql import SqlStore
from steward.cli.lazy import PLAIN, Command, Group, lazy_group
from steward.configuration.section import Section
from steward.configuration.validation import validate
from steward.console.shell import Page, list_navigation, page_endpoint, serve
from steward.core.endpoint import Endpoint
from steward.core.errors import InputError, Refused
from steward.core.evidence import Evidence
from steward.core.extend import GuardContext, RequestSender, Verdict
from steward.core.identity import ANONYMOUS, Caller, Principal
from steward.data.pipeline import Pipeline
from steward.data.stage import Entry, Result
from steward.data.stage_table import STAGES
from steward.evaluation.metrics import METRICS
from steward.evaluation.score import Prediction, score_predictions
from steward.gateway.answer import Answer
from steward.gateway.app import Gateway
from steward.gateway.endpoints import GatewayEndpoint
from steward.gateway.guards import guard_request
from steward.gateway.http import HttpRequest
from steward.gateway.rejections import RejectionCounter
from steward.workflows.evidence import record_finding
from steward.workflows.findings import Finding
from steward.workflows.jobs import Job, JobRunner

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
RECIPES = re.findall(r"^### ([^\n]*)\n\n(Touches .*?)\n\n", TEXT, re.M | re.S)
SERVED = Caller(principal=Principal(kind="key", id="k", rights=frozenset({"models.read"})))


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module that can be imported by name, as those that recipes add."""
    module = types.ModuleType("steward_toys")
    monkeypatch.setitem(sys.modules, "steward_toys", module)
    return module


def test_there_is_a_recipe_for_each_thing_that_people_add() -> None:
    names = " ".join(name for name, _ in RECIPES)
    things = "endpoint page setting command guard detector notifier stage metric table job proof"
    assert [thing for thing in things.split() if thing not in names] == []


@pytest.mark.parametrize(("name", "touches"), RECIPES, ids=[name for name, _ in RECIPES])
def test_the_files_that_a_recipe_names_are_there(name: str, touches: str) -> None:
    for path in re.findall(r"`(src/[^`]+)`", touches):
        assert (ROOT / path).exists(), f"{name}: {path}"


# -- an endpoint of the gateway ----------------------------------------------------------------------


class Keys:
    def authenticate(self, sender: RequestSender) -> Caller:
        if sender.headers.get("authorization") != "Bearer good":
            raise Refused("no", status=401, type="invalid_request_error")
        return SERVED


class Nothing:
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


async def show_version(request: HttpRequest) -> None:
    await request.respond(Answer(200, b'{"version":"0"}'))


def test_a_gateway_endpoint_is_one_line_of_the_table() -> None:
    endpoint: GatewayEndpoint = Endpoint(
        method="GET", path="/version", permission="models.read", tenancy="none", guards="none", audit="none",
        max_body_bytes=0, handler=show_version,
    )  # fmt: skip
    gateway: Any = Gateway([endpoint], Keys(), RejectionCounter(), Nothing())
    assert ask(gateway, "GET", "/version", authorization="Bearer good")[::2] == (200, '{"version":"0"}')
    assert ask(gateway, "GET", "/version")[0] == 401
    assert ask(gateway, "POST", "/version", authorization="Bearer good")[0] == 405
    assert ask(gateway, "GET", "/v1/models", authorization="Bearer good")[0] == 404


# -- a page of the console ----------------------------------------------------------------------------


def keys_page(list_keys: Callable[[], list[str]]) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        return PlainTextResponse(", ".join(await asyncio.to_thread(list_keys)))

    return Page((page_endpoint("/keys", "console.read", show),), title="Keys")


def test_a_page_is_a_module_and_a_line_of_the_list() -> None:
    person = Principal(kind="person", id="p", rights=frozenset({"console.read"}))

    async def identify(request: Request) -> tuple[Principal, Principal]:
        who = person if request.cookies else ANONYMOUS
        return who, who

    page = keys_page(lambda: ["first", "second"])

    async def refuse(request: Request, endpoint: Any) -> Response:
        return PlainTextResponse("sign in", status_code=401)

    app = serve(page.endpoints, identify, refuse)
    assert ask(app, "GET", "/keys", cookie="a=1")[::2] == (200, "first, second")
    assert ask(app, "GET", "/keys")[0] == 401
    assert [(item.title, item.path) for item in list_navigation([page])] == [("Keys", "/keys")]


# -- a setting ----------------------------------------------------------------------------------------


class RetryPlan(msgspec.Struct, frozen=True):
    ratio: float = 0.2


class RetryConfig(Section):
    ratio: float = Field(RetryPlan().ratio, ge=0, le=1, description="retries as a share of requests")

    def plan(self) -> RetryPlan:
        return RetryPlan(**self.model_dump())


def test_a_setting_turns_itself_into_the_record_that_runs() -> None:
    assert validate(RetryConfig, {"ratio": 0.5}, str).plan() == RetryPlan(0.5)
    assert RetryConfig().plan() == RetryPlan()
    with pytest.raises(InputError, match="ratoi: unknown key; did you mean 'ratio'"):
        validate(RetryConfig, {"ratoi": 0.5}, str)


# -- a command ----------------------------------------------------------------------------------------


def greet(name: Annotated[str, typer.Argument(help="Whom.")]) -> None:
    """Greet somebody."""
    print(f"hello {name}")


def test_a_command_is_a_function_and_a_line_of_the_table(toys: types.ModuleType) -> None:
    toys.__dict__["greet"] = greet
    table = Group("toy", "A toy.", (Command("greet", "steward_toys:greet"),))
    app = typer.Typer(cls=lazy_group(table), callback=lambda: None, **PLAIN)
    assert CliRunner().invoke(app, ["greet", "Ada"]).output == "hello Ada\n"
    assert "greet  Greet somebody." in CliRunner().invoke(app, ["--help"]).output


# -- a guard ------------------------------------------------------------------------------------------


class NoShouting:
    name = "shouting"

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        shouts = any(text.isupper() for text in fields)
        return Verdict("block", "please do not shout") if shouts else Verdict("allow")

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        return text

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")


def test_a_guard_sees_plain_text() -> None:
    from steward.gateway.exchange import Exchange

    def exchange(words: str) -> Exchange:
        body = msgspec.json.encode({"messages": [{"role": "user", "content": words}]})
        return Exchange("r", "/v1/chat/completions", {}, body, 0.0, 0.0, SERVED)

    guard_request([NoShouting()], exchange("hello"))
    with pytest.raises(Refused, match="Blocked by the guard 'shouting': please do not shout"):
        guard_request([NoShouting()], exchange("HELLO"))


# -- a back end ---------------------------------------------------------------------------------------


class Backwards:
    """An executor that takes the last task first: any order will do."""

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
        return map(function, reversed(tasks))


def clean(folder: Path, executor: Any, stages: list[Any]) -> Any:
    (folder / "in.jsonl").write_text("".join(f'{{"text": "Text {number}."}}\n' for number in range(5)))
    return Pipeline(stages).run(str(folder / "in.jsonl"), str(folder / "out"), executor=executor)


def test_a_back_end_is_an_object_of_its_protocol(tmp_path: Path) -> None:
    assert clean(tmp_path, Backwards(), [{"use": "dedupe.exact"}]).rows_out == 5


# -- a stage ------------------------------------------------------------------------------------------


class KeepFirst(msgspec.Struct, frozen=True):
    rows: int = 1

    def apply(self, batch: pa.RecordBatch) -> Result:
        gone = batch.slice(self.rows)
        entries = [
            Entry(row=row, id=id, stage="keep_first", action="drop", rule="later")
            for row, id in zip(gone["row"].to_pylist(), gone["id"].to_pylist(), strict=True)
        ]
        return Result(batch.slice(0, self.rows), tuple(entries))


def test_a_stage_is_a_struct_and_a_line_of_the_table(
    tmp_path: Path, toys: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    toys.__dict__["KeepFirst"] = KeepFirst
    monkeypatch.setitem(STAGES, "keep_first", "steward_toys:KeepFirst")
    assert clean(tmp_path, None, [{"use": "keep_first", "rows": 2}]).rows_out == 2


# -- a metric -----------------------------------------------------------------------------------------


class Shout:
    """The share of answers in capitals."""

    signature, proportion = "shout", True

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        return ""

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Any:
        return np.array([[float(text.isupper()), 1.0] for text in predictions])

    def combine(self, sums: Any) -> Any:
        return sums[:, 0] / sums[:, 1]


def test_a_metric_is_a_class_and_a_line_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("steward.evaluation.metrics.toys")
    module.__dict__["Shout"] = Shout
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(METRICS, "shout", "toys:Shout")
    rows = [Prediction("1", "YES"), Prediction("2", "no")]
    assert score_predictions("shout", rows, {"1": ["x"], "2": ["x"]}).score.value == 0.5


# -- a table of the store -----------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    store.migrate()
    yield store
    store.close()


METADATA = sa.MetaData()
visits = sa.Table(  # the line of tables.py
    "visits",
    METADATA,
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("page", sa.String(200), nullable=False),
)


def upgrade(operations: Operations) -> None:
    """The migration: it only adds."""
    operations.create_table(
        "visits", sa.Column("tenant", sa.String(64), nullable=False), sa.Column("page", sa.String(200), nullable=False)
    )


class SqlVisits:
    """The file beside `evidence.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, page: str, *, tenant: str) -> None:
        with self._database.write() as connection:
            insert_rows(connection, visits, [{"tenant": tenant, "page": page}])

    def list_pages(self, *, tenant: str) -> list[str]:
        with self._database.read() as connection:
            return [row.page for row in connection.execute(sa.select(visits).where(visits.c.tenant == tenant))]


def test_a_table_is_a_migration_and_a_family(store: SqlStore) -> None:
    with store.database.write() as connection:
        upgrade(Operations(MigrationContext.configure(connection)))
    family = SqlVisits(store.database)
    family.add("/", tenant="a")
    assert family.list_pages(tenant="a") == ["/"] and family.list_pages(tenant="b") == []
    store.check()  # a table that this release does not know is left alone


# -- a periodic job -----------------------------------------------------------------------------------


def test_a_job_is_a_line_of_the_list_and_runs_on_one_machine(store: SqlStore) -> None:
    ran: list[str] = []

    def machine(name: str) -> JobRunner:
        jobs = [
            Job(name="rollup", period_s=60.0, run=lambda: ran.append(f"{name} rollup"), lease_s=300.0),
            Job(name="drain", period_s=0.2, run=lambda: ran.append(f"{name} drain")),
        ]
        return JobRunner(jobs, store.jobs, holder=name, clock=lambda: 0.0)

    assert machine("one").run_due() == pytest.approx(0.2)
    machine("two").run_due()
    assert ran == ["one rollup", "one drain", "two drain"]


# -- a proof ------------------------------------------------------------------------------------------


def test_a_proof_is_a_finding_that_the_home_keeps(tmp_path: Path, store: SqlStore) -> None:
    finding = Finding(
        check="toy.answers", subject="model m", subject_digest="sha256:0", verdict="pass", value="42",
        expected="42", source="toy.json",
    )  # fmt: skip
    kept = record_finding(tmp_path, finding, command=("steward", "toy", "--of", "a b"), clock=lambda: 5.0)
    assert isinstance(kept, Evidence) and store.evidence.list_evidence(9, "toy.answers", tenant=None) == [kept]
    assert (kept.value, kept.verdict, kept.produced_at, kept.command) == ("42", "pass", 5.0, "steward toy --of 'a b'")
    assert record_finding(tmp_path / "none", finding) is None
