"""How much memory a training run needs, from the size of the model and the rows.

Bytes a parameter with Adam in mixed precision: 2 for the weights, 2 for the gradients and 12 for the optimizer's copy,
momentum and variance (Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1); in float32 16 as well, 4 each. Of frozen
weights under LoRA the weights alone. Activations in 16 bits: 34 bytes x sequence x batch x hidden x layers without
recomputation, with attention that keeps no score matrix (Korthikanti et al. 2022, arXiv 2205.05198, equation 2 without
its second term); one layer's worth and 2 bytes a layer's input with recomputation. Beside them the logits in float32,
twice. It does not know: fragmentation, other optimizers, models split over machines.
"""

from __future__ import annotations

import msgspec

_TRAINED_BYTES = 16.0  # a trained parameter
_ACTIVATION_BYTES = 34.0  # a token, hidden unit and layer, in 16 bits


class TrainingShape(msgspec.Struct, frozen=True, kw_only=True):
    """What is trained, and on how many tokens at a time."""

    parameters: int
    trained: int  # of them, or of the adapter
    bytes_per_weight: float  # of those that are frozen
    layers: int
    hidden: int
    vocabulary: int
    batch: int
    tokens: int  # of a row
    recompute: bool = False
    bytes_per_activation: float = 2.0


class TrainingMemory(msgspec.Struct, frozen=True, kw_only=True):
    """In bytes."""

    weights: float
    optimizer: float  # of what is trained: weights, gradients and Adam's state
    activations: float
    logits: float

    @property
    def total(self) -> float:
        return self.weights + self.optimizer + self.activations + self.logits


def estimate_training_memory(shape: TrainingShape) -> TrainingMemory:
    """
    >>> one = TrainingShape(parameters=7_000_000_000, trained=7_000_000_000, bytes_per_weight=2, layers=32, hidden=4096,
    ...                     vocabulary=32000, batch=1, tokens=2048)
    >>> round(estimate_training_memory(one).optimizer / 1e9)
    112
    """
    frozen = 0 if shape.trained >= shape.parameters else shape.parameters
    batch_tokens = shape.batch * shape.tokens
    a_layer = _ACTIVATION_BYTES * batch_tokens * shape.hidden * shape.bytes_per_activation / 2.0
    inputs = batch_tokens * shape.hidden * shape.layers * shape.bytes_per_activation
    return TrainingMemory(
        weights=frozen * shape.bytes_per_weight,
        optimizer=min(shape.trained, shape.parameters) * _TRAINED_BYTES,
        activations=a_layer + inputs if shape.recompute else a_layer * shape.layers,
        logits=2 * 4.0 * batch_tokens * shape.vocabulary,
    )
