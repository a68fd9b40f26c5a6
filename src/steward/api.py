"""The functions that `import steward` offers: plain arguments in, the records of the command line's `--json` out.

Each loads what it needs when it is called, so that scoring needs no load tester and planning no metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steward.capacity.plan import Plan
    from steward.core.load_report import LoadReport
    from steward.evaluation.compare import Comparison
    from steward.evaluation.gate import GateDecision
    from steward.evaluation.run import RunResults
    from steward.evaluation.score import Score


def score(
    metric: str,
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    options: Mapping[str, bool | int | float | str] | None = None,
    confidence: float = 0.95,
) -> Score:
    """One metric over predictions and their references, paired by position.

    A reference may be a list of several right answers. The interval is a bootstrap's, or exact for few proportions.
    `docs/reference/metrics.md` lists the metrics and their options.

    >>> import steward
    >>> result = steward.score("exact_match", ["Paris", "Rome"], ["Paris", "Madrid"])
    >>> result.value, result.n
    (0.5, 2)

    :raises InputError: an unknown metric or option, or lists of different lengths
    """
    from steward.core.errors import InputError
    from steward.evaluation.score import Prediction, score_predictions
    from steward.workflows.evaluate.extra import require_extra

    require_extra()
    if len(predictions) != len(references):
        raise InputError(f"{len(predictions)} predictions and {len(references)} references; expected as many of each")
    rows = [Prediction(str(index), prediction) for index, prediction in enumerate(predictions)]
    wanted = {str(index): each if isinstance(each, list) else [each] for index, each in enumerate(references)}
    return score_predictions(metric, rows, wanted, options, confidence=confidence).score


def evaluate(
    suite: Path | str,
    out: Path | str,
    *,
    model: str = "starter",
    url: str | None = None,
    key: str | None = None,
    limit: int | None = None,
    concurrency: int = 16,
) -> RunResults:
    """Ask a model every item of a suite and score the answers; the run is kept in the folder `out`.

    `suite` is a file or a built-in one (`starter`, `starter-free`, `starter-seen`). `model` is a name behind `url` (an
    OpenAI-compatible server), a GGUF file, or the folder of a checkpoint. `key` is a reference, env:NAME or file:PATH.

    >>> import steward, tempfile
    >>> results = steward.evaluate("starter", tempfile.mkdtemp() + "/run", limit=2)
    >>> results.items, results.errored
    (2, ())

    :raises InputError: the suite or its data are wrong, or `out` holds another run
    :raises Unavailable: the model does not answer
    """
    from steward.core.secret import resolve
    from steward.workflows.evaluate.extra import require_extra
    from steward.workflows.evaluate.suites import run_suite_file
    from steward.workflows.evaluate.target import ModelTarget
    from steward.workflows.models import backend_of

    require_extra()
    secret = resolve(key) if key else None
    target = ModelTarget(url, model, secret, concurrency, backend=backend_of(model, "auto", url))
    return run_suite_file(suite, target, Path(out), limit=limit, progress=_ignore_progress)


def compare(baseline: Path | str, candidate: Path | str) -> Comparison:
    """Two runs over the same items: gains with intervals, and what got better and worse.

    >>> import steward, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("a", "b"):
    ...     _ = steward.evaluate("starter", f"{folder}/{name}", limit=3)
    >>> steward.compare(f"{folder}/a", f"{folder}/b").wholes[0].gain
    0.0

    :raises InputError: not folders of runs, or runs over different data
    """
    from steward.workflows.evaluate.comparison import compare_folders
    from steward.workflows.evaluate.extra import require_extra

    require_extra()
    return compare_folders(Path(baseline), Path(candidate), html=None)


def gate(baseline: Path | str, candidate: Path | str, policy: Path | str) -> GateDecision:
    """Whether `candidate` may be released: `passed`, `regressed` or `inconclusive` under the margins of gate.yaml.

    >>> import steward, tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a", "b"):
    ...     _ = steward.evaluate("starter", folder / name, limit=3)
    >>> _ = (folder / "gate.yaml").write_text("metrics: [{name: exact_match, margin: 0.02}]")
    >>> steward.gate(folder / "a", folder / "b", folder / "gate.yaml").verdict
    'inconclusive'

    :raises InputError: not folders of runs, runs over different data, or a wrong policy
    :raises Unavailable: a run in which no item was answered
    """
    from steward.workflows.evaluate.comparison import gate_folders
    from steward.workflows.evaluate.extra import require_extra

    require_extra()
    return gate_folders(Path(baseline), Path(candidate), Path(policy), markdown=None, junit=None)


def load_test(
    url: str,
    model: str,
    *,
    rate: float | None = None,
    concurrency: int | None = None,
    duration_s: float = 60.0,
    input_tokens: str = "512",
    output_tokens: str = "128",
    key: str | None = None,
    slo: str | None = None,
    processes: int = 1,
    seed: int = 0,
) -> LoadReport:
    """Latency and throughput of an OpenAI-compatible server: `rate` requests a second, or `concurrency` users who wait.

    Latencies count from the moment a request was meant to be sent. Token counts may be distributions, such as
    `lognormal:512:0.8`. `slo` is an objective such as `ttft_p95<500ms`; `key` a reference, env:NAME or file:PATH.

    >>> import steward
    >>> report = steward.load_test(url, "echo", rate=20, duration_s=1, output_tokens="4")  # url: http://127.0.0.1:8000
    >>> report.failed, report.ttft_ms.p50 > 50
    (0, True)

    :raises InputError: a wrong argument
    :raises Unavailable: nobody listens at `url`, or a process died
    """
    from steward.loadtest.config import Arrival, LoadConfig
    from steward.workflows.loadtest.run import run_load

    kind = Arrival(kind="concurrency", concurrency=concurrency) if concurrency else Arrival(rate=rate)
    config = LoadConfig(
        url=url, model=model, arrival=kind, duration_s=duration_s, input_tokens=input_tokens,
        output_tokens=output_tokens, key=key, slo=slo, processes=processes, seed=seed,
    )  # fmt: skip
    return run_load(config).report


def plan(
    model: str,
    *,
    rate: float,
    input_tokens: int,
    output_tokens: int,
    ttft_p95_ms: float | None = None,
    tpot_p95_ms: float | None = None,
    e2e_p95_ms: float | None = None,
    gpu: str | None = None,
    prices: Path | str | None = None,
) -> Plan:
    """The cheapest deployment that holds latency objectives at `rate` requests a second.

    `chosen` is None where none does; `declined` says why. `gpu` is one or several names with commas, else all known.
    `prices` is a YAML file of dollars an hour by accelerator.

    >>> import steward
    >>> traffic = {"rate": 2, "input_tokens": 500, "output_tokens": 200}
    >>> steward.plan("llama-3.1-8b", **traffic, ttft_p95_ms=1000, gpu="h100-sxm").chosen.replicas
    1

    :raises InputError: an unknown name, or objectives that contradict each other
    """
    from steward.capacity.sizing import Requirements
    from steward.workflows.plan.deployment import DeploymentSpec
    from steward.workflows.plan.make import make_plan

    wanted = Requirements(
        rate=rate, input_tokens=input_tokens, output_tokens=output_tokens, ttft_p95_ms=ttft_p95_ms,
        tpot_p95_ms=tpot_p95_ms, e2e_p95_ms=e2e_p95_ms,
    )  # fmt: skip
    return make_plan(DeploymentSpec(model=model, gpu=gpu), wanted, Path(prices) if prices else None, None)


def series(query: str, *, since: str = "24h", home: Path | str = ".steward") -> Any:
    """Latency, tokens, money or satisfaction over time, such as `ttft p95 by model`, of the deployment in `home`.

    A data frame where pandas is installed, else a list of records: `at` (where the minute, hour or day begins; a time
    in UTC, in records seconds since the epoch), the labels, `value` and `count`. `docs/how-to/ask-for-metrics.md` lists
    what can be asked for.

    >>> import steward
    >>> rows = steward.series("requests by model", since="1h", home=home)  # home: that of a running deployment
    >>> int(sum(rows["count"])) if hasattr(rows, "columns") else sum(row["count"] for row in rows)
    3

    :raises InputError: a question or span that cannot be understood
    :raises Unavailable: nothing has been served, or the store does not answer
    """
    from steward.adapters.frames import make_frame
    from steward.monitoring.metric_answer import list_records
    from steward.workflows.metrics import query_metrics

    answer = query_metrics(Path(home), query, since)
    records, columns = list_records(answer)
    frame = make_frame(records, columns)
    return records if frame is None else frame


def traces(*, since: str = "24h", limit: int = 1000, home: Path | str = ".steward") -> Any:
    """Requests of the deployment in `home` that are kept as traces (failed, slow and flagged ones, and a share of the
    others), newest first, without content.

    A data frame where pandas is installed, else a list of records; `stages` holds each one's timeline.

    >>> import steward
    >>> len(steward.traces(since="1h", home=home))  # home: that of a running deployment
    3

    :raises InputError: a span that cannot be understood
    :raises Unavailable: nothing has been served, or the store does not answer
    """
    import time

    import msgspec

    from steward.adapters.frames import make_frame
    from steward.core.durations import parse_span_s
    from steward.core.traces import Trace
    from steward.workflows.traces import list_traces

    kept = list_traces(Path(home), time.time() - parse_span_s(since, "since"), limit)
    records = [msgspec.to_builtins(trace) for trace in kept]
    frame = make_frame(records, Trace.__struct_fields__)
    return records if frame is None else frame


def runs(kind: str | None = None, *, since: str = "30d", limit: int = 1000, home: Path | str = ".steward") -> Any:
    """Finished runs that `home` has a proof of, newest first: `evaluation`, `load`, `data` or `training`; all of them
    where no `kind` is given.

    A data frame where pandas is installed, else a list of records: `at`, `kind`, `subject`, `verdict` (pass, fail or
    cannot tell), `value`, `expected`, `source` (the folder or report with the details), `command`, `signer` and `id`.

    >>> import steward
    >>> rows = steward.runs("evaluation", since="1h", home=home)  # home: one that an evaluation ran beside
    >>> list(rows["subject"]) if hasattr(rows, "columns") else [row["subject"] for row in rows]
    ['model m']

    :raises InputError: a kind or span that there is not
    :raises Unavailable: nothing was proved here yet, or the store does not answer
    """
    import time

    import msgspec

    from steward.adapters.frames import make_frame
    from steward.core.durations import parse_span_s
    from steward.workflows.evidence_pack import ProvenRun, list_proven_runs

    finished = list_proven_runs(Path(home), time.time() - parse_span_s(since, "since"), kind, limit)
    records = [msgspec.to_builtins(run) for run in finished]
    frame = make_frame(records, ProvenRun.__struct_fields__)
    return records if frame is None else frame


def _ignore_progress(total: int) -> Any:
    return lambda done, failed: None
