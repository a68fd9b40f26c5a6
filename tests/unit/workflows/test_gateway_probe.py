import json
import os
from pathlib import Path

import pytest

from steward.core.errors import Unavailable
from steward.workflows import gateway_probe
from steward.workflows.gateway_probe import ask_gateway, find_problem, read_state


def write(home: Path, **state: object) -> None:
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / "state.json").write_text(json.dumps(state))


def test_nothing_runs_in_a_home_that_says_nothing(tmp_path: Path) -> None:
    assert ask_gateway(tmp_path) == (None, "")
    write(tmp_path, pid="x")
    with pytest.raises(Unavailable, match="no steward is running"):
        read_state(tmp_path)


def test_a_supervisor_that_was_killed_runs_no_more(tmp_path: Path) -> None:
    write(tmp_path, pid=2**22 + 1, gateway_url="http://127.0.0.1:9")  # beyond the greatest process id
    assert ask_gateway(tmp_path) == (None, "")


def test_a_gateway_that_does_not_answer_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, pid=os.getpid(), gateway_url="http://127.0.0.1:9")
    answers, problem = ask_gateway(tmp_path)
    assert answers is False and problem == find_problem("http://127.0.0.1:9")
    assert problem.startswith("Not ready: the gateway does not answer")


def test_a_gateway_that_hangs_is_a_problem_after_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """`steward status` and a container's health check wait for it."""

    def hang(url: str, timeout_s: float, certificate: str | None) -> None:
        assert (url, timeout_s, certificate) == ("http://gateway/readyz", 3, "ca.pem")
        raise TimeoutError

    monkeypatch.setattr(gateway_probe, "open_url", hang)
    assert find_problem("http://gateway", "ca.pem") == "Not ready: the gateway does not answer (TimeoutError)."
