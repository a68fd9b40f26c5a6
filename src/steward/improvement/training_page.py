"""A training run as one HTML page: its loss curve, what was trained on, what it made."""

from __future__ import annotations

from html import escape

from steward.improvement.training import TrainingRun, mark_rendered
from steward.web.charts import ChartSeries, line_chart
from steward.web.page import card, figures, report_page, table


def make_training_page(run: TrainingRun) -> str:
    boxes = [
        ("State", run.state, run.reason),
        ("Step", f"{run.step:,}", f"of {run.steps:,}" if run.steps else ""),
        ("Loss", "–" if run.loss is None else f"{run.loss:.4f}", "of the newest step"),
        ("Attempts", str(run.attempts), f"trainer {run.trainer}, {run.method}"),
    ]
    body = figures(boxes)
    if run.curve:
        steps = [step for step, _ in run.curve]
        series = [ChartSeries("loss", tuple(loss for _, loss in run.curve), "a")]
        labels = [f"{step:,}" for step in steps]
        body += card(
            "Loss", line_chart("Loss by step", labels, series, lambda value: f"{value:.3g}", at=steps, head="Step")
        )
    if run.rendered:
        rows = "".join(f"<p><code>{escape(text)}</code></p>" for text in mark_rendered(run.rendered))
        body += card("What the model sees", f"<p>It learns what stands between ⟦ and ⟧.</p>{rows}")
    made = [[one.name, f"{one.bytes:,}", one.sha256] for one in run.artefacts]
    body += card("Artefacts", table("file|#bytes|SHA-256", made) if made else "<p>None.</p>")
    return report_page(f"Training run {run.id}", f"base {escape(run.base.rpartition('/')[2])}", body)
