import msgspec

from steward.core.training import RenderedText
from steward.improvement.training import TrainedArtefact, TrainingRun
from steward.improvement.training_page import make_training_page


def test_a_page_shows_state_curve_rows_and_artefacts_and_escapes_words():
    run = TrainingRun(
        id="tr_1", trainer="trl", method="sft", base="/m/starter.gguf", dataset="d", state="failed", reason="why <b>",
        started_at=0.0, heard_at=0.0, step=3, steps=9, loss=0.5, curve=((1, 2.0), (3, 0.5)),
        rendered=((RenderedText("<script>", False), RenderedText("ok", True)),),
        artefacts=(TrainedArtefact("model.gguf", 1234, "ab"),),
    )  # fmt: skip
    page = make_training_page(run)
    assert "why &lt;b&gt;" in page and "&lt;script&gt;⟦ok⟧" in page and "<script>" not in page
    assert "1,234" in page and "Loss by step" in page and "starter.gguf" in page
    assert len(page) < 500_000


def test_a_page_of_a_run_that_has_only_begun():
    run = TrainingRun(
        id="tr_1", trainer="trl", method="sft", base="", dataset="d", state="running", started_at=0.0, heard_at=0.0
    )
    page = make_training_page(run)
    assert ">–<" in page and "<p>None.</p>" in page and "Loss by step" not in page and "What the model sees" not in page
    told = make_training_page(msgspec.structs.replace(run, loss=1.23456, step=1234, steps=5000))
    assert ">1.2346<" in told and ">1,234<" in told and "of 5,000" in told and ">–<" not in told
