"""`steward eval rate` over TCP: killed and resumed, blind to the last byte, closed to strangers."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from conftest import STEWARD, inside, until
from studies import folder, write

SECRETS = ("zebra", "quokka", "item-", "cluster-", "runs/")
ALIEN = '<script>alert(1)</script><img src=x onerror="x">'


class Study:
    """A running `steward eval rate`."""

    def __init__(self, place: Path, *more: str, runs: bool = True) -> None:
        names = ["runs/zebra", "runs/quokka"] if runs else []
        command = [*STEWARD, "eval", "rate", *names, "--port", "0", "--json", *more]
        self.log = place / "rate.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=place, stdout=log, stderr=log)
        try:
            until(lambda: self.process.poll() is not None or self.log.read_text().endswith("}\n"), 50)
            assert self.process.poll() is None, self.log.read_text()
        except AssertionError:
            self.kill()
            raise
        self.record = json.loads(self.log.read_text())

    def visitor(self, rater: str) -> Visitor:
        return Visitor(self.record["url"], self.record["invites"][rater].rpartition("/")[2])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)


class Visitor:
    """Keeps every byte that a browser would get."""

    def __init__(self, url: str, token: str, cookie: bool = True) -> None:
        self.token, self.seen = token, b""
        self._place = urlsplit(url).netloc
        self._cookie = {"Cookie": f"steward_rater={token}"} if cookie else {}

    def ask(self, path: str, **form: str) -> tuple[int, str, str]:
        """Status, where to, body."""
        body = urlencode(form) if form else None
        headers = {**self._cookie, **({"Content-Type": "application/x-www-form-urlencoded"} if form else {})}
        with contextlib.closing(http.client.HTTPConnection(self._place, timeout=60)) as connection:
            connection.request("POST" if form else "GET", path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        self.seen += str(answer.getheaders()).encode() + data
        assert (
            answer.status == 303
            or path.startswith("/static")
            or "default-src 'none'" in answer.headers["content-security-policy"]
        )
        return answer.status, answer.headers.get("location", ""), data.decode()

    def judge(self, how: str = "left", **more: str) -> bool:
        """The next task; false where none is left."""
        _, place, _ = self.ask("/next")
        if not place:
            return False
        self.ask(place)
        assert self.ask(place, vote=how, **more)[:2] == (303, "/next")
        return True


def with_runs(place: Path) -> Path:
    write(place / "runs" / "zebra", folder("zebra-7b", lambda n: f"I am Zebra-7B. {ALIEN} {n}", 8))
    write(place / "runs" / "quokka", folder("quokka-2", lambda n: f"smiles {n}", 8))
    return place


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return with_runs(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Each test is another rater."""
    made = Study(with_runs(tmp_path_factory.mktemp("shared")), "--overlap", "1", "--raters", "4")
    yield made
    made.kill()


@pytest.fixture
def study(place: Path) -> Iterator[Study]:
    made = Study(place, "--overlap", "1")
    yield made
    made.kill()


def test_no_byte_of_any_response_names_a_model_a_run_or_an_item(study: Study) -> None:
    people = [study.visitor(name) for name in ("r1", "r2", "lead")]
    while people[0].judge("left", comment=ALIEN) | people[1].judge("right", unsafe="yes"):
        pass
    while people[2].judge("tie"):
        pass
    for one in people:
        for path in ("/", "/next", "/lead", f"/invite/{one.token}", "/task/nothing", "/zebra", "/healthz"):
            one.ask(path)
        for path in ("rating.css", "rating.js", "steward.css", "steward.js"):
            assert one.ask(f"/static/{path}")[0] == 200
        assert one.ask("/task/nothing", vote="left")[0] == 404 and len(one.seen) > 20_000
        said = one.seen.decode().replace("/zebra", "")
        assert not [word for word in SECRETS if word in said.lower()]
        assert "<script>alert" not in said and 'onerror="x"' not in said and "&lt;script&gt;alert" in said


def test_a_kill_loses_no_vote_and_the_invite_goes_on(place: Path, study: Study) -> None:
    one = study.visitor("r1")
    for _ in range(3):
        one.judge()
    study.kill()
    again = Study(place, runs=False)
    assert again.record["invites"] == {}
    later = Visitor(again.record["url"], one.token)
    assert "3 of them done" in later.ask(f"/invite/{one.token}")[2]
    while later.judge():
        pass
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(60) in (0, 130)
    done = inside("eval", "agreement", "study.db", "--json", "--html", "page.html", cwd=place)
    found = json.loads(done.stdout)
    assert done.returncode == 0 and (found["votes"], found["corrected"]) == (8, 0)
    assert found["position"]["left"] == 8 and found["pairs"][0]["first"] == "zebra-7b"
    assert "quokka-2" in (place / "page.html").read_text()


def test_strangers_see_nothing_and_links_that_are_looked_at_open_nothing(shared: Study) -> None:
    stranger = Visitor(shared.record["url"], "guess", cookie=False)
    for path in ("/next", "/lead", "/task/0123"):
        assert stranger.ask(path)[0] == 401
    assert stranger.ask("/task/0123", vote="left")[0] == 401 and stranger.ask("/invite/guess")[0] == 404
    token = shared.visitor("r1").token
    status, _, page = stranger.ask(f"/invite/{token}")
    assert status == 200 and "8 tasks" in page and stranger.ask("/next")[0] == 401
    assert stranger.ask(f"/invite/{token}", go="1")[:2] == (303, "/next")
    assert b"HttpOnly" in stranger.seen and b"SameSite=strict" in stranger.seen
    assert shared.visitor("r1").ask("/lead")[0] == 401


def test_wrong_votes_are_said_and_not_taken(shared: Study) -> None:
    one = shared.visitor("r2")
    place = one.ask("/next")[1]
    for given in ({"vote": "rated"}, {"vote": "zero"}, {"comment": "only"}, {"vote": "left", "comment": "x" * 70_000}):
        status, _, page = one.ask(place, **given)
        assert status == (413 if len(given.get("comment", "")) > 65_536 else 400) and 'role="alert"' in page
    assert one.ask("/next")[1] == place


def test_a_vote_that_cannot_be_kept_is_said_without_naming_the_file(study: Study, place: Path) -> None:
    one = study.visitor("r1")
    task = one.ask("/next")[1]
    one.ask(task)
    other = sqlite3.connect(place / "study.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    status, _, page = one.ask(task, vote="left")
    other.execute("ROLLBACK")
    other.close()
    assert status == 503 and "could not be saved" in page and "study.db" not in page
    assert one.ask(task, vote="left")[0] == 303


def test_sides_differ_between_raters_and_stay_for_one(shared: Study) -> None:
    """Of eight tasks in the order of the questions: which side "smiles" is on."""

    def sides(name: str) -> dict[str, bool]:
        found, one = {}, shared.visitor(name)
        while place := one.ask("/next")[1]:
            page = one.ask(place)[2]
            number = re.findall(r"Question (\d+)\?", page)[0]
            found[number] = page.index("smiles") < page.index("▇▇▇")
            assert (one.ask(place)[2].index("smiles") < page.index("▇▇▇")) == found[number]
            one.ask(place, vote="tie")
        return found

    one, other = sides("r3"), sides("r4")
    assert len(one) == len(other) == 8 and one != other and len(set(one.values())) == 2


def test_the_plan_stands_before_the_start(place: Path) -> None:
    done = inside("eval", "rate", "runs/zebra", "runs/quokka", "--plan", cwd=place)
    assert done.returncode == 0 and "takes 194 comparisons" in done.stdout and not (place / "study.db").exists()
    done = inside("eval", "agreement", "gone.db", cwd=place)
    assert done.returncode == 2 and "start one with" in done.stderr


def test_a_run_is_written_as_a_page(place: Path) -> None:
    done = inside("eval", "report", "runs/quokka", "--json", cwd=place)
    page = (place / "runs" / "quokka" / "report.html").read_text()
    assert json.loads(done.stdout) == {"html": "runs/quokka/report.html", "bytes": len(page.encode()), "items": None}
    assert "quokka-2 on study" in page and "smiles 3" in page
    done = inside("eval", "report", "runs/gone", cwd=place)
    assert done.returncode == 2 and "not a run folder" in done.stderr


def test_over_tls_the_session_belongs_to_this_name_alone(place: Path) -> None:
    refused = inside("eval", "rate", "runs/zebra", "runs/quokka", "--host", "0.0.0.0", "--port", "0", cwd=place)
    assert refused.returncode == 2 and "--tls" in refused.stderr and "--insecure-http" in refused.stderr
    study = Study(place, "--host", "0.0.0.0", "--tls")
    try:
        assert study.record["url"].startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(place / "tls" / "ca.pem"))
        token = study.record["invites"]["r1"].rpartition("/")[2]
        port = urlsplit(study.record["url"]).port
        with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)) as link:
            link.request("POST", f"/invite/{token}", headers={"Content-Type": "application/x-www-form-urlencoded"})
            answer = link.getresponse()
            answer.read()
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith(f"__Host-steward_rater={token};") and "Secure" in cookie
            link.request("GET", "/next", headers={"Cookie": cookie.partition(";")[0]})
            assert link.getresponse().status in (200, 303)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as plain:
            plain.request("GET", "/healthz")
            with pytest.raises((http.client.HTTPException, OSError)):
                plain.getresponse()
    finally:
        study.kill()
