"""Questions about series in a few words: `ttft p95 by model where route = assistant`.

    METRIC [STATISTIC] [by FIELD, ...] [where FIELD = NAME and ...]

The statistic may stand before the metric. Names with spaces stand in quotation marks. Nothing of a question is ever
part of a query of the database: it only chooses among the names in this file and the names that there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.core.gauges import GUARD_COUNTS
from steward.monitoring.engine_metrics import ENGINE_METRICS

Field = Literal["model", "route", "key", "gpu", "process", "guard"]
Kind = Literal["histogram", "sum", "level", "share", "gauge", "counter"]

FIELDS: Final[tuple[Field, ...]] = ("model", "route", "key")  # of requests
MOST_LETTERS: Final = 500
EXAMPLE: Final = "ttft p95 by model"


class SeriesMetric(msgspec.Struct, frozen=True, kw_only=True):
    """What can be asked for. `columns` are of `core/series.py`: a histogram's, those that are summed, or for a share
    how many of how many; a level is what ran at one time on average, from the seconds that it ran. A gauge or counter
    is of `core/gauges.py`, and its one field is whose it is."""

    name: str
    kind: Kind
    columns: tuple[str, ...]
    unit: str
    other_names: tuple[str, ...] = ()
    complement: bool = False  # of a share: those that are not
    fields: tuple[Field, ...] = FIELDS


METRICS: Final = (
    SeriesMetric(name="ttft", kind="histogram", columns=("ttft_s",), unit="s", other_names=("time_to_first_token",)),
    SeriesMetric(
        name="total", kind="histogram", columns=("total_s",), unit="s", other_names=("latency", "duration", "e2e")
    ),
    SeriesMetric(
        name="inter_token", kind="histogram", columns=("inter_token_s",), unit="s", other_names=("itl", "tpot")
    ),
    SeriesMetric(name="request_cost", kind="histogram", columns=("request_usd",), unit="USD"),
    SeriesMetric(name="queue", kind="histogram", columns=("queued_s",), unit="s", other_names=("queue_wait", "queued")),
    SeriesMetric(name="concurrency", kind="level", columns=("running_s",), unit="requests"),
    SeriesMetric(name="requests", kind="sum", columns=("requests",), unit="requests"),
    SeriesMetric(name="errors", kind="sum", columns=("failed",), unit="requests", other_names=("failures",)),
    SeriesMetric(name="tokens", kind="sum", columns=("input_tokens", "output_tokens"), unit="tokens"),
    SeriesMetric(name="input_tokens", kind="sum", columns=("input_tokens",), unit="tokens"),
    SeriesMetric(name="output_tokens", kind="sum", columns=("output_tokens",), unit="tokens"),
    SeriesMetric(name="usd", kind="sum", columns=("usd",), unit="USD", other_names=("cost", "spend", "money")),
    SeriesMetric(name="ratings", kind="sum", columns=("rated",), unit="ratings"),
    SeriesMetric(name="error_rate", kind="share", columns=("failed", "judged"), unit="share"),
    SeriesMetric(name="availability", kind="share", columns=("failed", "judged"), unit="share", complement=True),
    SeriesMetric(name="satisfaction", kind="share", columns=("satisfied", "rated"), unit="share"),
    SeriesMetric(name="quality", kind="share", columns=("passed", "scored"), unit="share"),
    SeriesMetric(name="response_rate", kind="share", columns=("rated", "answered"), unit="share"),
    SeriesMetric(name="regenerate_rate", kind="share", columns=("regenerated", "answered"), unit="share"),
    SeriesMetric(name="abandon_rate", kind="share", columns=("abandoned", "answered"), unit="share"),
    SeriesMetric(name="copy_rate", kind="share", columns=("copied", "answered"), unit="share"),
    SeriesMetric(name="rephrase_rate", kind="share", columns=("rephrased", "answered"), unit="share"),
    *(
        SeriesMetric(
            name=metric.name,
            kind="counter" if metric.kind == "counter" else "gauge",
            columns=(metric.name,),
            unit=metric.unit,
            other_names={"kv_cache": ("kv_cache_usage",), "waiting": ("engine_queue",)}.get(metric.name, ()),
            fields=("model",),
        )
        for metric in ENGINE_METRICS
    ),
    SeriesMetric(name="process_memory", kind="gauge", columns=("process_memory",), unit="bytes", fields=("process",)),
    SeriesMetric(name="gpu_memory", kind="gauge", columns=("gpu_memory",), unit="bytes", fields=("gpu",)),
    SeriesMetric(name="gpu_busy", kind="gauge", columns=("gpu_busy",), unit="share", fields=("gpu",)),
    *(
        SeriesMetric(name=name, kind="counter", columns=(name,), unit="verdicts", fields=("guard",))
        for name in GUARD_COUNTS
    ),
)
STATISTICS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "histogram": ("p95", "p50", "p90", "p99", "mean", "min", "max", "count"),  # the first is what is meant without one
    "sum": ("sum", "rate"),
    "level": ("mean",),
    "share": ("share",),
    "gauge": ("mean", "min", "max", "last"),
    "counter": ("sum", "rate"),
}
_NAMED: Final = {name: metric for metric in METRICS for name in (metric.name, *metric.other_names)}
_PERCENTILE: Final = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,3})?|100)")
_WORD: Final = re.compile(r"""\s*("[^"]*"|'[^']*'|=|,|[^\s=,"']+)""")


class MetricQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A question that was understood."""

    metric: SeriesMetric
    statistic: str
    by: tuple[Field, ...] = ()
    where: tuple[tuple[Field, str], ...] = ()

    def percentile(self) -> float | None:
        """As a share; None: the statistic is another one."""
        match = _PERCENTILE.fullmatch(self.statistic)
        return float(match[1]) / 100.0 if match else None

    def describe(self) -> str:
        """The question in its full form, which means the same."""
        by = f" by {', '.join(self.by)}" if self.by else ""
        where = " and ".join(f'{field} = "{name}"' for field, name in self.where)
        return f"{self.metric.name} {self.statistic}{by}{f' where {where}' if where else ''}"


def parse_query(text: str) -> MetricQuery:
    """:raises InputError: it cannot be understood; :raises UnknownName: a metric, statistic or field that there is not

    >>> query = parse_query("p99 of total by model, route where key = ci")
    >>> query.describe()
    'total p99 by model, route where key = "ci"'
    """
    words = _split(text)
    end = next((place for place, word in enumerate(words) if word in ("by", "where")), len(words))
    metric, statistic = _read_metric([word for word in words[:end] if word != "of"], text)
    by: tuple[Field, ...] = ()
    where: tuple[tuple[Field, str], ...] = ()
    rest = words[end:]
    if rest and rest[0] == "by":
        stop = rest.index("where") if "where" in rest else len(rest)
        by, rest = _read_fields(rest[1:stop], text, metric), rest[stop:]
    if rest:
        where = _read_conditions(rest[1:], text, metric)
    return MetricQuery(metric=metric, statistic=statistic, by=by, where=where)


def _split(text: str) -> list[str]:
    if len(text) > MOST_LETTERS:
        raise InputError(f"a query of {len(text):,} letters; expected at most {MOST_LETTERS}, such as {EXAMPLE!r}")
    words, place = [], 0
    while place < len(text.rstrip()):
        match = _WORD.match(text, place)
        if match is None:
            raise InputError(f'query {text!r}: a quotation mark without its partner; write names as "my model"')
        words.append(match[1])
        place = match.end()
    return words


def _read_metric(words: Sequence[str], text: str) -> tuple[SeriesMetric, str]:
    if not words:
        raise InputError(f"query {text!r} names no metric; expected one such as {EXAMPLE!r}")
    names = [word.lower().replace("-", "_") for word in words]
    for name, statistic in (
        ("_".join(names), None),
        ("_".join(names[:-1]), names[-1]),
        ("_".join(names[1:]), names[0]),
    ):
        if (metric := _NAMED.get(name)) is not None:
            return metric, _read_statistic(metric, statistic)
    statistics = [name for name in names if _PERCENTILE.fullmatch(name)]
    if len(statistics) > 1:
        raise InputError(f"query {text!r} names {len(statistics)} statistics; expected one, such as {statistics[0]}")
    raise UnknownName("metric", "_".join(name for name in names if name not in statistics) or words[0], _NAMED)


def _read_statistic(metric: SeriesMetric, name: str | None) -> str:
    known = STATISTICS[metric.kind]
    if name is None:
        return known[0]
    if name not in known and not (metric.kind == "histogram" and _PERCENTILE.fullmatch(name)):
        raise UnknownName(f"statistic of {metric.name}", name, known)
    return name


def _read_fields(words: Sequence[str], text: str, metric: SeriesMetric) -> tuple[Field, ...]:
    fields = [_read_field(word, metric) for word in words if word != ","]
    if not fields:
        raise InputError(f"query {text!r}: by what? Expected for example `by model` or `by route, key`")
    if len(set(fields)) < len(fields):
        raise InputError(f"query {text!r} groups by the same field twice; name each once")
    return tuple(fields)


def _read_conditions(words: Sequence[str], text: str, metric: SeriesMetric) -> tuple[tuple[Field, str], ...]:
    """FIELD = NAME, with `and` or a comma between several."""
    conditions = []
    for start in range(0, len(words), 4):
        part = words[start : start + 3]
        if len(part) < 3 or part[1] != "=":
            raise InputError(f"query {text!r}: expected `where FIELD = NAME`, such as `where route = assistant`")
        if (joint := words[start + 3 : start + 4]) and (joint[0] not in ("and", ",") or start + 4 == len(words)):
            raise InputError(f"query {text!r}: expected `and FIELD = NAME` after {' '.join(part)}")
        conditions.append((_read_field(part[0], metric), part[2].strip("\"'")))
    if not conditions:
        raise InputError(f"query {text!r}: where what? Expected for example `where route = assistant`")
    return tuple(conditions)


def _read_field(word: str, metric: SeriesMetric) -> Field:
    for field in metric.fields:
        if word.lower() == field:
            return field
    raise UnknownName("field" if metric.fields == FIELDS else f"field of {metric.name}", word, metric.fields)
