"""Why a chat completion ended, however its server spells it. Pure.

OpenAI's reasons are `stop`, `length`, `tool_calls`, `function_call` and `content_filter`. Servers behind the same API
pass on those of what they serve: Mistral (`model_length`), Anthropic and Bedrock (`end_turn`, `max_tokens`,
`tool_use`), Gemini (`MAX_TOKENS`, `SAFETY`), Cohere (`COMPLETE`), Text Generation Inference (`eos_token`). Sources:
their API references, and text-generation-inference's `FinishReason`.
"""

from __future__ import annotations

import re
from typing import Any, Final

CUT_OFF: Final = (
    "length", "max_tokens", "model_length", "max_length", "max_output_tokens", "model_context_window_exceeded",
)  # fmt: skip
_STOPPED: Final = ("stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete")
_FILTERED: Final = ("content_filter", "content_filtered", "safety", "refusal")
_SPELLINGS: Final[dict[str, str]] = {
    **dict.fromkeys(CUT_OFF, "length"),
    **dict.fromkeys(_STOPPED, "stop"),
    **dict.fromkeys(("tool_calls", "tool_use", "tool_call"), "tool_calls"),
    **dict.fromkeys(_FILTERED, "content_filter"),
}
SHORTENED: Final = re.compile(  # in an answer's bytes
    rb'"finish_reason"\s*:\s*"(?i:' + "|".join(CUT_OFF).encode() + rb')"'
)


def name_finish(reason: Any) -> str:
    """OpenAI's word for a reason; one that is not known stays as it is.

    >>> name_finish("MAX_TOKENS"), name_finish("end_turn"), name_finish("paused"), name_finish(None)
    ('length', 'stop', 'paused', 'None')
    """
    return _SPELLINGS.get(str(reason).lower(), str(reason))
