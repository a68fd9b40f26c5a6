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
