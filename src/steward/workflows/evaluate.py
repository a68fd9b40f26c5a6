"""Evaluation's composition root: files in, records out."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from steward import starter
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.secret import Secret, resolve
from steward.workflows.models import backend_of, model_file, model_hash, opened_engine

if TYPE_CHECKING:
    from steward.core.extend import Engine, TextScorer
    from steward.evaluation.bias import BiasReport
    from steward.evaluation.checks import CheckReport
    from steward.evaluation.compare import Comparison
    from steward.evaluation.gate import GateDecision
    from steward.evaluation.groups import GroupComparison
    from steward.evaluation.judge import JudgeComparison, JudgedItem
    from steward.evaluation.overlap import OverlapReport
    from steward.evaluation.robustness import RobustnessReport
    from steward.evaluation.run import RunResults
    from steward.evaluation.score import Score
    from steward.evaluation.suite import QuestionChange, Suite, SuiteSpec

BUILT_IN: Final = {
    "starter": starter.path().parent / "suite.yaml",
    "starter-free": starter.path().parent / "suite-free.yaml",
    "starter-seen": starter.path().parent / "suite-seen.yaml",
}


def score_files(metric: str, predictions: Path, references: Path, options: Mapping[str, str]) -> Score:
    """:raises InputError: a row of another kind, by its item; or the extra is not installed"""
    require_extra()
    from steward.evaluation.score import read_predictions, read_references, score_predictions

    return score_predictions(metric, read_predictions(predictions), read_references(references), options).score


def require_extra() -> None:
    """:raises InputError: the extra `eval` is not installed"""
    import importlib.util

    missing = [
        name for name in ("numpy", "sacrebleu", "rouge_score", "jsonschema") if not importlib.util.find_spec(name)
    ]
    if missing:
        raise InputError(f"steward eval needs {', '.join(missing)}: pip install 'llm-steward[eval]'")


def run_suite_file(
    suite: Path | str,
    model: str,
    url: str | None,
    key: Secret | None,
    out: Path,
    *,
    backend: str = "url",
    concurrency: int,
    limit: int | None,
    cache: Path | None,
    progress: Callable[[int], Callable[[int, int], None]],
) -> RunResults:
    """Run a suite, a file's or a built-in one's, against an OpenAI-compatible server or a model in this process.

    :raises InputError: the suite or its data are wrong, or `out` holds another run
    """
    require_extra()
    from steward.evaluation.suite import load_suite

    path = find_suite(suite)
    server = ModelTarget(url, model, key, concurrency, cache, backend)
    return run_suites([(load_suite(path, limit), out)], path.parent, server, progress)[0]


class ModelTarget(msgspec.Struct, frozen=True):
    """Whom a run asks, and how."""

    url: str | None
    model: str
    key: Secret | None = None
    concurrency: int = 16
    cache: Path | None = None
    backend: str = "url"


Progress = Callable[[int], Callable[[int, int], None]]


def run_suites(
    suites: Sequence[tuple[Suite, Path]], folder: Path, server: ModelTarget, progress: Progress
) -> list[RunResults]:
    """Suites one after the other, each into its folder. Scorers that are files lie in `folder`.

    :raises InputError: a secret or scorer that is not there, or an output folder holds another run
    """
    from steward.adapters.engines.http import HttpEngine
    from steward.evaluation.run import run_suite

    local = backend_of(server.model, server.backend, server.url) != "url"
    sha256 = model_hash(model_file(server.model)) if local else None

    async def go() -> list[RunResults]:
        async with opened_engine(server.model, server.backend, server.url, server.key, server.concurrency) as engine:
            graders = open_graders(suites[0][0].spec, engine, folder)
            shown = progress(sum(len(suite.items) for suite, _ in suites))
            found: list[RunResults] = []
            try:
                for suite, out in suites:
                    failed = sum(len(results.errored) for results in found)
                    done = sum(results.items for results in found) - failed
                    found.append(
                        await run_suite(
                            suite,
                            server.model,
                            engine,
                            out,
                            model_sha256=sha256,
                            graders=graders,
                            concurrency=server.concurrency,
                            cache=server.cache,
                            progress=lambda more, worse, done=done, failed=failed: shown(done + more, failed + worse),  # type: ignore[misc]
                        )
                    )
            finally:
                for one in graders.values():
                    if isinstance(one, HttpEngine) and one is not engine:
                        await one.close()
            return found

    return asyncio.run(go())


def run_robustness(
    suite: Path | str,
    changes: Sequence[QuestionChange],
    server: ModelTarget,
    out: Path,
    *,
    limit: int | None,
    extra: Sequence[str],
    margin: float | None = None,
    progress: Progress,
) -> RobustnessReport:
    """The suite as it is and under each change, in folders of `out`, and what the changes did.

    `extra`: metrics beside the suite's. `margin`: how much the suite's may change, for a verdict. Killed, it goes on
    where it ended.

    :raises InputError: the suite or a change is wrong, or nothing in the suite can be changed so
    """
    require_extra()
    from steward.evaluation.changes import rewrite_suite
    from steward.evaluation.robustness import measure_robustness
    from steward.evaluation.run import read_run
    from steward.evaluation.suite import MetricSpec, load_suite

    path = find_suite(suite)
    whole = load_suite(path, limit)
    titles = [change.title for change in changes]
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise InputError(f"the change {twice[0]!r} is given twice")
    made = [(change, rewrite_suite(path, change, limit)) for change in changes]
    touched = [(change, one) for change, one in made if one.items]
    if not touched:
        raise InputError(
            f"{path}: no item can be changed by {', '.join(titles)}; choose other changes, or other fields with --field"
        )
    folders = [out / "original", *(out / make_folder_name(change.title) for change, _ in touched)]
    run_suites(list(zip([whole, *(one for _, one in touched)], folders, strict=True)), path.parent, server, progress)
    original, *others = map(read_run, folders)
    own = {metric.name for metric in whole.spec.metric_specs()}
    return measure_robustness(
        original,
        {change.title: (change, run) for (change, _), run in zip(touched, others, strict=True)},
        [MetricSpec(name) for name in extra if name not in own],
        tuple(change.title for change, one in made if not one.items),
        margin,
    )


def run_checks(
    suite: Path | str, server: ModelTarget, out: Path, *, limit: int | None, progress: Progress
) -> CheckReport:
    """The suite, and what its checks change in it, in folders of `out`.

    :raises InputError: the suite is wrong, or has no checks
    """
    require_extra()
    from steward.evaluation.changes import rewrite_suite
    from steward.evaluation.checks import evaluate_checks
    from steward.evaluation.run import read_run
    from steward.evaluation.suite import load_suite

    path = find_suite(suite)
    whole = load_suite(path, limit)
    if not whole.spec.checks:
        raise InputError(f"{path}: the suite has no checks; add a key `checks` with a list of MFT, INV and DIR tests")
    made = {check.name: rewrite_suite(path, check.change, limit) for check in whole.spec.checks if check.change}
    touched = {name: one for name, one in made.items() if one.items}
    folders = {name: out / make_folder_name(name) for name in touched}
    suites = [(whole, out / "original"), *((one, folders[name]) for name, one in touched.items())]
    run_suites(suites, path.parent, server, progress)
    return evaluate_checks(read_run(out / "original"), {name: read_run(folder) for name, folder in folders.items()})


def find_overlap(
    suite: Path | str, train: Sequence[str], run: Path | None, *, ngram: int, shortest: int, limit: int | None
) -> OverlapReport:
    """Which items of a suite stand in training data, and how scores differ on them where there is a run.

    `train`: files by glob pattern, as data's `decontaminate` reads them.

    :raises InputError: no suite, no training files, or the run is over other items
    """
    require_extra()
    from steward.data.shingles import hash_ngrams, hash_words
    from steward.data.stages.decontaminate import find_evaluation_files, read_items
    from steward.evaluation.overlap import find_overlap, read_asked_texts
    from steward.evaluation.run import read_run

    path = find_suite(suite)
    texts = read_asked_texts(path, limit)

    def batches() -> Iterator[list[str]]:
        pairs = (pair for pattern in train for file in find_evaluation_files(pattern) for pair in read_items(file))
        while batch := [text for _, text in islice(pairs, 2000)]:
            yield batch

    folder = read_run(run) if run is not None else None
    return find_overlap(
        texts,
        batches(),
        lambda some, n: hash_ngrams(hash_words(some), n),
        lambda some: hash_words(some),
        folder,
        ngram,
        shortest,
    )


def compare_groups(run: Path, field: str, positive: str | None) -> GroupComparison:
    """:raises InputError: no run, no such slice or label"""
    require_extra()
    from steward.evaluation.groups import compare_groups
    from steward.evaluation.run import read_run

    return compare_groups(read_run(run), field, positive)


def measure_bias(
    benchmark: str,
    data: Path,
    *,
    scores: Path | None,
    predictions: Path | None,
    server: ModelTarget | None,
    out: Path | None,
    progress: Progress,
) -> BiasReport:
    """A published set about stereotypes: asks `server`, or reads predictions (bbq) or scores (the other two).

    :raises InputError: no such benchmark, a file of another shape, or what it needs is not given
    """
    require_extra()
    from steward.evaluation import bias
    from steward.evaluation.run import read_run
    from steward.evaluation.score import Prediction, read_predictions

    if benchmark not in bias.BENCHMARKS:
        raise UnknownName("benchmark", benchmark, bias.BENCHMARKS)
    if benchmark != "bbq":
        crows = benchmark == "crows-pairs"
        if scores is not None:
            given = bias.read_crows_scores(scores) if crows else bias.read_stereoset_scores(scores)
        elif server is None:
            raise InputError(f"{benchmark} needs --model, or --scores with the log-probabilities of its sentences")
        else:
            from steward.workflows.stereotypes import score_sentences

            texts = bias.read_crows_texts(data) if crows else bias.read_stereoset_texts(data)
            given = score_sentences(server, texts, mean=not crows, progress=progress)
        return (bias.score_crows_pairs if crows else bias.score_stereoset)(data, given)
    questions, suite = bias.read_bbq(data)
    if predictions is not None:
        return bias.score_bbq(questions, read_predictions(predictions))
    if server is None or out is None:
        raise InputError("bbq needs --predictions, or --model and --out to ask a model")
    run_suites([(suite, out)], data.parent, server, progress)
    answers = read_run(out).answers.values()
    return bias.score_bbq(questions, [Prediction(one.id, one.prediction, one.error) for one in answers])


def make_folder_name(title: str) -> str:
    """Readable, safe as a file's name, and another one for another title."""
    safe = re.sub(r"[^a-z0-9-]+", "-", title.lower()).strip("-")
    return safe if safe == title else f"{safe[:40]}-{hashlib.sha256(title.encode()).hexdigest()[:6]}"


def open_graders(spec: SuiteSpec, engine: Engine, folder: Path) -> dict[str, Engine | TextScorer]:
    """Who gives the values of the suite's graded metrics: the run's server, one of their own, or a scorer.

    :raises InputError: a secret that is not there, a scorer that does not load
    """
    from steward.adapters.engines.http import HttpEngine
    from steward.evaluation.metrics import is_graded, make_metric
    from steward.evaluation.metrics.graded import MeanToxicity

    found: dict[str, Engine | TextScorer] = {}
    for metric in spec.metric_specs():
        if not is_graded(metric.name):
            continue
        made: Any = make_metric(metric.name, metric.options)
        secret = resolve(made.key) if made.key else None
        if isinstance(made, MeanToxicity):
            found[metric.name] = make_text_scorer(made.scorer, secret, folder)
        else:
            found[metric.name] = HttpEngine(made.url, secret) if made.url else engine
    return found


def make_text_scorer(given: str, key: Secret | None, folder: Path) -> TextScorer:
    """`lexicon`, `lexicon:FILE`, `file.py:function` (both beside the suite), or a URL.

    :raises InputError: none of them, or it does not load
    """
    from steward.adapters.scorers.file import FileScorer
    from steward.adapters.scorers.http import HttpScorer
    from steward.adapters.scorers.lexicon import LexiconScorer

    if given.startswith(("http://", "https://")):
        return HttpScorer(given, key)
    kind, _, rest = given.partition(":")
    if kind == "lexicon":
        return LexiconScorer(str(folder / rest) if rest else "toxic")
    if ".py:" in given:
        return FileScorer(str(folder / given))
    raise UnknownName("scorer", given, ["lexicon", "lexicon:FILE", "file.py:function", "http://…"])


def find_suite(given: Path | str) -> Path:
    """A file, else a built-in suite of that name. :raises UnknownName: neither"""
    path = Path(given)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    if str(given) not in BUILT_IN:
        raise UnknownName("suite", str(given), [*BUILT_IN, "a file such as suite.yaml"])
    return BUILT_IN[str(given)]


def compare_runs(baseline: Path, candidate: Path, html: Path | None) -> Comparison:
    """:raises InputError: no runs, or runs over different data"""
    require_extra()
    from steward.evaluation.compare import compare_runs
    from steward.evaluation.report import render_comparison_page
    from steward.evaluation.run import read_run

    one, other = read_run(baseline), read_run(candidate)
    found = compare_runs(one, other)
    if html is not None:
        html.write_text(render_comparison_page(found, one, other))
    return found


def judge_runs(
    baseline: Path,
    candidate: Path,
    model: str,
    rubric: Path,
    url: str,
    key: Secret | None,
    *,
    temperature: str,
    concurrency: int,
    cache: Path | None,
    progress: Progress,
) -> JudgeComparison:
    """Both answers to each item before a judge, in both orders.

    :raises InputError: no runs, runs over different data, no rubric
    """
    require_extra()
    from steward.adapters.engines.http import HttpEngine
    from steward.evaluation import judge
    from steward.evaluation.compare import require_matching_runs
    from steward.evaluation.metrics.graded import parse_temperature
    from steward.evaluation.run import read_run, send_cached

    given = parse_temperature(temperature)
    runs = [read_run(path) for path in (baseline, candidate)]
    require_matching_runs(runs[0], runs[1])
    wording = read_text(rubric, "a text that describes what makes an answer better")
    rows = judge.list_answered_pairs(runs[0], runs[1])
    found: dict[str, JudgedItem] = {}

    async def go() -> None:
        engine, shown, todo = HttpEngine(url, key), progress(len(rows)), iter(rows)

        async def work() -> None:
            for name, question, one, other in todo:
                calls = judge.make_comparison_calls(model, wording, question, one, other, given)
                try:
                    replies = [await send_cached(engine, call, cache, url) for call in calls]
                    found[name] = judge.read_verdicts(name, replies)
                except Unavailable as error:
                    found[name] = judge.JudgedItem(id=name, why=f"judge: {error}", unreached=True)
                failed = sum(item.unreached for item in found.values())
                shown(len(found) - failed, failed)

        try:
            await asyncio.gather(*(work() for _ in range(concurrency)))
        finally:
            await engine.close()

    asyncio.run(go())
    return judge.summarise_verdicts(runs[0], runs[1], found, model, wording)


def read_text(path: Path, what: str) -> str:
    """:raises InputError: no such file, or nothing in it"""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}; expected {what}") from error
    if not text.strip():
        raise InputError(f"{path}: empty; expected {what}")
    return text


def write_run_page(run: Path, html: Path | None) -> Path:
    """Write the run's page, `report.html` in its folder if no other place is given. :raises InputError: no run"""
    require_extra()
    from steward.evaluation.run import read_run
    from steward.evaluation.run_page import render_run_page

    place = html or run / "report.html"
    place.write_text(render_run_page(read_run(run)))
    return place


def gate_runs(baseline: Path, candidate: Path, policy: Path, markdown: Path | None, junit: Path | None) -> GateDecision:
    """:raises InputError: no runs, runs over different data, a wrong policy
    :raises Unavailable: a run in which no item was answered
    """
    require_extra()
    from steward.evaluation.gate import decide_gate, read_gate_policy
    from steward.evaluation.report import render_gate_junit, render_gate_markdown
    from steward.evaluation.run import read_run

    runs = [read_run(path) for path in (baseline, candidate)]
    for path, run in zip((baseline, candidate), runs, strict=True):
        if all(answer.error is not None for answer in run.answers.values()):
            first = next(iter(run.answers.values()))
            raise Unavailable(f"{path}: no item was answered ({first.error}); run the suite again")
    found = decide_gate(runs[0], runs[1], read_gate_policy(policy))
    for place, write in ((markdown, render_gate_markdown), (junit, render_gate_junit)):
        if place is not None:
            place.write_text(write(found))
    return found
