"""How servers spell the errors that another model might not give, and other errors.

Spellings: the servers' sources and documentation (OpenAI, Azure, Anthropic, vLLM, SGLang, llama.cpp, Text Generation
Inference, Gemini, Mistral, Groq, DeepSeek, OpenRouter, xAI, Cohere, Bedrock, DashScope, Moonshot, Ollama).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_spellings() -> list[tuple[str, int, bytes]]:
    rows = map(json.loads, Path(__file__).with_name("error_spellings.jsonl").read_text().splitlines())
    return [(row["class"], row["status"], body_of(row["body"])) for row in rows]


def body_of(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def openai_error(message: str, code: Any = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


SPELLINGS = read_spellings()
