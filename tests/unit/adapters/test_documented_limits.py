"""Sizes of the adapters as their docstrings, the systems that they speak to and standards have them."""

from __future__ import annotations

from typing import Any

import pytest

from documented_limits import read_limit

SIZES: dict[str, Any] = {
    "engines.http.KEEP_S": 30.0,
    "engines.http.RACE_S": 0.25,  # RFC 8305, section 5: the Connection Attempt Delay
    "engines.http_answer.REST_S": 0.25,
    "engines.http_answer.MOST_WHOLE_BYTES": 16_777_216,
    "engines.http_connection.MOST_HEAD_BYTES": 262_144,
    "engines.lora.TIMEOUT_S": 60.0,
    "executors.helper.LONGEST_S": 30.0,
    "executors.helper.MOST_WAITING": 256,
    "gpus.linux.MOST_BYTES": 16_777_216,
    "gpus.nvml.NO_INSTANCE": 0xFFFFFFFF,  # nvml.h
    "gpus.nvml.MOST_EVENTS": 100,
    "judges.model._MOST_TOKENS": 64,
    "limits.local.MOST_OPEN": 128,
    "limits.valkey.LEASE_S": 15,
    "limits.window_file.WINDOW_S": 60.0,
    "limits.window_file.SECONDS": 61,
    "limits.window_file.CLOCK_TOLERANCE_S": 5.0,
    "notifiers.http.TIMEOUT_S": 10.0,
    "notifiers.mail.TIMEOUT_S": 10.0,
    "page_extractor._MAX_CHARACTERS": 10_000_000,
    "remote_files._BLOCK_BYTES": 8_388_608,
    "remote_files._BUFFER": 1_048_576,
    "root_wrappers.kms.TIMEOUT_S": 10,
    "root_wrappers.vault.TIMEOUT_S": 10.0,
    "segmenters._PIECE": 12_000,
    "stores.database.CONNECT_S": 5,
    "stores.exchanges.MOST_LOOKED_AT": 20_000,
    "stores.exchanges.MOST_FEEDBACK": 100,
    "stores.snapshot.WAIT_S": 30.0,
    "text_models._LONGEST": 512,
    "trainers.architecture.OPERATIONS": 6.0,  # Kaplan et al., 2020, section 2.1: 6 for each parameter and token
    "trainers.few_shot._MOST_ROWS": 2_000,
    "trainers.openai_jobs._RETRIES": 5,
    "trainers.architecture.BLOCK": 32,  # ggml's QK8_0
}


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_is_the_one_that_is_documented(name: str) -> None:
    assert read_limit("adapters", name) == SIZES[name]
