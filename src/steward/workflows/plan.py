"""Capacity's composition root: names and files to records, and what a deployment's home keeps of them.

In `home/plan/`: `plan.json`, the plan in force, and `calibration.json`, the fitted terms by deployment.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from steward.capacity import measurements, sizing
from steward.capacity.calibrate import Calibration, calibrate, describe_deployment, describe_family
from steward.capacity.catalog import (
    Accelerator,
    Model,
    ModelMatch,
    find_accelerator,
    find_model,
    list_accelerators,
    read_accelerator_table,
)
from steward.capacity.engines import ENGINES, EngineDefaults, Precision, find_engine, find_precision
from steward.capacity.headroom import HOUR_S, HeadroomStatus, HourlyTraffic, assess_headroom
from steward.capacity.machine import NAMES, measure_this_machine
from steward.capacity.measurements import MeasuredMetric, Measurement, Validation
from steward.capacity.memory import Deployment, estimate_memory
from steward.capacity.plan import (
    Assumption,
    ErrorRatios,
    Forecast,
    Plan,
    build_interval,
    choose_uncalibrated_ratios,
    load_shipped_ratios,
)
from steward.capacity.predict import DoesNotFit, Load, predict
from steward.capacity.step_time import Terms, load_shipped_terms
from steward.core.errors import InputError, StewardError, UnknownName
from steward.core.load_report import LoadReport, read_load_report
from steward.core.marked import read
from steward.workflows.files import write_private

SEEN_DAYS: Final = 60


class CannotPlan(StewardError):
    """No plan can be made of this, with the reason; exit code 3."""

    exit_code = 3


class DeploymentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as a user names it. None: the engine's default, or what the search finds."""

    model: str
    gpu: str | None = None
    precision: str | None = None
    engine: str | None = None
    count: int | None = None
    tp: int | None = None
    pp: int | None = None
    kv_precision: str | None = None
    max_num_seqs: int | None = None
    max_batched_tokens: int | None = None
    utilisation: float | None = None
    gpu_table: Path | None = None


class StoredCalibrations(msgspec.Struct, frozen=True):
    """Fitted terms and the ratios of predicted to measured, by `calibrate.describe` and by `calibrate.family`."""

    terms: dict[str, Terms] = {}
    ratios: dict[str, ErrorRatios] = {}

    def find(self, deployment: Deployment) -> tuple[Terms, ErrorRatios] | None:
        """The deployment's own; else its family's, fitted at other parallel degrees."""
        for name in (describe_deployment(deployment), describe_family(deployment)):
            if name in self.terms:
                return self.terms[name], self.ratios[name]
        return None

    def terms_of(self, deployment: Deployment, otherwise: Terms) -> Terms:
        found = self.find(deployment)
        return found[0] if found else otherwise


# -- deciding ----------------------------------------------------------------------------------------


def make_plan(asked: DeploymentSpec, wanted: sizing.Requirements, prices: Path | None, home: Path | None) -> Plan:
    """The cheapest deployment that holds the objectives; `chosen` is None where none does.

    :raises InputError: an unknown name, an impossible length, a contradiction, prices of another form
    """
    found, engine = find_model(asked.model), _resolve_engine(asked)
    own = _read_own_table(asked)
    listed = _resolve_accelerators(asked, own, engine)
    precisions = _resolve_precisions(asked)
    kept = load_calibrations(home)
    shipped = load_shipped_terms()

    def terms_of(deployment: Deployment) -> tuple[Terms, bool]:
        fitted = kept.find(deployment)
        return (fitted[0], True) if fitted else (shipped, False)

    costs = read_prices(prices, own) if prices else {}
    decision = sizing.size_hardware(
        wanted,
        found.model,
        listed,
        precisions,
        engine,
        terms_of,
        costs,
        tp=asked.tp,
        pp=asked.pp,
        kv_bytes=_parse_kv_precision(asked),
    )
    best = decision.choices[0] if decision.choices else None
    plan = Plan(
        at=time.time(),
        model=found.model.name,
        engine=engine.name,
        wanted=wanted,
        chosen=best,
        alternatives=decision.choices[1:],
        declined=decision.declined,
        considered=decision.considered,
    )
    if best is None:
        return plan
    chosen = sizing.build_deployment(
        found.model, find_accelerator_or_cpu(best.gpu, own), find_precision(best.precision), engine, best.tp, best.pp
    )
    own_fit = kept.find(chosen)
    ratios = own_fit[1] if own_fit else choose_uncalibrated_ratios(chosen.gpu.vendor)
    return msgspec.structs.replace(
        plan,
        ttft_p95_ms=build_interval(best.prediction.ttft_ms.p95, ratios, "ttft_ms"),
        tpot_p95_ms=build_interval(best.prediction.tpot_ms.p95, ratios, "tpot_ms"),
        max_rate=build_interval(best.max_rate, ratios, "output_tok_s"),
        assumptions=_assumptions(found, chosen, wanted, best.calibrated, costs),
    )


def write_report(plan: Plan, asked: DeploymentSpec, prices: Path | None, home: Path | None, path: Path) -> None:
    """The plan's page, with latency at rates up to a little over what it serves, and cost at other objectives."""
    from steward.capacity.report import ObjectiveCost, RatePoint, render

    best, wanted = plan.chosen, plan.wanted
    assert best is not None
    curve = []
    chosen = sizing.build_deployment(
        find_model(asked.model).model,
        find_accelerator_or_cpu(best.gpu, _read_own_table(asked)),
        find_precision(best.precision),
        _resolve_engine(asked),
        best.tp,
        best.pp,
        kv_bytes=_parse_kv_precision(asked),
    )
    terms = load_calibrations(home).terms_of(chosen, load_shipped_terms())
    for share in (0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2):
        load = Load(
            kind="open",
            rate=share * best.max_rate / best.replicas,
            input_tokens=wanted.input_tokens,
            output_tokens=wanted.output_tokens,
            spread=wanted.spread,
            requests=300,
        )
        found = predict(chosen, load, terms, memory=best.memory)
        values = (None, None) if found.saturated else (found.ttft_ms.p95, found.tpot_ms.p95)
        curve.append(RatePoint(share * best.max_rate, *values))
    field = "tpot_p95_ms" if wanted.tpot_p95_ms is not None or wanted.ttft_p95_ms is None else "ttft_p95_ms"
    middle = getattr(wanted, field) or best.prediction.tpot_ms.p95
    costs = []
    for factor in (0.5, 0.7, 0.85, 1.0, 1.4, 2.0, 3.0):
        other = msgspec.structs.replace(wanted, **{field: middle * factor})
        choice = make_plan(asked, other, prices, home).chosen
        costs.append(
            ObjectiveCost(middle * factor, choice.gpus if choice else None, choice.usd_per_hour if choice else None)
        )
    path.write_text(render(plan, curve, costs, "TPOT p95" if field == "tpot_p95_ms" else "TTFT p95"))


def forecast(asked: DeploymentSpec, load: Load, home: Path | None) -> Forecast:
    """One deployment under one load.

    :raises InputError: an unknown name, or degrees that do not make the count
    :raises CannotJudge: it does not fit the memory
    """
    found = find_model(asked.model)
    deployment = build_deployment(asked, found.model)
    whole = load.input_tokens + load.output_tokens
    if found.model.max_position and whole > found.model.max_position:
        raise InputError(f"{whole:,} tokens a request; {found.model.name} reads {found.model.max_position:,}")
    kept = load_calibrations(home)
    fitted = kept.find(deployment)
    terms, ratios = fitted or (load_shipped_terms(), choose_uncalibrated_ratios(deployment.gpu.vendor))
    memory = estimate_memory(deployment)
    try:
        prediction = predict(deployment, load, terms, memory=memory)
    except DoesNotFit as error:
        raise CannotPlan(
            f"{error}. Next: more accelerators (--tp), a narrower --precision, or fewer --max-num-seqs"
        ) from error
    return Forecast(
        model=found.model.name,
        gpu=deployment.gpu.name,
        gpus=deployment.gpus,
        precision=deployment.precision.name,
        tp=deployment.tp,
        pp=deployment.pp,
        engine=deployment.engine.name,
        visible_gib=memory.visible_gib,
        usable_gib=memory.usable_gib,
        weights_gib=memory.weights_gib,
        activation_gib=memory.activation_gib,
        overhead_gib=memory.overhead_gib,
        kv_gib=memory.kv_gib,
        kv_bytes_per_token=memory.kv_bytes_per_token,
        kv_tokens=memory.kv_tokens,
        prediction=prediction,
        output_tok_s=build_interval(prediction.output_tok_s, ratios, "output_tok_s"),
        ttft_ms=build_interval(prediction.ttft_ms.mean, ratios, "ttft_ms"),
        tpot_ms=build_interval(prediction.tpot_ms.mean, ratios, "tpot_ms"),
        calibrated=fitted is not None,
        assumptions=_assumptions(found, deployment, None, fitted is not None, {}),
    )


def build_deployment(asked: DeploymentSpec, model: Model) -> Deployment:
    """:raises InputError: an unknown name, or degrees that do not make the count"""
    if asked.gpu is None:
        raise InputError("--gpu is missing; expected a name such as h100-sxm, or cpu for this machine")
    gpu = find_accelerator_or_cpu(asked.gpu, _read_own_table(asked))
    engine = _resolve_engine(asked)
    pp = asked.pp or 1
    tp = asked.tp or max(1, (asked.count or 1) // pp)
    if asked.count is not None and tp * pp != asked.count:
        raise InputError(f"--tp {tp} x --pp {pp} makes {tp * pp} accelerators, --count says {asked.count}")
    if model.heads % tp:
        raise InputError(
            f"--tp {tp} does not divide the {model.heads} heads of {model.name}; such as {_divisors(model.heads)}"
        )
    if pp > model.layers:
        raise InputError(f"--pp {pp}: {model.name} has {model.layers} layers")
    return sizing.build_deployment(
        model,
        gpu,
        find_precision(asked.precision or "", asked.model),
        engine,
        tp,
        pp,
        kv_bytes=_parse_kv_precision(asked),
        max_num_seqs=asked.max_num_seqs,
        max_batched_tokens=asked.max_batched_tokens,
        utilisation=asked.utilisation,
    )


def find_accelerator_or_cpu(name: str, own: Mapping[str, Accelerator]) -> Accelerator:
    return measure_this_machine() if name.lower() in NAMES else find_accelerator(name, own)


def _divisors(heads: int) -> str:
    return ", ".join(str(degree) for degree in sizing.DEGREES if heads % degree == 0)


def _read_own_table(asked: DeploymentSpec) -> dict[str, Accelerator]:
    return read_accelerator_table(asked.gpu_table) if asked.gpu_table else {}


def _resolve_engine(asked: DeploymentSpec) -> EngineDefaults:
    """vLLM where none is named, the embedded engine on the CPU. :raises UnknownName: no such engine"""
    if asked.engine is None:
        return ENGINES["embedded" if (asked.gpu or "").lower() in NAMES else "vllm"]
    engine = find_engine(asked.engine)
    if engine is None:
        raise UnknownName("engine", asked.engine, ENGINES)
    return engine


def _resolve_accelerators(
    asked: DeploymentSpec, own: Mapping[str, Accelerator], engine: EngineDefaults
) -> list[Accelerator]:
    """The named ones, comma-separated; else all that the engine is measured on."""
    if asked.gpu:
        return [find_accelerator_or_cpu(name.strip(), own) for name in asked.gpu.split(",") if name.strip()]
    return [*own.values(), *(gpu for gpu in list_accelerators() if gpu.vendor in ("NVIDIA", "AMD"))]


def _resolve_precisions(asked: DeploymentSpec) -> list[Precision]:
    if asked.precision:
        return [find_precision(name, asked.model) for name in asked.precision.split(",")]
    return [find_precision("", asked.model)]


def _parse_kv_precision(asked: DeploymentSpec) -> float | None:
    """:raises InputError: another name than 16, 8 or a format's"""
    if asked.kv_precision is None:
        return None
    text = asked.kv_precision.lower()
    if re.search(r"8", text) and "16" not in text:
        return 1.0
    if re.search(r"16|auto", text):
        return 2.0
    raise InputError(f"--kv-precision {asked.kv_precision!r}: expected fp8 or bf16")


def read_prices(path: Path, own: Mapping[str, Accelerator]) -> dict[str, float]:
    """YAML, a price in dollars an hour for each accelerator: `h100-sxm: 2.99`.

    :raises InputError: another form, an unknown accelerator, a price below 0
    """
    tree, lines = read(path, such_as="h100-sxm: 2.99")
    found = {}
    for name, price in tree.items():
        where = f"{path.name}:{lines.get(name, 1)}"
        if not isinstance(price, int | float) or isinstance(price, bool) or not price >= 0:
            raise InputError(f"{where}: {name}: {price!r}; expected dollars an hour, 0 or more")
        found[find_accelerator_or_cpu(str(name), own).name] = float(price)
    return found


def _assumptions(
    found: ModelMatch,
    deployment: Deployment,
    wanted: sizing.Requirements | None,
    calibrated: bool,
    prices: Mapping[str, float],
) -> tuple[Assumption, ...]:
    d = deployment
    listed = [
        Assumption(
            "model", f"{d.model.name}, {d.model.params / 1e9:.3g} billion parameters ({found.how})", d.model.source
        ),
        Assumption(
            "accelerator",
            f"{d.gpu.name}: {d.gpu.bf16_tflops:g} TFLOPS in 16 bit, {d.gpu.bandwidth_gb_s:,.0f} GB/s, "
            f"{d.gpu.memory_gib:.1f} GiB visible",
            d.gpu.source,
        ),
        Assumption(
            "engine",
            f"{d.engine.name}: {d.utilisation:.0%} of memory, {d.max_num_seqs} sequences, "
            f"{d.max_batched_tokens} tokens a step",
            d.engine.source,
        ),
        Assumption(
            "KV cache", f"{8 * d.kv_bytes:.0f} bit", "the engine's default" if not calibrated else "as calibrated"
        ),
        Assumption(
            "efficiency",
            "calibrated on this deployment" if calibrated else "fitted to 293 public measurements, none of yours",
            "steward plan calibrate" if calibrated else "scripts/fit_planner.py",
        ),
    ]
    if not calibrated and d.gpu.is_cpu:
        listed.append(Assumption("CPU", "a guess from its memory's speed: within a factor of five", "calibrate it"))
    elif not calibrated and d.gpu.vendor != "NVIDIA":
        what = f"{d.gpu.vendor}: nothing measured shipped; NVIDIA's efficiencies scaled down"
        listed.append(Assumption("vendor", what, "src/steward/capacity/step_time.py"))
    if wanted is not None:
        listed.append(
            Assumption("arrivals", f"Poisson; lengths vary by {wanted.spread:.0%} around their means", "--spread")
        )
        listed.append(Assumption("prefix cache", "none: every prompt is read whole", "steward plan"))
        if not prices:
            listed.append(Assumption("prices", "none given: ranked by accelerators", "--prices FILE"))
    return tuple(listed)


# -- measurements ------------------------------------------------------------------------------------


def validate_file(
    path: Path,
    home: Path | None = None,
    calibrate_rows: int = 0,
    gpu_table: Path | None = None,
    calibration: Path | None = None,
) -> Validation:
    """Errors on a table. With `calibrate_rows`, each deployment is first fitted to that many of its rows and tested on
    the others; deployments with too few rows are left out.

    :raises InputError: not such a table
    """
    rows, declined = measurements.read_measurements(path, read_accelerator_table(gpu_table) if gpu_table else None)
    kept, shipped = (read_calibrations(calibration) if calibration else load_calibrations(home)), load_shipped_terms()
    if not calibrate_rows:
        return measurements.validate(rows, declined, lambda row: kept.terms_of(row.deployment, shipped))
    tested, own = split_fit(rows, calibrate_rows, shipped)
    return measurements.validate(tested, (), lambda row: own[row.id])


def split_fit(rows: Sequence[Measurement], count: int, start: Terms) -> tuple[list[Measurement], dict[str, Terms]]:
    """For each deployment with more than `count` rows: terms fitted to every k-th row, and the rows left to test."""
    from steward.capacity.calibrate import fit_deployment_terms

    groups: dict[str, list[Measurement]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    tested: list[Measurement] = []
    own: dict[str, Terms] = {}
    for group in groups.values():
        if len(group) <= count:
            continue
        picked = {round(index * (len(group) - 1) / (count - 1)) for index in range(count)} if count > 1 else {0}
        terms = fit_deployment_terms([row for at, row in enumerate(group) if at in picked], start)
        for at, row in enumerate(group):
            if at not in picked:
                tested.append(row)
                own[row.id] = terms
    return tested, own


def calibrate_files(
    paths: Sequence[Path], asked: DeploymentSpec | None, home: Path | None, out: Path | None = None
) -> Calibration:
    """Load reports (JSON) and tables (CSV) of one deployment; the fit is kept with the deployment where there is one.

    A report says what was asked and answered, not on what: that comes from `asked`, else from the plan in force.
    :raises InputError: an invalid run, several deployments, too few points
    """
    rows: list[Measurement] = []
    for path in paths:
        if path.suffix == ".csv":
            found, declined = measurements.read_measurements(path)
            if declined and not found:
                raise InputError(f"{path}: {declined[0].reason}")
            rows += found
        else:
            rows += read_report_measurements(read_load_report(path), path, _find_tested_deployment(asked, home))
    fitted = calibrate(rows, load_shipped_terms())
    merged = add_calibration(load_calibrations(home), rows, fitted)
    if home is not None:
        _make_plan_folder(home)
        write_private(home / "plan" / "calibration.json", msgspec.json.encode(merged), durable=True)
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(merged)))
    return fitted


def _find_tested_deployment(asked: DeploymentSpec | None, home: Path | None) -> Deployment:
    """:raises InputError: neither named nor planned"""
    if asked is not None:
        return build_deployment(asked, find_model(asked.model).model)
    if home is None or not (home / "plan" / "plan.json").exists():
        raise InputError(
            "a load report does not say on what it ran: give --model and --gpu, or keep a plan first "
            "(steward plan … --keep)"
        )
    plan = read_plan(home)
    if plan.chosen is None:
        raise InputError("the plan in force chose nothing; give --model and --gpu")
    chosen = plan.chosen
    return build_deployment(
        DeploymentSpec(
            model=plan.model, gpu=chosen.gpu, precision=chosen.precision, engine=plan.engine, tp=chosen.tp, pp=chosen.pp
        ),
        find_model(plan.model).model,
    )


def read_report_measurements(report: LoadReport, path: Path, deployment: Deployment) -> list[Measurement]:
    """A report's means as one row, and its samples by how many requests were in flight as further ones.

    :raises InputError: the run was not valid, or nothing was answered
    """
    if not report.valid:
        why = "; ".join(report.invalid_reasons) or "no reason given"
        raise InputError(f"{path}: not a valid run ({why}); test again at a lower rate")
    if not report.answered or report.tpot_ms.mean is None:
        raise InputError(
            f"{path}: {report.answered} answers, with no time per token; expected a streamed test of at least two "
            "tokens each"
        )
    samples = report.samples
    inputs = _mean([float(n) for n in samples.input_tokens]) or 1.0
    outputs = _mean([float(n) for n in samples.output_tokens]) or 2.0
    lengths = partial(Load, input_tokens=max(1, round(inputs)), output_tokens=max(2, round(outputs)))
    if report.requested_concurrency:
        load = lengths(kind="closed", concurrency=report.requested_concurrency)
    else:
        load = lengths(kind="open", rate=report.requested_rate or report.achieved_rate, requests=min(report.sent, 2000))
    known: dict[MeasuredMetric, float | None] = {
        "tpot_ms": report.tpot_ms.mean,
        "ttft_ms": report.ttft_ms.mean,
        "output_tok_s": report.answered * outputs / report.duration_s if report.duration_s > 0 else None,
    }
    group = describe_deployment(deployment)
    rows = [
        Measurement(
            id=f"{path.name}",
            group=group,
            deployment=deployment,
            load=load,
            measured={k: v for k, v in known.items() if v},
        )
    ]
    return rows + _sample_rows(report, path, deployment, group)


def _sample_rows(report: LoadReport, path: Path, deployment: Deployment, group: str) -> list[Measurement]:
    """One row for each number of requests in flight that at least eight samples saw: time per token against batch."""
    by: dict[int, list[int]] = {}
    for at, count in enumerate(report.samples.in_flight):
        by.setdefault(count, []).append(at)
    rows = []
    for count, places in sorted(by.items()):
        tpots = [value for at in places if (value := report.samples.tpot_ms[at]) is not None]
        if len(tpots) < 8:
            continue
        load = Load(
            kind="closed",
            concurrency=max(1, count),
            input_tokens=max(1, round(_mean([float(report.samples.input_tokens[at]) for at in places]) or 1)),
            output_tokens=max(2, round(_mean([float(report.samples.output_tokens[at]) for at in places]) or 2)),
        )
        metric: dict[MeasuredMetric, float] = {"tpot_ms": _mean(tpots) or 1.0}
        rows.append(
            Measurement(id=f"{path.name}#{count}", group=group, deployment=deployment, load=load, measured=metric)
        )
    return rows


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


# -- what a home keeps -------------------------------------------------------------------------------


def load_calibrations(home: Path | None) -> StoredCalibrations:
    """:raises InputError: a file that was changed by hand"""
    path = home / "plan" / "calibration.json" if home else None
    return StoredCalibrations() if path is None or not path.exists() else read_calibrations(path)


def read_calibrations(path: Path) -> StoredCalibrations:
    """:raises InputError: no such file, or another form"""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredCalibrations)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected what `steward plan calibrate --out` wrote") from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}; remove it and calibrate again") from error


def add_calibration(kept: StoredCalibrations, rows: Sequence[Measurement], fitted: Calibration) -> StoredCalibrations:
    """The terms under every deployment of the rows and their family, with how far off predictions then were."""
    shipped = load_shipped_ratios()
    errors = fitted.held_out or fitted.after
    ratios: ErrorRatios = {}
    for metric, found in errors.items():
        share = found.p90_error if found.p90_error is not None else None
        ratios[metric] = shipped[metric] if share is None else (1 / (1 + share), 1 + share)
    names = {name(row.deployment) for row in rows for name in (describe_deployment, describe_family)}
    return StoredCalibrations(
        {**kept.terms, **dict.fromkeys(names, fitted.terms)}, {**kept.ratios, **dict.fromkeys(names, ratios)}
    )


def save_plan(home: Path, plan: Plan) -> None:
    _make_plan_folder(home)
    write_private(home / "plan" / "plan.json", msgspec.json.encode(plan), durable=True)


def read_plan(home: Path) -> Plan:
    """:raises InputError: none is kept, or it was changed by hand"""
    path = home / "plan" / "plan.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError as error:
        raise InputError(f"{home}: no plan is in force; make one with `steward plan … --keep`") from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}; plan again with --keep") from error


def _make_plan_folder(home: Path) -> None:
    (home / "plan").mkdir(mode=0o700, exist_ok=True)


# -- watching ----------------------------------------------------------------------------------------


def watch_headroom(home: Path, clock: Callable[[], float] = time.time) -> HeadroomStatus:
    """The last 60 days of the store against the plan in force.

    :raises InputError: no plan is kept
    :raises Unavailable: nothing has been served yet, or the store does not answer
    """
    from steward.adapters.stores.sql import SqlStore
    from steward.core.errors import Unavailable
    from steward.workflows.serve.plan import read_plan as read_serving
    from steward.workflows.serve.plan import store_url

    plan = read_plan(home)
    serving = home / "run" / "plan.json"
    if not serving.exists():
        raise Unavailable(f"{home}: nothing has been served yet; start with `steward up`")
    now = clock()
    since = (now - SEEN_DAYS * 86400) // HOUR_S * HOUR_S
    store = SqlStore(store_url(read_serving(serving)))
    try:
        points = []
        while since < now:  # a day at a time, so that a busy store is not held in memory
            points += store.series(since, HOUR_S, min(since + 86400, now))
            since += 86400
    finally:
        store.close()
    hours = [
        HourlyTraffic(
            point.at, point.requests, point.output_tokens, None if point.ttft_p50_s is None else 1e3 * point.ttft_p50_s
        )
        for point in points
    ]
    return assess_headroom(plan, hours, now)
