"""The starter model: a small language model of an online shop's customer support, shipped as a GGUF file."""

from __future__ import annotations

from pathlib import Path


def path() -> Path:
    """The shipped GGUF file."""
    return Path(__file__).parent / "starter.gguf"
