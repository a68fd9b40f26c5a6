"""Multiple-choice benchmarks on local files, by the likelihood of each choice: accuracy, and accuracy by length.

The choice whose text is most likely after its context is the model's: `acc` by the sum of its tokens'
log-probabilities, `acc_norm` by that sum a character of the choice, as lm-evaluation-harness computes both. Prompts
are those of that harness's tasks of these names (0.4), without the description that it puts before MMLU and the six
fixed examples before TruthfulQA; examples (`shots`) are joined by blank lines and drawn by our own seed.
"""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.evaluation.intervals import finite_or_none, mean_of_shares
from steward.evaluation.suite import read_parquet_rows
from steward.evaluation.text_files import read_text_file

Row = Mapping[str, Any]


class ScoredChoice(msgspec.Struct, frozen=True):
    """A continuation and what it follows; `text` alone is what its length is counted of."""

    context: str
    text: str


class ChoiceQuestion(msgspec.Struct, frozen=True):
    """`right`: the place of the right choice. `group`: a subject, where the file names one."""

    id: str
    choices: tuple[ScoredChoice, ...]
    right: int
    group: str = ""

    @property
    def example(self) -> str:
        """Worked, for a prompt."""
        choice = self.choices[self.right]
        return join_text(choice.context, choice.text)


class ChoiceRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one question: a log-probability, in nats, for each choice, or why there is none."""

    id: str
    right: int
    group: str = ""
    log_probabilities: tuple[float, ...] = ()
    lengths: tuple[int, ...] = ()  # of the choices, in characters
    error: str | None = None

    @property
    def picked(self) -> int:
        return max(range(len(self.log_probabilities)), key=lambda at: self.log_probabilities[at])

    @property
    def picked_by_length(self) -> int:
        return max(range(len(self.lengths)), key=lambda at: self.log_probabilities[at] / max(1, self.lengths[at]))


class ChoiceShare(msgspec.Struct, frozen=True, kw_only=True):
    """A share of right choices with its 95 % interval, over all questions (group "") or those of a group."""

    metric: str
    group: str
    value: float
    low: float | None
    high: float | None
    n: int


class BenchmarkResult(msgspec.Struct, frozen=True, kw_only=True):
    """`errored`: "id: why"."""

    model: str
    format: str
    shots: int
    questions: int
    shares: tuple[ChoiceShare, ...]
    errored: tuple[str, ...]
    signature: str
    rows: tuple[ChoiceRow, ...]


def join_text(context: str, text: str) -> str:
    """With one blank between, as the harness's target delimiter."""
    return f"{context} {text}" if context else text


def read_benchmark(path: Path, kind: str = "auto", limit: int | None = None) -> tuple[str, list[ChoiceQuestion]]:
    """The format's name, found by the fields where `kind` is auto, and the questions.

    :raises InputError: not readable, another format, or a row without a right choice, by its number
    """
    rows = _read_rows(path)[:limit]
    if not rows:
        raise InputError(f"{path}: no rows; expected a benchmark as .jsonl, .json, .csv or .parquet")
    if kind == "auto":
        kind = next((name for name, (fields, _) in FORMATS.items() if fields <= set(rows[0])), "")
        if not kind:
            raise InputError(f"{path}: the fields {sorted(rows[0])} are of no known format; choose one with --format")
    if kind not in FORMATS:
        raise UnknownName("--format", kind, ["auto", *FORMATS])
    questions = []
    for number, row in enumerate(rows, 1):
        try:
            question = FORMATS[kind][1](row, str(row.get("id", row.get("ind", number))))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(f"{path}, row {number}: not a row of {kind}: {type(error).__name__} {error}") from error
        if not 0 <= question.right < len(question.choices) or len(question.choices) < 2:
            raise InputError(
                f"{path}, row {number}: {len(question.choices)} choices, the right one is {question.right}"
            )
        questions.append(question)
    return kind, questions


def add_examples(
    questions: Sequence[ChoiceQuestion], pool: Sequence[ChoiceQuestion], shots: int, seed: int
) -> list[ChoiceQuestion]:
    """Before each question `shots` others of `pool`, drawn by `seed` and the question's place."""
    if not shots:
        return list(questions)
    if shots >= len(pool):
        raise InputError(f"--shots {shots}, expected fewer than the {len(pool)} questions to draw from")
    found = []
    for place, question in enumerate(questions):
        drawn = random.Random(f"{seed} {place}").sample(pool, min(len(pool), 2 * shots + 8))
        others = [each for each in drawn if each.example != question.example][:shots]
        if len(others) < shots:
            raise InputError(f"--shots {shots}: too many questions are the same as {question.id!r}")
        examples = "\n\n".join(each.example for each in others)
        choices = tuple(ScoredChoice(f"{examples}\n\n{choice.context}", choice.text) for choice in question.choices)
        found.append(msgspec.structs.replace(question, choices=choices))
    return found


def summarise_choices(
    model: str, kind: str, shots: int, rows: Sequence[ChoiceRow], backend: str, seed: int
) -> BenchmarkResult:
    """acc and acc_norm over all questions and over each group."""
    scored = [row for row in rows if row.error is None]
    groups = sorted({row.group for row in scored if row.group})
    shares = [
        share
        for group in ["", *(groups if len(groups) > 1 else [])]
        for share in _measure_shares([row for row in scored if group in ("", row.group)], group)
    ]
    return BenchmarkResult(
        model=model,
        format=kind,
        shots=shots,
        questions=len(rows),
        shares=tuple(shares),
        errored=tuple(f"{row.id}: {row.error}" for row in rows if row.error is not None),
        signature=f"choices|format:{kind}|shots:{shots}|seed:{seed}|norm:characters|backend:{backend}|ci:0.95",
        rows=tuple(rows),
    )


def _measure_shares(rows: Sequence[ChoiceRow], group: str) -> list[ChoiceShare]:
    found = []
    for metric, pick in (("acc", "picked"), ("acc_norm", "picked_by_length")):
        hits = [float(getattr(row, pick) == row.right) for row in rows]
        if hits:
            share = mean_of_shares(hits, None)
            ends = finite_or_none(share.low), finite_or_none(share.high)
            found.append(
                ChoiceShare(metric=metric, group=group, value=share.value, low=ends[0], high=ends[1], n=len(hits))
            )
    return found


# -- formats -------------------------------------------------------------------------------------------


def _same_context(context: str, texts: Sequence[str]) -> tuple[ScoredChoice, ...]:
    return tuple(ScoredChoice(context, str(text)) for text in texts)


def _clean_hellaswag(text: str) -> str:
    """As the harness: WikiHow's marks are no text."""
    text = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def _read_hellaswag(row: Row, name: str) -> ChoiceQuestion:
    context = f"{row['ctx_a']} {row['ctx_b'].capitalize()}" if "ctx_a" in row else row["ctx"]
    context = _clean_hellaswag(f"{row['activity_label']}: {context}" if "activity_label" in row else context)
    return ChoiceQuestion(
        name, _same_context(context, [_clean_hellaswag(e) for e in row["endings"]]), int(row["label"])
    )


def _labelled(row: Row, context: str, name: str) -> ChoiceQuestion:
    """Choices as {"text": [], "label": []} or [{"text", "label"}]; the key is a label."""
    given = row["choices"]
    texts = given["text"] if isinstance(given, Mapping) else [choice["text"] for choice in given]
    labels = given["label"] if isinstance(given, Mapping) else [choice["label"] for choice in given]
    return ChoiceQuestion(
        name, _same_context(context, texts), list(map(str, labels)).index(str(row["answerKey"]).strip())
    )


def _read_arc(row: Row, name: str) -> ChoiceQuestion:
    question = row["question"]
    if isinstance(question, Mapping):  # the original files of AI2 nest the choices in the question
        return _labelled({**row, "choices": question["choices"]}, f"Question: {question['stem']}\nAnswer:", name)
    return _labelled(row, f"Question: {question}\nAnswer:", name)


def _read_mmlu(row: Row, name: str) -> ChoiceQuestion:
    options = row.get("choices") or row.get("options") or [row[letter] for letter in "ABCD"]
    answer = str(row["answer"])
    right = int(answer) if answer.isdigit() else "ABCDEFGHIJ".index(answer.strip().upper())
    return _lettered(row, options, right, name)


def _lettered(row: Row, options: Sequence[str], right: int, name: str) -> ChoiceQuestion:
    """The options stand in the prompt; their letters are the choices."""
    letters = "ABCDEFGHIJ"[: len(options)]
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True))
    context = f"{str(row['question']).strip()}\n{listed}\nAnswer:"
    group = str(row.get("subject", row.get("category", "")))
    return ChoiceQuestion(name, _same_context(context, letters), right, group)


def _read_commonsense_qa(row: Row, name: str) -> ChoiceQuestion:
    plain = _labelled(row, "", name)
    texts = [choice.text for choice in plain.choices]
    return _lettered({"question": f"Question: {row['question'].strip()}"}, texts, plain.right, name)


def _read_winogrande(row: Row, name: str) -> ChoiceQuestion:
    """The text after the blank is scored, once after each option (Trinh and Le 2018)."""
    before, _, after = row["sentence"].partition("_")
    choices = tuple(ScoredChoice(before + row[f"option{n}"], after.strip()) for n in (1, 2))
    return ChoiceQuestion(name, choices, int(row["answer"]) - 1)


def _read_boolq(row: Row, name: str) -> ChoiceQuestion:
    answer = row["answer"] if "answer" in row else row["label"]
    right = answer if isinstance(answer, bool) else str(answer).lower() in ("1", "true", "yes")
    context = f"{row['passage']}\nQuestion: {row['question'].rstrip('?')}?\nAnswer:"
    return ChoiceQuestion(name, _same_context(context, ["no", "yes"]), int(right))


def _read_copa(row: Row, name: str) -> ChoiceQuestion:
    link = {"cause": "because", "effect": "therefore"}[row["question"]]
    texts = [row[f"choice{n}"][:1].lower() + row[f"choice{n}"][1:] for n in (1, 2)]
    return ChoiceQuestion(name, _same_context(f"{row['premise'].strip().rstrip('.')} {link}", texts), int(row["label"]))


def _read_sciq(row: Row, name: str) -> ChoiceQuestion:
    context = f"{row['support'].lstrip()}\nQuestion: {row['question']}\nAnswer:"
    texts = [*(row[f"distractor{n}"] for n in (1, 2, 3)), row["correct_answer"]]
    return ChoiceQuestion(name, _same_context(context, texts), 3)


def _read_truthfulqa(row: Row, name: str) -> ChoiceQuestion:
    targets = row["mc1_targets"]
    if "choices" in targets:
        texts, labels = list(targets["choices"]), list(targets["labels"])
    else:  # the authors' own file: {choice: label}
        texts, labels = list(targets), list(targets.values())
    return ChoiceQuestion(name, _same_context(f"Q: {row['question']}\nA:", texts), labels.index(1))


def _read_piqa(row: Row, name: str) -> ChoiceQuestion:
    choices = _same_context(f"Question: {row['goal']}\nAnswer:", [row["sol1"], row["sol2"]])
    return ChoiceQuestion(name, choices, int(row["label"]))


def _read_generic(row: Row, name: str) -> ChoiceQuestion:
    """`question` or `prompt`, `choices` as texts, `answer` as a place from 0, a letter or the text."""
    texts, answer = list(map(str, row["choices"])), row["answer"]
    if isinstance(answer, str) and answer in texts:
        right = texts.index(answer)
    else:
        right = answer if isinstance(answer, int) else "ABCDEFGHIJ".index(answer.strip().upper())
    context = str(row["prompt"]) if "prompt" in row else f"Question: {row['question']}\nAnswer:"
    return ChoiceQuestion(name, _same_context(context, texts), right, str(row.get("subject", "")))


# By name: the fields that show the format, the first that fits, and its reader.
FORMATS: Final[dict[str, tuple[frozenset[str], Callable[[Row, str], ChoiceQuestion]]]] = {
    "hellaswag": (frozenset({"endings", "label"}), _read_hellaswag),
    "openbookqa": (
        frozenset({"question_stem", "answerKey"}),
        lambda row, name: _labelled(row, row["question_stem"], name),
    ),
    "commonsense_qa": (frozenset({"question_concept", "choices", "answerKey"}), _read_commonsense_qa),
    "arc": (frozenset({"question", "answerKey"}), _read_arc),
    "piqa": (frozenset({"goal", "sol1", "sol2"}), _read_piqa),
    "winogrande": (frozenset({"sentence", "option1", "option2"}), _read_winogrande),
    "boolq": (frozenset({"passage", "question"}), _read_boolq),
    "copa": (frozenset({"premise", "choice1", "choice2"}), _read_copa),
    "sciq": (frozenset({"distractor1", "correct_answer"}), _read_sciq),
    "truthfulqa_mc1": (frozenset({"mc1_targets"}), _read_truthfulqa),
    "mmlu": (frozenset({"question", "A", "B", "C", "D", "answer"}), _read_mmlu),
    "mmlu_choices": (frozenset({"question", "choices", "answer", "subject"}), _read_mmlu),
    "mmlu_pro": (frozenset({"question", "options", "answer"}), _read_mmlu),
    "generic": (frozenset({"choices", "answer"}), _read_generic),
}


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """:raises InputError: not readable, not UTF-8, no rows of objects"""
    if path.suffix == ".parquet":
        return read_parquet_rows(path)
    text = read_text_file(path, "a benchmark as .jsonl, .json, .csv or .parquet")
    if path.suffix == ".csv":
        try:
            return _read_csv(text)
        except csv.Error as error:
            raise InputError(f"{path}: {error}; expected CSV with a header, or MMLU's six columns") from error
    try:
        if path.suffix == ".json":
            return msgspec.json.decode(text, type=list[dict[str, Any]])
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in text.split("\n") if line.strip()]
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}; expected one JSON object a line, or a list of them in .json") from error


def _read_csv(text: str) -> list[dict[str, Any]]:
    """With a header or, as MMLU's own files, without: question, four options, answer."""
    rows = list(csv.reader(io.StringIO(text), strict=True))
    if rows and len(rows[0]) == 6 and rows[0][5].strip() in ("A", "B", "C", "D"):
        rows.insert(0, ["question", "A", "B", "C", "D", "answer"])
    return [dict(zip(rows[0], row, strict=False)) for row in rows[1:]] if rows else []
