"""Whether a model fits into the memory of this machine before a trainer is started, as far as that can be told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from steward.adapters.engines.gguf import read_gguf_head
from steward.capacity.training_memory import TrainingShape, estimate_training_memory
from steward.core.errors import InputError, StewardError, Unavailable
from steward.core.training import TrainingJob
from steward.workflows.gpus import find_reader, read_once

_LOCAL = ("trl",)  # trainers that train one model on this machine with the parameters that are known here


def require_memory(job: TrainingJob) -> None:
    """Nothing is said where the model's size cannot be told. :raises InputError: it cannot fit"""
    if job.trainer not in _LOCAL or job.command:
        return
    on_gpu, available = read_available()
    shape = describe_model(job, on_gpu)
    if shape is None or available is None:
        return
    needed = estimate_training_memory(shape).total
    if needed > available:
        place = "GPU" if on_gpu else "machine"
        raise InputError(
            f"training needs about {needed / 1e9:.1f} GB, the {place} has {available / 1e9:.1f} GB free; "
            "lower batch_size or max_length, or train with LoRA (lora_rank)"
        )


def read_available() -> tuple[bool, float | None]:
    """(whether there is a GPU, bytes that are free on the largest one, else in the machine)."""
    try:
        reading = read_once(find_reader(), processes=False)
    except Unavailable:
        return False, _read_free_memory()
    free = [
        float(gpu.memory_total_bytes - gpu.memory_used_bytes)
        for gpu in reading.gpus
        if gpu.memory_total_bytes is not None and gpu.memory_used_bytes is not None
    ]
    return (True, max(free)) if free else (False, _read_free_memory())


def _read_free_memory() -> float | None:
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) + _read_cached()
    except (OSError, ValueError):
        return None


def _read_cached() -> float:
    """Memory that the kernel gives back when it is asked for."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("Cached:")), 0.0)


def describe_model(job: TrainingJob, on_gpu: bool) -> TrainingShape | None:
    """None: the base is none that can be read here."""
    path, parameters = Path(job.base), job.parameters
    try:
        size = _read_gguf_size(path) if path.suffix == ".gguf" else _read_folder_size(path)
    except (OSError, ValueError, KeyError, StewardError, msgspec.MsgspecError):
        return None
    layers, width = parameters.get("layers"), parameters.get("width")
    is_new = bool(layers or width or parameters.get("heads"))
    if is_new:
        hidden = int(width or size["hidden"])
        wide = size["feed_forward"] * hidden // size["hidden"]
        size = _size(int(layers or size["layers"]), hidden, wide, size["vocabulary"])
    rank = int(parameters.get("lora_rank") or 0) if is_new else int(parameters.get("lora_rank", 16) or 0)
    # two matrices of rank r beside each of about seven of a layer: r x (in + out) parameters (arXiv 2106.09685)
    adapter = rank * size["layers"] * (2 * 4 * size["hidden"] + 3 * (size["hidden"] + size["feed_forward"]))
    return TrainingShape(
        parameters=size["parameters"], trained=adapter if rank else size["parameters"],
        bytes_per_weight=2.0 if on_gpu else 4.0, layers=size["layers"], hidden=size["hidden"],
        vocabulary=size["vocabulary"], batch=int(parameters.get("batch_size", 8)),
        tokens=_count_longest(job, int(parameters.get("max_length", 1024))),
        recompute=bool(parameters.get("gradient_checkpointing", False)), bytes_per_activation=2.0 if on_gpu else 4.0,
    )  # fmt: skip


def _read_gguf_size(path: Path) -> dict[str, int]:
    values = read_gguf_head(path).values
    architecture = values["general.architecture"]
    layers, hidden, wide = (
        int(values[f"{architecture}.{name}"]) for name in ("block_count", "embedding_length", "feed_forward_length")
    )
    vocabulary = int(values[f"{architecture}.vocab_size"])
    return _size(layers, hidden, wide, vocabulary)


def _read_folder_size(path: Path) -> dict[str, int]:
    config: dict[str, Any] = msgspec.json.decode((path / "config.json").read_bytes())
    inner = config.get("text_config", config)
    return _size(
        int(inner["num_hidden_layers"]), int(inner["hidden_size"]), int(inner["intermediate_size"]),
        int(inner["vocab_size"]),
    )  # fmt: skip


def _size(layers: int, hidden: int, wide: int, vocabulary: int) -> dict[str, int]:
    """Four square matrices of attention, which grouped queries make smaller, and three of the feed-forward part."""
    parameters = layers * (4 * hidden * hidden + 3 * hidden * wide) + vocabulary * hidden
    return {
        "parameters": parameters, "layers": layers, "hidden": hidden, "feed_forward": wide, "vocabulary": vocabulary,
    }  # fmt: skip


def _count_longest(job: TrainingJob, most: int) -> int:
    """Tokens of the longest row, at four bytes a token as a rule; `most` where it is longer."""
    with open(job.train, "rb") as file:
        longest = max((len(line) for line in file), default=0)
    return max(1, min(most, longest // 3))
