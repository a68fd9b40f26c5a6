"""Lines as transformers 5 prints them (Trainer.log, and tqdm's bar)."""

import math

from steward.adapters.trainers.hf_log import find_checkpoint, keep_outputs, parse_line


def test_a_mapping_a_step_is_a_metric():
    event = parse_line("{'loss': '1.25', 'grad_norm': '0.5', 'learning_rate': '1e-05', 'epoch': '0.1'}", 7)
    assert (event.type, event.step, event.loss) == ("metric", 7, 1.25)
    assert event.metrics == {"grad_norm": 0.5, "learning_rate": 1e-05, "epoch": 0.1}
    assert parse_line("{'loss': 1.25}", 1).loss == 1.25
    assert math.isnan(parse_line("{'loss': 'nan'}", 1).loss)


def test_a_bar_is_progress_and_other_lines_are_nothing():
    event = parse_line(" 12%|#   | 3/25 [00:10<01:00,  2.7s/it]", 0)
    assert (event.step, event.steps) == (3, 25)
    assert parse_line("loading weights", 0) is None and parse_line("{'eval_loss': '1'}", 0) is None


def test_the_newest_checkpoint_and_what_is_left_beside_them(tmp_path):
    for name in ("checkpoint-9", "checkpoint-10", "checkpoint-x"):
        (tmp_path / "out" / name).mkdir(parents=True)
    (tmp_path / "out" / "adapter_config.json").write_text("{}")
    (tmp_path / "made").mkdir()
    assert find_checkpoint(tmp_path / "out").name == "checkpoint-10"
    keep_outputs(tmp_path / "out", tmp_path / "made")
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["adapter_config.json"]
    assert find_checkpoint(tmp_path / "made") is None
