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
    "answer_lengths._STEPS": 4,
    "answer_lengths._DECAY_AT": 1_000.0,
    "appeals.LEAST_GROUND": 3,
    "batch.WINDOW_S": 86_400,  # OpenAI API reference, "completion_window": 24h is the only one
    "batch.MAX_ERRORS": 100,
    "batch.MAX_METADATA": 16,  # there, "metadata"
    "batch.MAX_CUSTOM_ID": 256,
    "batch.PAGE": 20,  # there, "limit"
    "batch.MAX_PAGE": 10_000,
    "batch_endpoints.MAX_REQUEST_BYTES": 64 * KIB,
    "config.TOTAL_S": 1_200.0,
    "cors._MOST_HEADERS": 64,
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
    "exchange.EVENT_FRAME_BYTES": KIB,
    "feedback.MAX_TEXT": 32 * KIB,
    "feedback.MAX_BODY_BYTES": MIB,
    "first_event.MOST_HELD": 1_000,
    "form.MAX_BOUNDARY": 70,  # RFC 2046, section 5.1.1
    "grammar_width.MOST_FOLLOWING": 64,
    "grammar_width._WORK": 20_000,
    "grammar_width._WORK_OF_EACH": 8,
    "grammar_width._MOST_ITEMS": 20_000,
    "health.BUCKETS": 10,
    "health.LONGEST_OPEN": 8,
    "health.RETRY_RESERVE": 10.0,
    "health.LATENCY_TAU_S": 10.0,
    "health.OUTLIER_Z": 3.0,
    "health.OUTLIER_MARGIN": 0.1,
    "health.MOST_CALLERS": 1_000,
    "large.LARGE_BYTES": 128 * KIB,
    "large.MANY_BYTES": 16 * KIB,
    "large.MANY_PARTS": 4_000,
    "large.GUARDED_BYTES": 4 * KIB,
    "large.MOST_PARTS": 2_000_000,
    "large._LONGEST_ECHO": 64 * KIB,
    "media.PICTURE_TOKENS": 1_000,
    "media.LOW_DETAIL_TOKENS": 85,  # OpenAI, "Images and vision": a picture at low detail
    "media.PCM_BYTES_PER_TOKEN": 3_200,
    "media.AUDIO_BYTES_PER_TOKEN": 800,
    "media.VIDEO_BYTES_PER_TOKEN": 1_000,
    "media.DOCUMENT_BYTES_PER_TOKEN": 50,
    "media.TEXT_BYTES_PER_TOKEN": 4,
    "media.LEAST_TOKENS": 1_000,
    "media._LEAST_DATA": 256,
    "media._MOST_DEPTH": 12,
    "middleware.admit.EXTENSION": 64,
    "middleware.call.LONG_ANSWER_BYTES": MIB,
    "middleware.call.LONGEST_ERROR_BYTES": 256 * KIB,
    "middleware.call.MAX_DROPPED": 20,
    "middleware.keep.LONG_ANSWERS_BYTES": 64 * KIB,
    "middleware.passthrough.MOST_PARTS": 300_000,
    "middleware.passthrough.MOST_ANSWER_BYTES": 64 * MIB,
    "middleware.settle.MAX_TRACEPARENT": 128,
    "odd_usage._DIGITS": 15,
    "passthrough.TOKENS_PER_AUDIO_SECOND_IN": 10,  # OpenAI, "Managing costs": one for each 100 ms
    "passthrough.TOKENS_PER_AUDIO_SECOND_OUT": 20,  # there: one for each 50 ms
    "passthrough.CHARACTERS_PER_SPOKEN_SECOND": 15,
    "passthrough.MOST_IMAGE_TOKENS": 6_240,  # OpenAI's table: 1024x1536 at high quality
    "passthrough.COMMON_IMAGE_TOKENS": 1_056,  # there: 1024x1024 at medium quality
    "passthrough.DOCUMENTS_PER_SEARCH": 100,
    "passthrough.LEAST_AUDIO_BYTES_PER_SECOND": 1_000,  # 8 kbit/s
    "passthrough.COMMON_AUDIO_BYTES_PER_SECOND": 8_000,  # 64 kbit/s
    "passthrough.BYTES_PER_TOKEN": 4,
    "passthrough.MAX_TOKENS": 10_000_000,
    "pictures.MOST_PICTURES": 32,
    "refused_fields.REMEMBERED_S": 3_600.0,
    "refused_fields.TELLING": {400, 405, 415, 422, 500, 501},
    "refused_fields.UNEXPLAINED": {400, 422},
    "relay.BARE_EVENT_BYTES": 14,
    "relay._AROUND": 200,
    "relay._MOST_DECODED_BYTES": 4 * MIB,
    "response_endpoints.MOST_ITEMS": 100,  # OpenAI API reference, "List input items"
    "response_endpoints.COMMON_ITEMS": 20,  # there
    "route_queue.WEIGHTS": {"high": 16, "normal": 4, "low": 1},
    "route_queue.LONGEST_RETRY_AFTER_S": 60.0,
    "route_queue.SMOOTHING": 0.1,
    "routing.BACKOFF_BASE_S": 0.25,
    "routing.BACKOFF_CAP_S": 8.0,  # OpenAI's SDKs: MAX_RETRY_DELAY
    "routing.LONGEST_WAIT_S": 10.0,
    "routing.RETRYABLE": {408, 409, 429, 500, 502, 503, 504, 529},
    "sse.SHORT_BYTES": 16 * KIB,
    "sse.MAX_EVENT_BYTES": 4 * MIB,
    "sse._LESSONS": 4,
    "stored_responses.MOST_ANSWER_BYTES": 4 * MIB,
    "stored_responses.MOST_ANSWERS": 256,
    "text_fields._SHORT": 1_000_000,
    "upstream_errors.MAX_WORDS": 1_000,
    "upstream_errors._CLIENT_STATUSES": {400, 404, 413, 415, 422},
    "upstream_errors._MOST_AROUND": 5,
    "usage.MAX_INPUT_TOKENS": 10_000_000,
    "usage.MAX_CHOICE_TOKENS": 1_000_000,
    "usage.SILENT_EVENTS": 3,
    "wire.COMMON_OUTPUT_TOKENS": 256,
    "wire.MAX_OUTPUT_TOKENS": 10_000_000,
    "wire.MAX_CHOICES": 128,  # OpenAI API reference, "n": at most 128
    "withheld.MOST_BYTES": 8 * KIB,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_is_the_one_that_is_documented(name: str) -> None:
    assert read_limit("gateway", name) == SIZES[name]
