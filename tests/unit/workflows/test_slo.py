"""How objectives stand, from a store."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.alerts import Alert
from steward.core.records import Admitted, Settled
from steward.monitoring.config import MonitoringPlan
from steward.monitoring.slo import SloPlan
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.slo import read_slo_status, split_span

NOW = 1_764_547_200.0 + 3600 * 12
SLOS = (
    SloPlan(name="up", kind="availability", objective=0.99),
    SloPlan(name="fast", kind="total", objective=0.9, threshold=0.5),
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    write_plan(tmp_path, SLOS)
    store = SqlStore(f"sqlite:///{tmp_path / 'steward.db'}")
    store.migrate()
    store.close()
    return tmp_path


def write_plan(home: Path, slos: tuple[SloPlan, ...]) -> None:
    plan = msgspec.structs.replace(make_plan(Settings(), home, "0"), monitoring=MonitoringPlan(slos=slos))
    (home / "run" / "plan.json").write_bytes(msgspec.json.encode(plan))


def ask(home: Path, ago_s: float, number: int, failed: bool = False, took_s: float = 0.1, tenant: str = "t") -> None:
    store, records = SqlStore(f"sqlite:///{home / 'steward.db'}"), []
    at = NOW - ago_s
    for index in range(number):
        name = f"{ago_s}-{index}-{failed}-{took_s}-{tenant}"
        records.append(
            Admitted(
                request_id=name, at=at, key_id="k", tenant=tenant, project="p", endpoint="/v1/chat/completions",
                route="r", streamed=False,
            )
        )  # fmt: skip
        records.append(
            Settled(
                request_id=name, at=at, outcome="timeout" if failed else "ok", status=504 if failed else 200, model="m",
                duration_s=took_s,
            )
        )  # fmt: skip
    store.ledger.drain("w", f"s{name}", 1, records)
    store.close()


def test_budgets_are_of_the_window_and_burn_rates_of_theirs(home: Path) -> None:
    ask(home, 600.0, 90)
    ask(home, 600.0, 10, failed=True)
    ask(home, 7200.0, 100)
    ask(home, 40 * 86400.0, 500, failed=True)  # before the window
    up, fast = read_slo_status(home, now=NOW)
    assert (up.total, up.bad, up.state) == (200, 10, "budget spent")
    assert up.budget_left == pytest.approx(1 - 10 / 2.0)
    assert up.burn_rates == {
        "1h": pytest.approx(10.0), "6h": pytest.approx(5.0), "1d": pytest.approx(5.0), "3d": pytest.approx(5.0),
    }  # fmt: skip
    assert (fast.total, fast.bad, fast.state) == (190, 0, "met")


def test_a_tenant_sees_its_own(home: Path) -> None:
    ask(home, 600.0, 20, took_s=2.0)
    ask(home, 600.0, 30, tenant="u")
    _, fast = read_slo_status(home, tenant="t", now=NOW)
    assert (fast.total, fast.bad) == (20, 20)


def test_an_objective_whose_alert_fires_is_burning(home: Path) -> None:
    ask(home, 600.0, 200)
    store = SqlStore(f"sqlite:///{home / 'steward.db'}")
    store.alerts.put(
        Alert(id="1", rule="slo-up-slow", severity="ticket", summary="", evidence="", scopes=("all",), started_at=NOW)
    )
    store.close()
    assert [status.state for status in read_slo_status(home, now=NOW)] == ["burning", "met"]
    assert [status.state for status in read_slo_status(home, tenant="t", now=NOW)] == ["met", "met"]


def test_without_objectives_and_without_traffic(home: Path) -> None:
    assert {status.state for status in read_slo_status(home, now=NOW)} == {"not enough traffic to judge"}
    write_plan(home, ())
    assert read_slo_status(home, now=NOW) == []


@pytest.mark.parametrize(
    ("since", "until", "fine_s", "pieces"),
    [
        (0.0, 59.0, 60, [(86400, 0, 60)]),
        (3661.0, 7199.0, 60, [(60, 3660, 7200)]),
        (3661.0, 9000.0, 60, [(60, 3660, 7200), (3600, 7200, 9001)]),
        (86400.0 * 2 - 60, 86400.0 * 3 + 1, 60, [(60, 172740, 172800), (86400, 172800, 259202)]),
        (86400.0 - 7200, 86400.0 * 2, 3600, [(3600, 79200, 86400), (86400, 86400, 172801)]),
    ],
)
def test_a_span_is_held_by_the_fewest_series(
    since: float, until: float, fine_s: int, pieces: list[tuple[int, int, int]]
) -> None:
    assert split_span(since, until, fine_s) == pieces
