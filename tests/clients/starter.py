"""Asks the shipped model through each Python client. Prints lines as clients.py does."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from typing import Any, Literal

import instructor
import openai
from agents import (
    Agent,
    AsyncOpenAI,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    set_tracing_disabled,
)
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.openai import OpenAIResponsesModel as PydanticResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

URL, KEY = os.environ["GATEWAY"], os.environ["KEY"]
BASE, ASK = f"{URL}/v1", "Where is my order?"
CLIENT = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)
MESSAGES: Any = [{"role": "user", "content": ASK}]
WHOLE = CLIENT.chat.completions.create(model="starter", messages=MESSAGES, temperature=0).choices[0].message.content


class Kind(BaseModel):
    kind: Literal["order", "refund"]


def langchain(responses: bool) -> None:
    model = ChatOpenAI(
        model="starter", base_url=BASE, api_key=KEY, max_retries=0, temperature=0, use_responses_api=responses
    )
    assert model.invoke(ASK).text == WHOLE
    assert "".join(chunk.text for chunk in model.stream(ASK)) == WHOLE


def with_instructor() -> None:
    client: Any = instructor.from_openai(CLIENT, mode=instructor.Mode.JSON_SCHEMA)
    made = client.chat.completions.create(model="starter", messages=MESSAGES, response_model=Kind, max_retries=1)
    assert made.kind in ("order", "refund")


def pydantic_ai(model: Any) -> None:
    assert PydanticAgent(model, model_settings={"temperature": 0.0}).run_sync(ASK).output == WHOLE


def agents(kind: Any) -> None:
    model = kind(model="starter", openai_client=AsyncOpenAI(base_url=BASE, api_key=KEY, max_retries=0))
    agent = Agent(name="a", model=model, model_settings=ModelSettings(temperature=0))
    assert Runner.run_sync(agent, ASK).final_output == WHOLE


def list_cases() -> dict[str, Callable[[], None]]:
    provider = OpenAIProvider(base_url=BASE, api_key=KEY)
    claude = AnthropicModel("starter", provider=AnthropicProvider(base_url=URL, api_key=KEY))
    return {
        "langchain": lambda: langchain(False),
        "langchain, responses": lambda: langchain(True),
        "instructor": with_instructor,
        "pydantic-ai, chat": lambda: pydantic_ai(OpenAIChatModel("starter", provider=provider)),
        "pydantic-ai, responses": lambda: pydantic_ai(PydanticResponsesModel("starter", provider=provider)),
        "pydantic-ai, anthropic": lambda: pydantic_ai(claude),
        "openai-agents, chat": lambda: agents(OpenAIChatCompletionsModel),
        "openai-agents, responses": lambda: agents(OpenAIResponsesModel),
    }


if __name__ == "__main__":
    set_tracing_disabled(True)
    for case, run in list_cases().items():
        problem = None
        try:
            run()
        except Exception:
            problem = traceback.format_exc()[-2000:]
        print(json.dumps({"case": case, "problem": problem}), flush=True)
