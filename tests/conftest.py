"""Real processes for the tests: an upstream of known behaviour and whole deployments, each ended by its id."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["ci_skips"]

# what takes long begins first, so that nothing long is left when all else has ended; in seconds on a busy machine, the
# first 770 and the last 20
LONGEST = (
    "functional/test_tutorials.py",
    "functional/test_train.py",
    "functional/test_upgrade_and_back.py",
    "functional/test_load.py",
    "functional/test_reload.py",
    "unit/workflows/train/test_run.py",
    "functional/test_interrupts.py",
    "unit/data/test_run.py",
    "functional/test_lifetimes.py",
    "browser/test_console.py",
    "browser/test_console_pages.py",
    "functional/test_ledger.py",
    "contract/test_store_families.py",
    "functional/test_tls.py",
    "functional/test_alerts.py",
    "unit/workflows/test_experiment.py",
    "functional/test_improve.py",
    "compatibility/test_c22_batches.py",
    "functional/test_traces.py",
    "functional/test_embedding_drift.py",
    "functional/test_release.py",
    "functional/test_keys.py",
    "functional/test_routing.py",
    "contract/test_s22_ratings.py",
    "functional/test_connections.py",
    "unit/processes/test_fork_server.py",
    "unit/workflows/test_root_rotation.py",
    "architecture/test_supply_chain.py",
)

# files that mark all of their tests with one of these share a worker of pytest-xdist, and a deployment
SHARE_MOCK = pytest.mark.xdist_group("deployed")
SHARE_STARTER = pytest.mark.xdist_group("starter")


# what happens within a second, on a machine that is too busy for that: still before the 10 s after which rights are
# confirmed, and commands given up, in any case
SOON_S = 8.0

ROOT = Path(__file__).parent.parent
STEWARD = [sys.executable, "-m", "steward"]

# several workers share the cores: numpy's threads would spend twice the processor time, half of it on waiting
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# a busy machine draws inputs slowly: that says nothing about what is tested
settings.register_profile("steward", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steward")

# a shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without garbage collections, each of which would walk all tests found so far, and walk none later.

    Modules and tests live as long as the session, so no collection can free them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        # what is frozen does not count as long-lived, so Python's thresholds would have the rest walked again and
        # again: a tenth of the time of the unit tests
        gc.set_threshold(20_000, 20, 50)
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist writes the groups into the names of tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For pytest-xdist: tests of one file share a worker, since they share deployments; the longest files go first."""

    places = {name: place for place, name in enumerate(LONGEST)}

    def order(path: Path) -> tuple[int, bool]:
        waits = "unit" not in path.parts and "architecture" not in path.parts
        return places.get(path.relative_to(ROOT / "tests").as_posix(), len(places)), not waits

    paths = {item.path for item in items}  # 30 times fewer than tests
    orders = {path: order(path) for path in paths}
    groups = {path: pytest.mark.xdist_group(str(path.relative_to(ROOT))) for path in paths}
    items.sort(key=lambda item: orders[item.path])
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(groups[item.path])


def pytest_sessionstart(session: pytest.Session) -> None:
    """A worker of pytest-xdist tells what each test's call came to, and not that what surrounds it went well.

    Half of the messages, each of which is written, read and handed to every plugin: 5 s of 18 for 10,000 empty tests.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or session.config.option.durations is not None:
        return
    for plugin in session.config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "WorkerInteractor":
            plugin.sendevent = functools.partial(send_news, plugin.sendevent)


def send_news(send: Callable[..., None], name: str, **news: Any) -> None:
    report = news.get("data", {})
    passed_around = name == "testreport" and report["when"] != "call" and report["outcome"] == "passed"
    if name != "logstart" and not passed_around:
        send(name, **news)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A long value is named by its place: it may hold a signature, which differs in each worker."""
    return argname if isinstance(val, str | bytes) and len(val) > 100 else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Stop where the groups have no effect: each worker would start the deployments of nearly all files."""
    if getattr(session.config.option, "loadgroup", False) and any("@" not in item.nodeid for item in session.items):
        raise pytest.UsageError(
            f"pytest {pytest.__version__} ignores the groups of pytest-xdist; run: pip install 'pytest>=8,<9.2'"
        )


_STILL_AT_WORK = re.compile(r"^steward[^\n]*: still at work after \d+ s\n", re.MULTILINE)


def leave_out_waiting(errors: str) -> str:
    """What a command says on stderr, but for that it is still at work: whether it does depends on the machine."""
    return _STILL_AT_WORK.sub("", errors)


def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    done = subprocess.run(
        [*STEWARD, *arguments], capture_output=True, text=True, timeout=120, cwd=cwd, env={**os.environ, **environment}
    )
    done.stderr = leave_out_waiting(done.stderr)
    return done


def inside(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """As `run`, in this process and so without the second that a start takes: for tests of what a command does rather
    than of how it starts, ends or is interrupted.
    """
    done = inside_with_notes(*arguments, cwd=cwd, **environment)
    done.stderr = leave_out_waiting(done.stderr)
    return done


def inside_with_notes(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """As `inside`, with all that it says while it works."""
    from steward.cli.main import main

    out, err, before, mask = io.StringIO(), io.StringIO(), sys.argv, os.umask(0o022)
    os.umask(mask)
    sys.argv = ["steward", *arguments]
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, environment))
            stack.enter_context(contextlib.chdir(cwd or Path.cwd()))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
            main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
        os.umask(mask)  # which the command narrows for its process
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def usual_mask() -> Iterator[None]:
    """Commands that run in this process narrow the mask for it; the next test starts with the usual one."""
    os.umask(0o022)
    yield
    os.umask(0o022)


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The condition's first true value; an assertion error after `seconds`."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("not true in time")


class Deployment:
    """A running `steward up`."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.log = home.with_suffix(".log")
        command = [*STEWARD, "up", "--home", str(home), "--port", "0", "--console-port", "0", *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=home.parent)
        until(lambda: self.process.poll() is not None or "Ready:" in self.log.read_text(), 120)
        assert self.process.poll() is None, self.log.read_text()
        until(lambda: "Stop: Ctrl-C" in self.log.read_text())
        self.url = self.state()["gateway_url"]
        self.console_url = self.state()["console_url"]
        first = home / "first-key"
        self.key = first.read_text() if first.exists() else ""  # a restored home has none

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.home / "run" / "state.json").read_text())
        return state

    def pid(self, name: str) -> int | None:
        pid: int | None = next(item["pid"] for item in self.state()["processes"] if item["name"] == name)
        return pid

    def usage(self) -> dict[str, Any]:
        usage: dict[str, Any] = json.loads(inside("usage", "--home", str(self.home), "--json").stdout)
        return usage

    def settled_usage(self) -> dict[str, Any]:
        """The usage once every request that was answered so far is counted in it."""
        until(self.is_drained)
        return self.usage()

    def is_drained(self) -> bool:
        """Whether all of the ledger is in the store, and no request in it is open."""
        from steward.adapters.stores.tables import outstanding
        from steward.workflows.readiness import measure_lag_s
        from steward.workflows.serve.deployment import find_deployment

        with contextlib.closing(find_deployment(self.home).open_store()) as store:
            offsets = store.ledger.offsets()
            with store.database.read() as connection:
                is_open = connection.execute(outstanding.select()).first() is not None
        return not is_open and measure_lag_s(self.home, offsets, math.inf) == 0

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)


RUNNING = pytest.StashKey[dict[str, tuple[Deployment, Iterator[Deployment]]]]()  # shared by files, by name


def served(script: str, *arguments: str) -> Iterator[str]:
    """The address of a server that a script of this repository starts and names, as a fixture's body."""
    process = subprocess.Popen([sys.executable, str(ROOT / script), *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    yield said if said.startswith("http") else f"http://127.0.0.1:{said}"
    process.terminate()
    process.wait(60)
    process.stdout.close()


def mock(*arguments: str) -> Iterator[str]:
    """The benchmarks' mock upstream."""
    yield from served("benchmarks/mock_upstream.py", *arguments)


@pytest.fixture(scope="session")
def scripted() -> Iterator[str]:
    """Answers by written rules (tests/scripted_upstream.py)."""
    yield from served("tests/scripted_upstream.py")


@pytest.fixture(scope="session")
def upstream() -> Iterator[str]:
    """Five chunks, 20 ms apart."""
    yield from mock("--chunks", "5")


@pytest.fixture(scope="session")
def slow_upstream() -> Iterator[str]:
    """Streams that last four seconds."""
    yield from mock("--chunks", "40", "--gap-ms", "100")


def deploy_mock(upstream: str, folder: Path) -> Iterator[Deployment]:
    """A deployment over the mock, with the faulty models too and a route with a fallback, as a fixture's body."""
    models = ["mock", "mock-error", "mock-truncated", "mock-midstream-error"]
    lines = ["models:"]
    lines += [f"  - {{name: {name}, backend: openai, url: '{upstream}'}}" for name in models]
    lines += ["  - {name: gone, backend: openai, url: 'http://127.0.0.1:9'}"]
    lines += ["routes:", "  - {name: safe, targets: [{model: mock-error}], fallback: [gone, mock]}"]
    (folder / "steward.yaml").write_text("\n".join(lines))
    deployment = Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


def deploy_starter(folder: Path) -> Iterator[Deployment]:
    """The model that is shipped, as `steward up` serves it."""
    deployment = Deployment(folder / "home", "--workers", "1")
    yield deployment
    deployment.stop()


@pytest.fixture(scope="module")
def deployed(request: pytest.FixtureRequest, upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """For the files of `SHARE_MOCK`, whose tests bear it that others ask, too."""
    return share(request.session, "deployed", lambda: deploy_mock(upstream, tmp_path_factory.mktemp("deployed")))


@pytest.fixture(scope="module")
def starter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """For the files of `SHARE_STARTER`."""
    return share(request.session, "starter", lambda: deploy_starter(tmp_path_factory.mktemp("starter")))


def share(session: pytest.Session, name: str, begin: Callable[[], Iterator[Deployment]]) -> Deployment:
    """What an earlier file of the group has begun, or one that begins now."""
    running = session.stash.setdefault(RUNNING, {})
    if name not in running:
        body = begin()
        running[name] = (next(body), body)
    return running[name][0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """End what a group shares after its last test: a deployment takes 4 % of a core while nobody asks it."""
    try:
        return (yield)
    finally:
        if nextitem is None or find_group(nextitem) != find_group(item):
            running = item.session.stash.setdefault(RUNNING, {})
            for _, body in running.values():
                next(body, None)
            running.clear()


def find_group(item: pytest.Item) -> str:
    """Of pytest-xdist."""
    marker = item.get_closest_marker("xdist_group")
    assert marker is not None  # each got one when it was collected
    return str(marker.args[0])
