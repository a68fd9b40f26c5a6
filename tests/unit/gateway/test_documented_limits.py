"""Limits of the gateway as the comments beside them, the documentation and other APIs' references have them.

What is smaller refuses or forgets what clients may send; what is larger lets one request take the time of all others.
"""

from __future__ import annotations

from typing import Any

import pytest

from documented_limits import read_limit

KIB, MIB = 1_024, 1_048_576
SIZES: dict[str, Any] = {
    "answer_lengths.QUANTILE": 0.95,
    "appeals.LEAST_GROUND": 3,
    "batch.WINDOW_S": 86_400,  # OpenAI API reference, "completion_window": 24h is the only one
    "batch.MAX_ERRORS": 100,
    "batch.MAX_METADATA": 16,  # there, "metadata"
    "batch.MAX_CUSTOM_ID": 256,
    "batch.PAGE": 20,  # there, "limit"
    "batch_endpoints.MAX_REQUEST_BYTES": 64 * KIB,
    "dialects.chat.MOST_SALVAGES": 32,
    "dialects.chat_to_messages.DEFAULT_MAX_TOKENS": 8_192,  # Claude 3.5's maximum
    "dialects.chat_to_messages.MIN_THINKING_TOKENS": 1_024,  # Anthropic API reference, "Extended thinking"
    "engine_input.MAX_BYTES": 256 * KIB,
    "engine_input.MAX_DEPTH": 64,
    "engine_input.MAX_EXPANDED": 10_000,
    "engine_input.RULE_BYTES": 4 * KIB,
    "engine_input.MAX_ALTERNATIVES": 1_000,
    "engine_input.MAX_CLASS": 4_000,
    "engine_input.CHARACTERS_OF_A_PART": 100,
    "engine_input.MAX_OPTIONAL": 300,
    "feedback.MAX_TEXT": 32 * KIB,
    "feedback.MAX_BODY_BYTES": MIB,
    "grammar_width.MOST_FOLLOWING": 64,
    "health.BUCKETS": 10,
    "health.LONGEST_OPEN": 8,
    "health.RETRY_RESERVE": 10.0,
    "health.LATENCY_TAU_S": 10.0,
    "health.OUTLIER_Z": 3.0,
    "health.OUTLIER_MARGIN": 0.1,
    "large.LARGE_BYTES": 128 * KIB,
    "large.MANY_BYTES": 16 * KIB,
    "large.MANY_PARTS": 4_000,
    "large.GUARDED_BYTES": 4 * KIB,
    "large.MOST_PARTS": 2_000_000,
    "media.PICTURE_TOKENS": 1_000,
    "media.LOW_DETAIL_TOKENS": 85,  # OpenAI, "Images and vision": a picture at low detail
    "media.PCM_BYTES_PER_TOKEN": 3_200,
    "middleware.admit.EXTENSION": 64,
    "middleware.call.LONG_ANSWER_BYTES": MIB,
    "middleware.call.LONGEST_ERROR_BYTES": 256 * KIB,
    "middleware.call.MAX_DROPPED": 20,
    "middleware.passthrough.MOST_PARTS": 300_000,
    "middleware.passthrough.MOST_ANSWER_BYTES": 64 * MIB,
    "passthrough.TOKENS_PER_AUDIO_SECOND_IN": 10,  # OpenAI, "Managing costs": one for each 100 ms
    "passthrough.TOKENS_PER_AUDIO_SECOND_OUT": 20,  # there: one for each 50 ms
    "passthrough.CHARACTERS_PER_SPOKEN_SECOND": 15,
    "passthrough.MOST_IMAGE_TOKENS": 6_240,  # OpenAI's table: 1024x1536 at high quality
    "passthrough.COMMON_IMAGE_TOKENS": 1_056,  # there: 1024x1024 at medium quality
    "passthrough.DOCUMENTS_PER_SEARCH": 100,
    "pictures.MOST_PICTURES": 32,
    "refused_fields.REMEMBERED_S": 3_600.0,
    "response_endpoints.MOST_ITEMS": 100,  # OpenAI API reference, "List input items"
    "response_endpoints.COMMON_ITEMS": 20,  # there
    "route_queue.WEIGHTS": {"high": 16, "normal": 4, "low": 1},
    "route_queue.LONGEST_RETRY_AFTER_S": 60.0,
    "routing.BACKOFF_BASE_S": 0.25,
    "routing.BACKOFF_CAP_S": 8.0,  # OpenAI's SDKs: MAX_RETRY_DELAY
    "routing.LONGEST_WAIT_S": 10.0,
    "routing.RETRYABLE": {408, 409, 429, 500, 502, 503, 504, 529},
    "sse.SHORT_BYTES": 16 * KIB,
    "sse.MAX_EVENT_BYTES": 4 * MIB,
    "stored_responses.MOST_ANSWER_BYTES": 4 * MIB,
    "stored_responses.MOST_ANSWERS": 256,
    "upstream_errors.MAX_WORDS": 1_000,
    "usage.MAX_INPUT_TOKENS": 10_000_000,
    "usage.MAX_CHOICE_TOKENS": 1_000_000,
    "wire.COMMON_OUTPUT_TOKENS": 256,
    "wire.MAX_OUTPUT_TOKENS": 10_000_000,
    "wire.MAX_CHOICES": 128,  # OpenAI API reference, "n": at most 128
}


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_is_the_one_that_is_documented(name: str) -> None:
    assert read_limit("gateway", name) == SIZES[name]
