"""What `steward model` prints for people."""

from __future__ import annotations

from steward.cli.model import _format_part


def test_what_is_described_in_json_is_read_a_line_a_value() -> None:
    dataset = {"name": "talks", "digest": "sha256:cd", "splits": {"train": 80, "judge": 10}, "shapes": ["sft", "dpo"]}
    assert _format_part("data set", dataset) == [
        "  data set",
        "    name: talks",
        "    digest: sha256:cd",
        "    splits",
        "      train: 80",
        "      judge: 10",
        "    shapes: sft, dpo",
    ]
    assert _format_part("trainer", "trl", 0) == ["trainer: trl"]
    assert _format_part("seeds", [1, {"a": None}], 0) == ['seeds: 1, {"a":null}']
    assert _format_part("lora", True, 0) == ["lora: true"]
