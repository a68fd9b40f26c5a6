import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from steward.adapters.trainers.gepa import ChatClient, GepaParameters, GepaTrainer, score_answer
from steward.core.errors import InputError, Unavailable
from steward.testing.trainers import make_job


@pytest.mark.parametrize(
    ("answer", "right", "score"),
    [("a b c", "a b c", 1.0), ("A, b!", "a b", 1.0), ("x", "a", 0.0), ("", "a", 0.0), ("a a", "a", 2 / 3)],
)
def test_token_f1(answer, right, score):
    assert score_answer(answer, right) == pytest.approx(score)


def test_a_prompt_is_chosen_on_rows_of_its_own_or_not_at_all(tmp_path):
    job = make_job(tmp_path, "gepa", "prompt", "trl-sft", [], base="m")
    with pytest.raises(InputError, match="the select slice is empty"):
        GepaTrainer().prepare(job, "python3")


class Refusing(BaseHTTPRequestHandler):
    """Answers with the status that is the model's name; 200 with what it was asked."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status = int(asked["model"])
        seen = {"key": self.headers["authorization"], "path": self.path, **asked}
        answer = json.dumps({"choices": [{"message": {"content": json.dumps(seen)}}]}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InputError), (428, InputError), (429, Unavailable), (430, InputError), (499, InputError),
     (500, Unavailable), (503, Unavailable)],
)  # fmt: skip
def test_only_a_busy_or_broken_server_is_worth_another_try(url, status, kind):
    with pytest.raises(kind, match=f"status {status} for model {status}"):
        ChatClient(url, "", 5).ask(str(status), [])


def test_an_answer_is_asked_for_at_temperature_0(url):
    messages = [{"role": "user", "content": "hi"}]
    seen = json.loads(ChatClient(url, "k", 5).ask("200", messages))
    assert seen == {"model": "200", "messages": messages, "temperature": 0, "max_tokens": 5, "key": "Bearer k",
                    "path": "/v1/chat/completions"}  # fmt: skip
    assert json.loads(ChatClient(url, "", 5).ask("200", [], 7))["max_tokens"] == 7


@pytest.mark.parametrize(
    ("parameters", "base", "says"),
    [({}, "", "no `base`"), ({"url": "ftp://x"}, "m", "expected http://HOST:PORT/v1")],
)
def test_a_job_that_cannot_be_asked_for_is_refused(tmp_path, parameters, base, says):
    job = make_job(tmp_path, "gepa", "prompt", "trl-sft", [{"prompt": []}], base=base, parameters=parameters)
    with pytest.raises(InputError, match=says):
        GepaTrainer().prepare(job, "python3")


def test_with_a_select_slice_it_is_prepared(tmp_path):
    job = make_job(tmp_path, "gepa", "prompt", "trl-sft", [{"prompt": []}], base="m")
    assert GepaTrainer().prepare(job, "python3").needs == "gepa"
    (tmp_path / "select.jsonl").unlink()
    with pytest.raises(InputError, match="the select slice is empty"):
        GepaTrainer().prepare(job, "python3")
    assert (GepaParameters().calls, GepaParameters().minibatch, GepaParameters().max_tokens) == (150, 3, 256)
