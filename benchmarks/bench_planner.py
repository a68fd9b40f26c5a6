"""How far the planner is off, and how long a plan takes.

    make bench-planner

Memory against engines' logs (planner_memory.csv, each row with its source); speed on the shipped measurements by
leave-one-source-out, a source being who measured, so that every row is predicted by a fit that saw nothing of its
source, with the share of rows inside the interval that the other sources' errors give, its factor chosen on them alone;
calibrated on 15 rows of a group and tested on its others; and the time of one search over 30 kinds of GPU.
Exits 1 where a reach is missed; TTFT after calibration is shown beside its reach but does not decide.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import time
from pathlib import Path

from steward.capacity.catalog import find_accelerator, find_model, list_accelerators
from steward.capacity.engines import ENGINES, at_version, find_engine, find_precision
from steward.capacity.fit import fit_leaving_one_out
from steward.capacity.measurements import METRICS, MeasuredMetric, Measurement, read_shipped_measurements, validate
from steward.capacity.memory import estimate_memory
from steward.capacity.sizing import Requirements, build_deployment, size_hardware
from steward.capacity.step_time import WIDTHS, Terms, load_shipped_terms
from steward.capacity.uncertainty import UnseenError, estimate_coverage, list_source_coverages, list_unseen_errors
from steward.workflows.plan.validate import split_fit

MEMORY = Path(__file__).with_name("planner_memory.csv")


def memory_errors() -> tuple[list[float], list[float]]:
    """Of the weights of one accelerator, and of KV tokens (where a log has only GiB, of those)."""
    weights, tokens = [], []
    for cells in csv.DictReader(MEMORY.open(newline="")):
        deployment = build_deployment(
            find_model(cells["model"]).model,
            find_accelerator(cells["gpu"]),
            find_precision(cells["weight_dtype"], cells["model"], find_model(cells["model"]).model.precision),
            at_version(find_engine(cells["engine"]) or ENGINES["vllm"], cells["engine_version"]),
            int(cells["tp"]),
            kv_bytes=1.0 if cells["kv_dtype"] == "fp8" else 2.0,
            max_num_seqs=int(cells["max_num_seqs"] or 0) or None,
            max_batched_tokens=int((cells["max_num_batched_tokens"] or "0").split()[-1]) or None,
            utilisation=float((cells["gpu_memory_utilization"] or "0.9").split()[0]),
        )
        found = estimate_memory(deployment)
        if cells["weights_gib_per_gpu"]:
            weights.append(abs(found.weights_gib / float(cells["weights_gib_per_gpu"]) - 1))
        if cells["kv_cache_tokens"]:
            tokens.append(abs(found.kv_tokens / float(cells["kv_cache_tokens"]) - 1))
        elif cells["kv_cache_gib_per_gpu"]:
            tokens.append(abs(found.kv_gib / float(cells["kv_cache_gib_per_gpu"]) - 1))
    return weights, tokens


def plan_seconds() -> tuple[float, int]:
    """Best of three searches, and how many candidates one considers."""
    thirty = [gpu for gpu in list_accelerators() if gpu.vendor in ("NVIDIA", "AMD")][:30]
    wanted = Requirements(rate=20, input_tokens=1024, output_tokens=256, ttft_p95_ms=2000, tpot_p95_ms=50)
    model, best, considered = find_model("llama-3.1-70b").model, float("inf"), 0
    terms = load_shipped_terms()
    for _ in range(3):
        begin = time.perf_counter()
        found = size_hardware(
            wanted,
            model,
            thirty,
            [find_precision("fp8")],
            ENGINES["vllm"],
            lambda _: (terms, False),
            {"H100-SXM-80GB": 3},
        )
        best, considered = min(best, time.perf_counter() - begin), found.considered
    return best, considered


def print_coverage(errors: list[UnseenError]) -> None:
    print("\nleave-one-source-out, share of rows inside their 80 % interval:")
    for metric in METRICS:
        found = list_source_coverages([item for item in errors if item.metric == metric], 0.8)
        print(f"  {metric:12} {', '.join(f'{one.source} {one.held:.0%} of {one.rows}' for one in found)}")


def print_sources(rows: list[Measurement], own: dict[str, Terms]) -> None:
    print("\nleave-one-source-out, median error by source:")
    for source in dict.fromkeys(row.source for row in rows):
        found = validate([row for row in rows if row.source == source], (), lambda row: own[row.source]).metrics
        cells = [
            f"{name} {item.median_error:6.1%} ({item.n})"
            for name, item in found.items()
            if item.median_error is not None
        ]
        print(f"  {source:24} {'  '.join(cells)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the table as JSON only")
    arguments = parser.parse_args()
    rows = read_shipped_measurements()
    weights, tokens = memory_errors()
    seconds, considered = plan_seconds()
    own = fit_leaving_one_out(rows, Terms(), WIDTHS, groups=[row.source for row in rows])
    unseen = validate(rows, (), lambda row: own[row.source]).metrics
    errors = list_unseen_errors(rows)
    coverage: dict[MeasuredMetric, float] = {
        metric: estimate_coverage([item for item in errors if item.metric == metric], 0.8) or 0.0 for metric in METRICS
    }
    tested, fitted = split_fit(rows, 15, load_shipped_terms())
    calibrated = validate(tested, (), lambda row: fitted[row.id]).metrics
    table = [
        ("memory: weights, median error", statistics.median(weights), 0.03, 0.01, len(weights)),
        ("memory: KV tokens, median error", statistics.median(tokens), 0.02, 0.01, len(tokens)),
        ("memory: KV tokens, largest error", max(tokens), 0.10, 0.05, len(tokens)),
        *(
            (f"source not seen by the fit: {name}", unseen[name].median_error, reach, reach - 0.1, unseen[name].n)
            for name, reach in (("output_tok_s", 0.20), ("tpot_ms", 0.20), ("ttft_ms", 0.20))
        ),
        *(
            (f"distance of coverage from 80 %: {name}", abs(coverage[name] - 0.8), 0.05, 0.02, unseen[name].n)
            for name in METRICS
        ),
        *(
            (f"calibrated on 15 rows: {name}", calibrated[name].median_error, 0.10, 0.06, calibrated[name].n)
            for name in METRICS
        ),
        (f"one plan over 30 GPUs ({considered} candidates), s", seconds, 5.0, 1.0, 3),
    ]
    if arguments.json:
        print(
            json.dumps(
                [dict(zip(("what", "value", "reach", "stretch", "n"), line, strict=True)) for line in table], indent=2
            )
        )
    else:
        print(f"{'what':54} {'value':>8} {'reach':>7} {'stretch':>8} {'n':>5}")
        for what, value, reach, stretch, n in table:
            shown = (lambda v: f"{v:.2f}") if what.endswith(" s") else (lambda v: f"{v:.1%}")
            mark = "" if value <= reach else "  missed"
            print(f"{what:54} {shown(value):>8} {shown(reach):>7} {shown(stretch):>8} {n:>5}{mark}")
        print_sources(rows, own)
        print_coverage(errors)
    return (
        0
        if all(value <= reach for what, value, reach, _, _ in table if "calibrated on 15 rows: ttft" not in what)
        else 1
    )


if __name__ == "__main__":
    sys.exit(main())
