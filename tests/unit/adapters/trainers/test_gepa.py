import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from steward.adapters.trainers import gepa
from steward.adapters.trainers.gepa import ChatClient, GepaParameters, GepaTrainer, PromptAdapter, score_answer
from steward.core.errors import InputError, Unavailable
from steward.core.training import TrainingEvent
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


def test_an_answer_has_two_minutes(monkeypatch):
    waits = []

    def refuse(request, timeout_s):
        waits.append(timeout_s)
        raise TimeoutError

    monkeypatch.setattr(gepa, "open_url", refuse)
    with pytest.raises(Unavailable, match="TimeoutError"):
        ChatClient("http://h/v1", "", 5).ask("m", [])
    assert waits == [120]


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


class Client:
    """Answers with what was asked last."""

    def __init__(self):
        self.asked = []

    def ask(self, model, messages, max_tokens=0):
        self.asked.append((model, messages))
        return messages[-1]["content"]


def make_row(question, answer):
    prompt = [{"role": "user", "content": "before"}, {"role": "user", "content": question}]
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": answer}]}


def test_a_prompt_is_scored_by_the_mean_of_its_answers_and_reflected_on_with_the_right_ones():
    pytest.importorskip("gepa")
    client, events = Client(), list[TrainingEvent]()
    adapter = PromptAdapter(client, "m", SimpleNamespace(write=events.append), 3)
    batch = [make_row("a b", "a b"), make_row("x", "y"), make_row("x", None), make_row("", None)]
    result = adapter.evaluate(batch, {"system_prompt": "Be brief."}, capture_traces=True)
    assert result.scores == [1.0, 0.0, 0.0, result.scores[3]]
    assert client.asked[0] == ("m", [{"role": "system", "content": "Be brief."}, *batch[0]["prompt"]])
    (event,) = events
    assert (event.step, event.steps) == (4, 4)  # more calls than were planned are shown as they are
    assert event.metrics["score"] == pytest.approx(sum(result.scores) / 4)
    (example, other, *_) = adapter.make_reflective_dataset({}, result, ["system_prompt"])["system_prompt"]
    assert example == {
        "Inputs": "a b", "Generated Outputs": "a b", "Feedback": "Score 1.00 of 1. The right answer is: a b",
    }  # fmt: skip
    assert other["Feedback"] == "Score 0.00 of 1. The right answer is: y"
    assert adapter.evaluate([], {"system_prompt": ""}).scores == [] and events[1].metrics["score"] == 0.0
