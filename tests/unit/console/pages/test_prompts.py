from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from console_home import HOSTILE, HomeConsole, read_text
from served_home import SETTINGS, serve_home, write_plan
from steward.core.files import write_file
from steward.core.identity import Right
from steward.gateway.prompts import Prompt
from steward.workflows.audit import list_acts

READS: frozenset[Right] = frozenset({"prompts.read"})


@pytest.fixture
def console(tmp_path: Path) -> Iterator[HomeConsole]:
    with serve_home(tmp_path) as home:
        yield HomeConsole(home)


def add(console: HomeConsole, system: str, name: str = "greet", **more: str) -> int:
    return console.post("/prompts", {"name": name, "system": system, **more})[0]


def test_an_empty_home_says_how_to_add_one(console: HomeConsole) -> None:
    assert "steward prompts add greet" in console.get("/prompts")


def test_versions_are_added_compared_and_used(console: HomeConsole) -> None:
    assert add(console, "You are brief.", reason="first") == 303
    assert add(console, "You are brief.\r\nAnd kind.", examples="- {user: hello, assistant: hi}") == 303
    first, second = (
        row.partition("<")[0] for row in console.get("/prompts/greet").split('<a href="/prompts/greet?version=')[2:0:-1]
    )
    first, second = first.partition('"')[0], second.partition('"')[0]
    assert first.startswith("1-") and second.startswith("2-")
    page = console.get(f"/prompts/greet?version={second}&with={first}")
    assert "+And kind." in page and "+user: hello" in page
    assert console.post("/prompts/greet/use", {"version": second})[:2] == (303, "/prompts/greet?done=used")
    assert f"{second}</a> in use" in console.get("/prompts/greet")
    actions = [act.action for act in list_acts(console.home, 9) if act.action.startswith("prompts.")]
    assert actions == ["prompts.use", "prompts.add", "prompts.add"]


@pytest.mark.parametrize(
    ("form", "code", "said"),
    [
        ({"name": "", "system": "a"}, 400, "prompt name"),
        ({"name": "greet"}, 400, "system"),
        ({"name": "greet", "examples": "["}, 400, "examples: not YAML"),
        ({"name": "greet", "examples": "- {user: a}"}, 400, "examples"),
    ],
)
def test_a_wrong_prompt_is_shown_again(console: HomeConsole, form: dict[str, str], code: int, said: str) -> None:
    status, _, page = console.post("/prompts", form)
    assert status == code and said in page and "steward-prompt-" not in page


def list_options(page: str, field: str) -> list[str]:
    return re.findall(r"<option[^>]*>([^<]*)", page.partition(f'name="{field}"')[2].partition("</select>")[0])


def test_the_playground_offers_what_answers_by_its_name_and_every_version_the_newest_first(tmp_path: Path) -> None:
    settings = SETTINGS.replace("{name: small,", "{name: small, direct: false,")
    with serve_home(tmp_path, settings) as home:
        console = HomeConsole(home)
        add(console, "first")
        add(console, "second")
        page = console.get("/playground")
        (home / "run" / "plan.json").unlink()
        assert "Nothing serves yet" in console.get("/playground")
    assert list_options(page, "model") == ["big", "assistant"]  # small answers behind the route alone
    assert [name[:8] for name in list_options(page, "first")] == ["no promp", "greet@2-", "greet@1-"]


def test_the_list_tells_which_routes_use_a_prompt_and_which_prompts_the_file_has(tmp_path: Path) -> None:
    route = "routes:\n  - {name: %s, targets: [{model: big}], prompt: %s}\n"
    written = SETTINGS.replace("routes:\n", route % ("written", "{system: Be brief.}"))
    with serve_home(tmp_path, written) as home:
        console = HomeConsole(home)
        add(console, "You are kind.")
        of_file = read_text(console.get("/prompts"))
        plan = console.read_plan()
        version = f"greet@{console.get('/prompts/greet').partition('?version=')[2].partition(chr(34))[0]}"
        used = {"assistant": Prompt(version, "You are kind."), **plan.prompts}
        write_plan(home, msgspec.structs.replace(plan, prompts=used))
        both, one = read_text(console.get("/prompts")), read_text(console.get("/prompts/greet"))
        none = console.get("/prompts?words=nothing")
    assert re.search(r"greet 1-\S+ 1 no route uses it", of_file)
    assert re.search(r"Written in steward\.yaml Prompt Routes \S+ written ", of_file)
    assert re.search(r"greet 1-\S+ 1 assistant", both)
    assert both.split("Written in steward.yaml")[1].count("greet@") == 0
    assert re.search(r"in use [^–]* assistant – ", one)
    assert "Nothing matches." in none and "No stored prompts yet" not in none


def test_what_is_not_there_is_unknown(console: HomeConsole) -> None:
    assert console.ask("GET", "/prompts/none")[0] == 404
    add(console, "a")
    assert console.post("/prompts/greet/use", {"version": "9-none"})[0] == 404


def test_hostile_texts_are_escaped_and_readers_change_nothing(console: HomeConsole) -> None:
    add(console, HOSTILE)
    page = console.get("/prompts/greet", rights=READS)
    assert "<script>alert" not in page and "/use" not in page
    assert console.post("/prompts", {}, rights=READS)[0] == console.ask("GET", "/playground", rights=READS)[0] == 403
    assert console.ask("GET", "/prompts", tenant="acme")[0] == 403


class Gateway(BaseHTTPRequestHandler):
    """Answers with the system message that it was sent, and knows a key after the first try."""

    seen: list[str] = []  # noqa: RUF012

    def do_POST(self) -> None:
        key = self.headers["Authorization"]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = key in self.seen
        self.seen.append(key)
        text = " / ".join(message["content"] for message in body["messages"])
        choices = [{"message": {"content": text}}]
        answer = {"model": body["model"], "choices": choices, "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
        if body["model"] == "none":
            known, answer = True, {"error": {"message": "no such model"}}
        data = json.dumps(answer if known else {"error": {"message": "unknown key"}}).encode()
        self.send_response(401 if not known else 404 if body["model"] == "none" else 200)
        self.send_header("x-steward-guards", "privacy: 1 email")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def gateway(console: HomeConsole) -> Iterator[HomeConsole]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    file = console.home / "run" / "state.json"
    url = f"http://127.0.0.1:{server.server_address[1]}"
    write_file(file, json.dumps({**json.loads(file.read_text()), "gateway_url": url}).encode())
    yield console
    server.shutdown()
    thread.join(60)
    server.server_close()


def test_two_prompts_are_asked_through_the_gateway_by_a_key_of_whoever_asks(gateway: HomeConsole) -> None:
    add(gateway, "Be brief.")
    right = gateway.get("/playground").partition("greet@")[2].partition("<")[0]
    form = {"model": "big", "first": "no prompt", "second": f"greet@{right}", "text": "hello <b>"}
    status, _, page = gateway.post("/playground", form)
    text = read_text(page)
    assert status == 200 and "Be brief. / hello &lt;b&gt;" in page and "3 in, 4 out" in text
    assert "privacy: 1 email" in text and "answered by big" in text
    keys = gateway.store.keys.list_keys(tenant="default")
    assert [(key.name, key.rights, key.created_by) for key in keys] == [
        ("playground of anna", {"public", "infer"}, "person:anna")
    ]
    gateway.post("/playground", form)
    assert len(gateway.store.keys.list_keys(tenant="default")) == 1
    assert {act.action for act in list_acts(gateway.home, 9)} == {"prompts.add", "keys.create"}


def test_what_the_gateway_refuses_is_said_beside_the_prompt(gateway: HomeConsole) -> None:
    page = gateway.post("/playground", {"model": "none", "text": "hello"})[2]
    assert "no such model" in page and ">404" in page
    assert gateway.post("/playground", {"model": "big", "text": " "})[0] == 400
    assert gateway.post("/playground", {"model": "big", "first": "none@1", "text": "hello"})[0] == 404


def test_a_gateway_that_is_down_is_said(console: HomeConsole) -> None:
    file = console.home / "run" / "state.json"
    write_file(file, json.dumps({**json.loads(file.read_text()), "gateway_url": "http://127.0.0.1:9"}).encode())
    status, _, page = console.post("/playground", {"model": "big", "text": "hello"})
    assert status == 503 and "does not answer" in page


def test_the_version_that_is_named_is_asked_with_and_else_the_one_in_use(gateway: HomeConsole) -> None:
    add(gateway, "Be brief.")
    add(gateway, "Be kind.")
    second = next(name for name in list_options(gateway.get("/playground"), "first") if name.startswith("greet@2-"))
    page = gateway.post("/playground", {"model": "big", "first": second, "second": "greet", "text": "hello"})[2]
    assert "Be kind. / hello" in page and "Be brief. / hello" in page
