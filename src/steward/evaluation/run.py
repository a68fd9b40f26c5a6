"""Asks a model every item of a suite, and keeps what it said in a folder that a kill cannot spoil.

    manifest.json   what was asked of whom: hashes of data and prompts, model, parameters; written first
    items.jsonl     the items, so that the folder can be compared without the suite
    answers.jsonl   one line an item, appended when its answer came; the last line may be torn by a kill
    results.json    the scores, a function of the other three; written last, and at once

A run with the same manifest goes on where the folder ends; items that failed are asked again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from steward.core.errors import InputError, Unavailable
from steward.core.excerpts import cut_reason
from steward.core.extend import Engine
from steward.core.files import lock_descriptor, make_private_folder, open_private, quote_path, write_file
from steward.evaluation.answer_filters import DEFAULT, FilterSpec, filter_answer, strip_thoughts
from steward.evaluation.conversation import AskModel, Conversation, ConversationSetup, RunTool, Step, Tool, converse
from steward.evaluation.metrics import is_graded, make_metric
from steward.evaluation.metrics.graded import ContextMetric, Grade, GraderCall, grade_from_score
from steward.evaluation.metrics.python import PythonMetric, describe_item, grade_from_python
from steward.evaluation.repeatability import Repeatability, measure_repeatability
from steward.evaluation.score import Prediction, Score, ScoredItems, score_predictions
from steward.evaluation.statistics import SEED
from steward.evaluation.streamed import join_parts, join_stream
from steward.evaluation.suite import MetricSpec, Suite, SuiteItem, SuiteSpec
from steward.evaluation.tools import ToolCall

_RETRIED: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
RETRIES: Final = 3
_PATIENT_S: Final = 30.0  # an attempt that failed after longer is not repeated: the next would wait as long
_PAUSES_S: Final = (0.5, 1.5, 4.0)  # before the second attempt and those after it
_LONGEST_S: Final = 60.0  # of a server's retry-after


class RunManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether two folders belong to one run, or may be compared."""

    format: int = 1
    suite: SuiteSpec
    model: str
    model_sha256: str | None = None  # of its files, where they are here; a server does not show them
    items: int
    data_sha256: str
    prompts_sha256: str
    signatures: tuple[str, ...] = ()  # of the metrics, as made: options, versions, rubrics
    seed: int = SEED  # of the bootstrap


class ItemAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came back for one item."""

    id: str
    prediction: str | None = None
    error: str | None = None
    finish: str | None = None
    latency_s: float = 0.0
    at: float = 0.0  # when it came, in Unix seconds; 0 where a version before kept it
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached: bool = False
    grades: dict[str, Grade] = {}  # of the metrics that another program gives
    calls: tuple[ToolCall, ...] = ()  # of tools, in order
    transcript: tuple[tuple[str, str], ...] = ()  # role and text of what followed the item's messages


class SliceScore(msgspec.Struct, frozen=True, kw_only=True):
    """One metric over the items with one value of one field."""

    field: str
    name: str
    score: Score


class RunResults(msgspec.Struct, frozen=True, kw_only=True):
    """results.json. No times but those of metrics that measure them: a resumed run gives the same bytes."""

    suite: str
    model: str
    items: int
    errored: tuple[str, ...]  # "id: why"
    unscored: tuple[str, ...] = ()  # "metric, id: why"
    truncated: int = 0  # answers that ended at the limit of tokens ("length" and its like)
    warnings: tuple[str, ...] = ()  # what may make the scores mean something else
    scores: tuple[Score, ...]
    slices: tuple[SliceScore, ...]
    repeatability: tuple[Repeatability, ...] = msgspec.field(
        default=(), name="flakes"
    )  # where the suite repeats its items


class EvalRun(msgspec.Struct, frozen=True):
    """A run, read back."""

    manifest: RunManifest
    items: tuple[SuiteItem, ...]
    answers: dict[str, ItemAnswer]


class Asking(msgspec.Struct, frozen=True):
    """How a server is asked: `retries` after a first attempt that failed, with pauses; `stream`: as events."""

    retries: int = RETRIES
    stream: bool = False
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.time
    tools: Mapping[str, Tool] = {}  # functions of the suite's tools
    user: Engine | None = None  # the server of the model that plays the user


async def run_suite(
    suite: Suite,
    model: str,
    engine: Engine,
    out: Path,
    *,
    model_sha256: str | None = None,
    graders: Mapping[str, Any] | None = None,
    concurrency: int = 16,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, errored: None,
    asking: Asking | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> RunResults:
    """Ask what is not answered or graded yet, `concurrency` at a time, then score all.

    `graders`: who gives the values of each graded metric, by the metric's name in the suite.

    :raises InputError: the folder holds another run
    :raises Unavailable: the first item shows that the server is not there, or refuses the model or the key
    """
    asking = asking or Asking(pause=pause)
    manifest = RunManifest(
        suite=suite.spec,
        model=model,
        model_sha256=model_sha256,
        items=len(suite.items),
        data_sha256=suite.data_sha256,
        prompts_sha256=suite.prompts_sha256,
        signatures=tuple(make_metric(spec.name, spec.options).signature for spec in suite.spec.metric_specs()),
    )
    with _lock_answers(out) as file:
        run = _Running(suite, manifest, engine, file, _open_folder(out, manifest, suite), graders or {}, cache, asking)
        try:
            await run.ask_all(concurrency, progress)
        except* OSError as failures:  # a full disk: one error, not one for each worker
            raise failures.exceptions[0] from None
    results = score_run(manifest, suite.items, run.answers)
    write_file(out / "results.json", msgspec.json.format(msgspec.json.encode(results), indent=1), durable=True)
    return results


class _Running:
    """A run while it asks: its items, whom it asks, and the answers so far, each appended to `file` as it comes."""

    def __init__(
        self,
        suite: Suite,
        manifest: RunManifest,
        engine: Engine,
        file: IO[bytes],
        answers: dict[str, ItemAnswer],
        graders: Mapping[str, Any],
        cache: Path | None,
        asking: Asking,
    ) -> None:
        self.answers = answers
        self._suite, self._manifest, self._engine, self._file = suite, manifest, engine, file
        self._graders, self._cache, self._asking = graders, cache, asking
        self._graded = {spec.name: spec for spec in suite.spec.metric_specs() if is_graded(spec.name)}
        self._done, self._errored = sum(answer.error is None for answer in answers.values()), 0

    async def ask_all(self, concurrency: int, progress: Callable[[int, int], None]) -> None:
        """:raises Unavailable: the first item shows that no item can be asked"""
        items = self._suite.items
        todo = iter([item for item in items if _is_unfinished(self.answers.get(item.id), self._graded)])
        progress(self._done, 0)

        async def work() -> None:
            for item in todo:
                await self._finish(item)
                progress(self._done, self._errored)

        if (item := next(todo, None)) is not None:  # a wrong model, key or address fails all items alike
            await self._finish(item, first=True)
            progress(self._done, self._errored)
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())

    async def _finish(self, item: SuiteItem, first: bool = False) -> None:
        """Ask the item if it has no answer yet, grade it, and keep it."""
        answer = self.answers.get(item.id)
        if answer is None or answer.error is not None:
            answer = await _ask_item(item, self._manifest, self._engine, self._cache, self._asking)
        if first and answer.error is not None and _is_server_error(answer.error):
            raise Unavailable(f"{answer.error}; no other item was asked. Check --model, --url and --key")
        text = filter_answer(answer.prediction or "", self._suite.spec.filters).text
        answer = await _grade_answer(item, answer, text, self._graded, self._graders, self._cache, self._asking)
        _append_answer(self._file, answer)
        self.answers[item.id] = answer
        self._done, self._errored = self._done + (answer.error is None), self._errored + (answer.error is not None)


def score_run(manifest: RunManifest, items: Sequence[SuiteItem], answers: Mapping[str, ItemAnswer]) -> RunResults:
    """Every metric over all items and over each slice."""
    return summarise_run(manifest, items, answers, score_metrics(manifest, items, answers))


def score_metrics(
    manifest: RunManifest, items: Sequence[SuiteItem], answers: Mapping[str, ItemAnswer]
) -> list[ScoredItems]:
    """The suite's metrics over all items, in the suite's order."""
    return [score_items(spec, items, answers, manifest.suite.filters) for spec in manifest.suite.metric_specs()]


def summarise_run(
    manifest: RunManifest,
    items: Sequence[SuiteItem],
    answers: Mapping[str, ItemAnswer],
    scored: Sequence[ScoredItems],
) -> RunResults:
    """As `score_run`, where the metrics over all items are known. `scored`: of `score_metrics`."""
    wholes = list(zip(manifest.suite.metric_specs(), scored, strict=True))
    slices = [
        SliceScore(field=field, name=name, score=score_items(spec, part, answers, manifest.suite.filters).score)
        for field in manifest.suite.slices
        for name, part in split_by_slice(items, field)
        for spec, _ in wholes
    ]
    failed = [f"{item.id}: {answers[item.id].error}" for item in items if answers[item.id].error is not None]
    open_ = [f"{spec.name}, {name}: {why}" for spec, whole in wholes for name, why in whole.unscored.items()]
    return RunResults(
        suite=manifest.suite.name,
        model=manifest.model,
        items=len(items),
        errored=tuple(failed),
        unscored=tuple(open_),
        truncated=sum(is_truncated(answers[item.id]) for item in items),
        warnings=tuple(find_warnings(items, answers, manifest.suite)),
        scores=tuple(whole.score for _, whole in wholes),
        slices=tuple(slices),
        repeatability=tuple(
            spread for spec, whole in wholes if (spread := measure_repeatability(spec.name, whole.ids, whole.values))
        )
        if manifest.suite.repeats > 1
        else (),
    )


def find_warnings(items: Sequence[SuiteItem], answers: Mapping[str, ItemAnswer], spec: SuiteSpec) -> Iterator[str]:
    """What a reader of the scores should know: answers that were cut off, questions that give the answer away."""
    truncated = [answers[item.id] for item in items if is_truncated(answers[item.id])]
    if truncated:
        reasons = ", ".join(sorted({str(answer.finish) for answer in truncated}))
        yield (
            f"{len(truncated)} of {len(items)} answers were cut off at the token limit (finish_reason {reasons}); "
            "raise parameters.max_tokens"
        )
    withheld = sum((answers[item.id].finish or "").lower() in _WITHHELD for item in items)
    if withheld:
        yield (
            f"{withheld} of {len(items)} answers were withheld by the server's content filter, and are graded as what "
            "came before"
        )
    empty = sum(_is_empty(answers[item.id], spec.filters) for item in items)
    if empty:
        yield (
            f"{empty} of {len(items)} answers are empty and graded so; a model that thinks needs more "
            "parameters.max_tokens, others another prompt"
        )
    endless = sum(answers[item.id].finish == "max_turns" for item in items)
    if endless:
        yield f"{endless} of {len(items)} conversations were ended after max_turns {spec.max_turns}; raise max_turns"
    leaking = sum(contains_reference(item) for item in items) if spec.choices is None and not spec.tools else 0
    if leaking:
        yield (
            f"the prompts of {leaking} of {len(items)} items contain a right answer; check that the template does not "
            "give it away (questions about a text it contains do)"
        )


# OpenAI; Anthropic's and Gemini's own words, which some gateways pass on; text-generation-inference.
_TRUNCATED = ("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded")
_WITHHELD = ("content_filter", "content_filtered", "safety", "prohibited_content", "blocklist", "spii", "recitation")


def is_truncated(answer: ItemAnswer) -> bool:
    """Whether an answer ended at a limit of tokens, by its finish reason."""
    return (answer.finish or "").lower() in _TRUNCATED


def _is_empty(answer: ItemAnswer, filters: Sequence[FilterSpec]) -> bool:
    """Nothing but thoughts, or nothing, although the model had ended; one that was cut off or withheld is told of as
    such."""
    if answer.error is not None or answer.calls or is_truncated(answer) or (answer.finish or "").lower() in _WITHHELD:
        return False
    text = answer.prediction or ""
    return not (strip_thoughts(text) if "thoughts" in filters else text).strip()


def contains_reference(item: SuiteItem) -> bool:
    """Whether the question, without worked examples, has a right answer of at least four characters, as words."""
    last = max((n for n, message in enumerate(item.messages) if message.role == "assistant"), default=-1)
    asked = "\n".join(message.content for message in item.messages[last + 1 :]).casefold()
    texts = [str(each).strip().casefold() for each in item.references if isinstance(each, str | int | float)]
    return any(
        len(text) >= 4 and text in asked and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", asked) is not None
        for text in texts
    )


def score_items(
    spec: MetricSpec,
    items: Sequence[SuiteItem],
    answers: Mapping[str, ItemAnswer],
    filters: Sequence[FilterSpec] = DEFAULT,
) -> ScoredItems:
    """One metric over some items, clusters respected where there are any. `filters`: the suite's."""
    answered = [
        Prediction(item.id, metric_input(answers[item.id], spec.name), answers[item.id].error) for item in items
    ]
    references = {item.id: item.references for item in items}
    return score_predictions(spec.name, answered, references, spec.options, clusters_by_id(items), filters=filters)


def metric_input(answer: ItemAnswer, metric: str) -> Any:
    """What a metric looks at: what was said, what it took, or the grade that it was given."""
    bare = metric.partition("@")[0]
    if answer.error is None and bare in ("latency", "in_time"):
        return None if answer.cached else answer.latency_s
    if answer.error is None and bare == "cost":
        return {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens}
    if answer.error is None and bare == "tool_calls":
        return [call.as_prediction() for call in answer.calls]
    if answer.error is not None or not is_graded(metric):
        return answer.prediction
    return answer.grades.get(metric, Grade(why="not graded"))


def graded_text(run: EvalRun, item: str) -> str | None:
    """The part of an answer that is graded, as the suite's filters leave it; None where the item failed."""
    prediction = run.answers[item].prediction
    return None if prediction is None else filter_answer(prediction, run.manifest.suite.filters).text


def clusters_by_id(items: Sequence[SuiteItem]) -> dict[str, str] | None:
    """Of each id; None where every item stands alone."""
    clusters = {item.id: item.cluster for item in items}
    return clusters if len(set(clusters.values())) < len(clusters) else None


def split_by_slice(items: Sequence[SuiteItem], field: str) -> Iterator[tuple[str, list[SuiteItem]]]:
    """The items of each value, in order of the values."""
    for name in sorted({item.slices[field] for item in items}):
        yield name, [item for item in items if item.slices[field] == name]


def read_run(path: Path) -> EvalRun:
    """:raises InputError: no run, or one that was not finished"""
    try:
        manifest = msgspec.json.decode((path / "manifest.json").read_bytes(), type=RunManifest)
        items = [msgspec.json.decode(line, type=SuiteItem) for line in (path / "items.jsonl").read_bytes().splitlines()]
    except OSError as error:
        raise InputError(
            f"{path}: not a run folder ({error.strerror}); create one with "
            f"`steward eval run … --out {quote_path(path)}`"
        ) from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: written by another version of steward: {error}") from error
    answers = _read_answers(path / "answers.jsonl")
    missing = [item.id for item in items if item.id not in answers]
    if missing:
        raise InputError(
            f"{path}: {len(missing)} of {len(items)} items have no answer yet, the first is {missing[0]!r}; run "
            "the suite again to ask them"
        )
    return EvalRun(manifest, tuple(items), answers)


@contextmanager
def _lock_answers(out: Path) -> Iterator[IO[bytes]]:
    """The file of answers, to append to. :raises InputError: another process runs into this folder"""
    make_private_folder(out)  # answers are people's words
    with open_private(out / "answers.jsonl", "ab") as file:
        if not lock_descriptor(file.fileno(), wait=False):
            raise InputError(f"{out}: another run is writing to this folder; wait for it, or choose another --out")
        yield file


def _open_folder(out: Path, manifest: RunManifest, suite: Suite) -> dict[str, ItemAnswer]:
    """The answers that are there already; a new folder gets its manifest and items."""
    path = out / "manifest.json"
    if path.exists():
        try:
            earlier = msgspec.json.decode(path.read_bytes(), type=RunManifest)
        except msgspec.MsgspecError as error:
            raise InputError(f"{path}: written by another version of steward: {error}; choose another --out") from error
        differs = [name for name in RunManifest.__struct_fields__ if getattr(earlier, name) != getattr(manifest, name)]
        if differs:
            raise InputError(
                f"{out} contains a different run ({', '.join(differs)} differ); choose another --out, or remove it"
            )
        return _read_answers(out / "answers.jsonl", mend=True)
    write_file(out / "items.jsonl", b"".join(msgspec.json.encode(item) + b"\n" for item in suite.items), durable=True)
    write_file(path, msgspec.json.format(msgspec.json.encode(manifest), indent=1), durable=True)
    return {}


def _read_answers(path: Path, mend: bool = False) -> dict[str, ItemAnswer]:
    """The last answer of each item. With `mend`, a line torn by a kill is cut off, for others to be appended."""
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if mend and len(whole) < len(data):
        os.truncate(path, len(whole))
    by_id = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            answer = msgspec.json.decode(line, type=ItemAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}:{number}: not an answer ({error}); remove the line and run the suite again"
            ) from error
        by_id[answer.id] = answer
    return by_id


def _append_answer(file: IO[bytes], answer: ItemAnswer) -> None:
    file.write(msgspec.json.encode(answer) + b"\n")
    file.flush()


def _request_body(item: SuiteItem, manifest: RunManifest) -> bytes:
    return msgspec.json.encode({"model": manifest.model, "messages": item.messages, **manifest.suite.parameters})


async def _ask_item(
    item: SuiteItem, manifest: RunManifest, engine: Engine, cache: Path | None, asking: Asking
) -> ItemAnswer:
    if manifest.suite.tools or manifest.suite.user is not None:
        return _note_time(await _converse(item, manifest, engine, asking), asking)
    body = _request_body(item, manifest)
    place = _cache_path(cache, item, body, manifest.model_sha256) if cache is not None else None
    if place is not None and place.exists():
        kept = msgspec.json.decode(place.read_bytes(), type=ItemAnswer)
        return msgspec.structs.replace(kept, id=item.id, cached=True)
    answer = _note_time(await _ask_engine(item.id, body, engine, asking), asking)
    if place is not None and answer.error is None:
        make_private_folder(place.parent)
        write_file(place, msgspec.json.encode(answer), durable=True)
    return answer


def _note_time(answer: ItemAnswer, asking: Asking) -> ItemAnswer:
    """When it came, to the millisecond."""
    return msgspec.structs.replace(answer, at=round(asking.clock(), 3))


async def _converse(item: SuiteItem, manifest: RunManifest, engine: Engine, asking: Asking) -> ItemAnswer:
    """With tools and a simulated user; never from the cache, since what they say is not in the request."""
    spec = manifest.suite
    steps = converse(
        [{"role": message.role, "content": message.content} for message in item.messages],
        ConversationSetup(
            model=manifest.model,
            parameters=spec.parameters,
            tools=spec.tools,
            functions=frozenset(asking.tools),
            max_turns=spec.max_turns,
            user=spec.user,
            instructions=item.instructions,
            script=item.script,
        ),
    )
    talk = await _take_steps(steps, engine, asking)
    if talk.error is not None:
        return ItemAnswer(id=item.id, error=talk.error, calls=tuple(talk.calls), transcript=tuple(talk.transcript))
    whole = spec.user is not None and spec.user.graded == "conversation"
    return ItemAnswer(
        id=item.id,
        prediction="\n".join(f"{role}: {text}" for role, text in talk.transcript) if whole else talk.text,
        finish=talk.finish,
        latency_s=round(talk.latency_s, 6),
        input_tokens=talk.input_tokens,
        output_tokens=talk.output_tokens,
        calls=tuple(talk.calls),
        transcript=tuple(talk.transcript),
    )


async def _take_steps(steps: Generator[Step, Any, Conversation], engine: Engine, asking: Asking) -> Conversation:
    """Sends and calls what the conversation wants, until it ends."""
    try:
        step = next(steps)
        while True:
            try:
                result = await _take_step(step, engine, asking)
            except Unavailable as failure:
                step = steps.throw(failure)
            else:
                step = steps.send(result)
    except StopIteration as ended:
        talk: Conversation = ended.value
        return talk


async def _take_step(step: Step, engine: Engine, asking: Asking) -> tuple[bytes, float] | str:
    """:raises Unavailable: the model, or the one that plays the user, did not answer"""
    if isinstance(step, RunTool):
        return await asyncio.to_thread(asking.tools[step.name], step.arguments)
    whom = engine if isinstance(step, AskModel) else asking.user or engine
    return await send_with_retries(whom, "/v1/chat/completions", step.body, asking)


def _is_server_error(error: str) -> bool:
    """Whether an error is of the server, the model or the key, and not of the item."""
    return error.startswith(("HTTP 401", "HTTP 403", "HTTP 404", "connection failed"))


def _cache_path(cache: Path, item: SuiteItem, body: bytes, model_sha256: str | None) -> Path:
    """Of an answer in the cache: repeats of an item are asked apart, so they are kept apart, and so are the answers of
    a model's files before and after they were trained anew."""
    repeat = item.id.rpartition("#")[2] if "#" in item.id else ""
    key = hashlib.sha256(b"\0".join([repeat.encode(), body, (model_sha256 or "").encode()])).hexdigest()
    return cache / key[:2] / f"{key}.json"


def _is_unfinished(answer: ItemAnswer | None, graded: Mapping[str, MetricSpec]) -> bool:
    if answer is None or answer.error is not None:
        return True
    return any(name not in answer.grades or answer.grades[name].again for name in graded)


async def _grade_answer(
    item: SuiteItem,
    answer: ItemAnswer,
    text: str,
    graded: Mapping[str, MetricSpec],
    graders: Mapping[str, Any],
    cache: Path | None,
    asking: Asking,
) -> ItemAnswer:
    """The answer with the grades that it lacks, of its `text` as filtered; one that failed gets none."""
    if answer.error is not None:
        return answer
    grades = dict(answer.grades)
    for name, spec in graded.items():
        if name in grades and not grades[name].again:
            continue
        try:
            grades[name] = await _ask_grader(item, text, spec, graders[name], cache, asking)
        except Unavailable as error:
            grades[name] = Grade(why=str(error), again=True)
    return msgspec.structs.replace(answer, grades=grades)


async def _ask_grader(
    item: SuiteItem,
    answer: str,
    spec: MetricSpec,
    grader: Any,
    cache: Path | None,
    asking: Asking,
) -> Grade:
    """:raises Unavailable: who grades was not reached"""
    if hasattr(grader, "score"):
        return grade_from_score(await asyncio.to_thread(grader.score, answer))
    question = question_text(item)
    metric: Any = make_metric(spec.name, spec.options)
    if isinstance(metric, PythonMetric):
        return grade_from_python(await asyncio.to_thread(grader.call, answer, describe_item(item, question)))
    if hasattr(metric, "ask"):
        return await _ask_about_contexts(item, answer, metric, grader, cache, asking)
    calls = metric.calls(question, answer, item.references)
    replies = [await send_cached(grader, call, cache, metric.url, asking) for call in calls]
    grade: Grade = metric.grade(answer, replies)
    return grade


async def _ask_about_contexts(
    item: SuiteItem, answer: str, metric: ContextMetric, grader: Engine, cache: Path | None, asking: Asking
) -> Grade:
    """:raises Unavailable: the judge was not reached"""
    asked = metric.ask(question_text(item), answer, item.references, item.contexts)
    if asked.call is None:
        return Grade(why=asked.why)
    return metric.conclude(await send_cached(grader, asked.call, cache, metric.url, asking), asked.statements)


async def send_cached(
    engine: Engine,
    call: GraderCall,
    cache: Path | None,
    server: str,
    asking: Asking | None = None,
) -> bytes:
    """The reply of `server`, kept where there is a cache. :raises Unavailable: why there is none"""
    key = hashlib.sha256(server.encode() + b"\0" + call.body).hexdigest()
    place = cache / "grades" / f"{key}.json" if cache is not None else None
    if place is not None and place.exists():
        return place.read_bytes()
    reply, _ = await send_with_retries(engine, call.endpoint, call.body, asking or Asking())
    if place is not None:
        make_private_folder(place.parent)
        write_file(place, reply, durable=True)
    return reply


def question_text(item: SuiteItem) -> str:
    """What was asked, as one text; who says what is named where there is more than one message."""
    if len(item.messages) == 1:
        return item.messages[0].content
    return "\n\n".join(f"{message.role}: {message.content}" for message in item.messages)


async def _ask_engine(name: str, body: bytes, engine: Engine, asking: Asking) -> ItemAnswer:
    if asking.stream:
        request = msgspec.json.decode(body, type=dict[str, Any])
        body = msgspec.json.encode({**request, "stream": True, "stream_options": {"include_usage": True}})
    try:
        data, latency_s = await send_with_retries(engine, "/v1/chat/completions", body, asking)
    except Unavailable as failure:
        return ItemAnswer(id=name, error=str(failure))
    return _parse_completion(name, data, latency_s, asking.stream)


async def send_with_retries(engine: Engine, endpoint: str, body: bytes, asking: Asking) -> tuple[bytes, float]:
    """The reply and the seconds it took. :raises Unavailable: why there is none after all attempts"""
    error = ""
    for attempt in range(asking.retries + 1):
        started = time.perf_counter()
        wait = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
        try:
            reply = await engine.call(endpoint, body)
            data = await reply.read()
            if reply.status == 200:
                return data, time.perf_counter() - started
            error = f"HTTP {reply.status}{_server_message(data)}"
            if reply.status not in _RETRIED:
                break
            wait = max(wait, _parse_retry_after(reply.headers.get("retry-after")))
        except Unavailable as failure:
            error = str(failure)
        if time.perf_counter() - started > _PATIENT_S:
            break
        if attempt < asking.retries:
            await asking.pause(wait)
    raise Unavailable(error)


def _parse_completion(name: str, data: bytes, latency_s: float, streamed: bool = False) -> ItemAnswer:
    """An answer whose content is not text, such as a tool call, is an error: nobody answered in words."""
    try:
        body = join_stream(data) if streamed else msgspec.json.decode(data, type=dict[str, Any])
        choice, usage = body["choices"][0], body.get("usage") or {}
        message = choice["message"]
        content = join_parts(message["content"])
        if content is None and any(message.get(field) for field in _THOUGHTS):
            content = ""  # all tokens went into thoughts: an empty answer, not a failure of the server
        if not isinstance(content, str):
            return ItemAnswer(id=name, error=f"the content of the answer is {type(content).__name__}, expected text")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ItemAnswer(id=name, error="the server answered HTTP 200 without a chat completion")
    return ItemAnswer(
        id=name,
        prediction=content,
        finish=choice.get("finish_reason"),
        latency_s=round(latency_s, 6),
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
    )


_THOUGHTS: Final = ("reasoning_content", "reasoning", "reasoning_details", "thinking")  # fields that servers use


def _server_message(data: bytes) -> str:
    """The server's message, shortened."""
    try:
        return ": " + cut_reason(msgspec.json.decode(data)["error"]["message"])
    except (msgspec.MsgspecError, LookupError, TypeError):
        return ""


def _parse_retry_after(header: str | None) -> float:
    try:
        return min(_LONGEST_S, max(0.0, float(header or 0)))
    except ValueError:
        return 0.0
