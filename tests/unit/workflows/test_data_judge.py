import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from json_service import serve_json
from steward.cli.main import app
from steward.core.errors import InputError
from steward.evaluation.spend import TokenPrices
from steward.workflows.data_judge import RowJudgePlan, estimate_judging, judge_files

PATH = "/v1/chat/completions"


def say(text: str) -> dict[str, tuple[int, object]]:
    return {PATH: (200, {"choices": [{"message": {"content": text}}]})}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    texts = ["a" * 92, "b" * 92, "a" * 92]
    lines = [json.dumps({"text": text, "n": n}) for n, text in enumerate(texts)]
    (tmp_path / "in.jsonl").write_text("\n".join([*lines, "{broken"]) + "\n")
    return tmp_path / "in.jsonl"


def plan(url: str = "http://127.0.0.1:1", **options: object) -> RowJudgePlan:
    return RowJudgePlan(url=f"{url}/v1", model="m", question="Rate: {{ text }}", **options)


def test_an_estimate_counts_each_text_once(rows: Path) -> None:
    """98 characters are 24 tokens, two different texts 49, and 4 each for the template."""
    estimate = estimate_judging([str(rows)], rows.parent / "out.jsonl", plan(max_tokens=10), TokenPrices(1e6, 1e6))
    assert (estimate.rows, estimate.asked, estimate.input_tokens, estimate.output_tokens) == (3, 2, 57, 20)
    assert estimate.cost_usd == 77.0
    assert estimate_judging([str(rows)], rows.parent / "out.jsonl", plan(), None).cost_usd is None


def test_rows_get_their_scores_and_a_second_run_asks_nothing(rows: Path) -> None:
    output = rows.parent / "out.jsonl"
    with serve_json(say("Fine. Score: 4")) as service:
        judged = judge_files([str(rows)], output, plan(service.address, max_tokens=9))
        assert service.asked["messages"] == [{"role": "user", "content": f"Rate: {'b' * 92}"}] or "a" * 92 in str(
            service.asked
        )
        assert (service.asked["model"], service.asked["max_tokens"], service.key) == ("m", 9, None)
    assert (judged.rows, judged.scored, judged.unscored, judged.failed, judged.asked, judged.mean) == (
        3,
        3,
        0,
        1,
        2,
        4.0,
    )
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(line["n"], line["judge_score"]) for line in lines] == [(0, 4.0), (1, 4.0), (2, 4.0)]
    again = judge_files([str(rows)], output, plan())  # nobody is there to ask
    assert (again.scored, again.asked) == (3, 0)


@pytest.mark.parametrize("reply", [say("No idea."), {PATH: (503, {})}, {PATH: (200, {"choices": []})}])
def test_what_has_no_score_is_null_and_is_asked_again(rows: Path, reply: dict[str, tuple[int, object]]) -> None:
    output = rows.parent / "out.jsonl"
    with serve_json(reply) as service:
        judged = judge_files([str(rows)], output, plan(service.address))
    assert (judged.scored, judged.unscored, judged.mean) == (0, 3, None)
    assert json.loads(output.read_text().splitlines()[0])["judge_score"] is None
    assert estimate_judging([str(rows)], output, plan(), None).asked == 2


def test_a_column_of_that_name_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "judge_score": 1}\n')
    with serve_json(say("4")) as service, pytest.raises(InputError, match="a column judge_score already"):
        judge_files([str(tmp_path / "in.jsonl")], tmp_path / "out.jsonl", plan(service.address))


def test_the_command_estimates_first_and_keeps_to_the_most_it_may_cost(rows: Path) -> None:
    (rows.parent / "q.txt").write_text("Rate: {{ text }}")
    arguments = ["data", "judge", str(rows), "--question", str(rows.parent / "q.txt"), "--model", "m"]
    arguments += ["--output", str(rows.parent / "out.jsonl"), "--input-price", "1", "--output-price", "10"]
    with serve_json(say("3")) as service:
        url = ["--url", f"{service.address}/v1"]
        dry = CliRunner().invoke(app, [*arguments, *url, "--dry-run"])
        assert dry.exit_code == 0 and "3 rows, 2 to ask about" in dry.output and service.asked is None
        refused = CliRunner().invoke(app, [*arguments, *url, "--max-usd", "0.001"])
        assert refused.exit_code != 0 and service.asked is None
        ran = CliRunner().invoke(app, [*arguments, *url, "--max-usd", "1", "--json"])
    assert ran.exit_code == 0 and '"scored": 3' in ran.output.replace('":3', '": 3')


def test_what_the_command_asks_for_unless_told_the_library_asks_for_too() -> None:
    """docs/reference/commands.md, `steward data judge`."""
    usual = plan()
    assert (usual.lowest, usual.highest, usual.max_tokens, usual.concurrency) == (0.0, 5.0, 256, 8)
