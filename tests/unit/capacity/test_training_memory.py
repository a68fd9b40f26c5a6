"""Published numbers: ZeRO (arXiv 1910.02054, 3.1): 1.5 billion parameters with Adam in mixed precision need at least 24
GB. Korthikanti et al. (arXiv 2205.05198, equation 2): a layer's activations are 34 sbh bytes beside the scores."""

import pytest

from steward.capacity.training_memory import TrainingShape, estimate_training_memory


def shape(**fields):
    given = dict(
        parameters=1_500_000_000, trained=1_500_000_000, bytes_per_weight=2.0, layers=48, hidden=1600, vocabulary=50257,
        batch=1, tokens=1024,
    )  # fmt: skip
    return TrainingShape(**{**given, **fields})


def test_gpt2_of_zeros_paper_needs_24_gb_for_its_states():
    memory = estimate_training_memory(shape())
    assert memory.optimizer == 24e9 and memory.weights == 0.0


def test_frozen_weights_cost_their_bytes_and_the_adapter_sixteen_each():
    memory = estimate_training_memory(shape(trained=10_000_000))
    assert (memory.weights, memory.optimizer) == (3e9, 160e6)


def test_activations_are_34_bytes_a_token_unit_and_layer():
    memory = estimate_training_memory(shape(batch=2))
    assert memory.activations == pytest.approx(34 * 2 * 1024 * 1600 * 48)
    assert memory.logits == 2 * 4 * 2 * 1024 * 50257


def test_recomputation_keeps_one_layer_and_the_inputs_of_all():
    memory = estimate_training_memory(shape(recompute=True))
    assert memory.activations == pytest.approx(34 * 1024 * 1600 + 2 * 1024 * 1600 * 48)
    assert estimate_training_memory(shape(bytes_per_activation=4.0)).activations == pytest.approx(
        2 * estimate_training_memory(shape()).activations
    )


def test_the_total_is_the_sum():
    memory = estimate_training_memory(shape())
    assert memory.total == memory.weights + memory.optimizer + memory.activations + memory.logits
