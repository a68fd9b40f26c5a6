"""Asks a gateway through each Python client as its users do, in an environment of its own.

Prints one line of JSON for each case: {"case": "langchain: chat", "problem": null}. The gateway's address and key come
from the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from collections.abc import Callable
from typing import Any

import instructor
import openai
from agents import (
    Agent,
    AsyncOpenAI,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.openai import OpenAIResponsesModel as PydanticResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

URL, KEY = os.environ["GATEWAY"], os.environ["KEY"]
BASE = f"{URL}/v1"


class Facts(BaseModel):
    city: str
    days: int


FACTS = Facts(city="Paris", days=3)


def langchain(responses: bool) -> list[tuple[str, Callable[[], None]]]:
    model = ChatOpenAI(model="agent", base_url=BASE, api_key=KEY, max_retries=0, use_responses_api=responses)

    @tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    def chat() -> None:
        assert model.invoke("hi").text == "Hello."

    def stream() -> None:
        assert "".join(chunk.text for chunk in model.stream("hi")) == "Hello."

    def loop() -> None:
        bound = model.bind_tools([weather])
        first = bound.invoke("hi")
        second = bound.invoke([("user", "hi"), first, weather.invoke(first.tool_calls[0])])
        assert second.text == "It is sunny in Paris"

    def structured() -> None:
        for method in ("json_schema", "function_calling"):
            assert model.with_structured_output(Facts, method=method).invoke("hi") == FACTS

    def errors() -> None:
        try:
            model.model_copy(update={"model_name": "long"}).invoke("hi")
        except openai.BadRequestError as error:
            assert error.code == "context_length_exceeded", error
        else:
            raise AssertionError("no error")

    name = "langchain, responses" if responses else "langchain"
    cases = {"chat": chat, "stream": stream, "tool loop": loop, "structured output": structured, "errors": errors}
    return [(f"{name}: {case}", run) for case, run in cases.items()]


def with_instructor() -> None:
    for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
        client: Any = instructor.from_openai(openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0), mode=mode)
        made = client.chat.completions.create(
            model="agent", messages=[{"role": "user", "content": "hi"}], response_model=Facts, max_retries=1
        )
        assert (made.city, made.days) == ("Paris", 3)


def pydantic_ai(name: str, model: Any) -> list[tuple[str, Callable[[], None]]]:
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    def chat() -> None:
        assert PydanticAgent(model).run_sync("hi").output == "Hello."

    def loop() -> None:
        assert PydanticAgent(model, tools=[weather]).run_sync("hi").output == "It is sunny in Paris"

    def structured() -> None:
        assert PydanticAgent(model, output_type=Facts).run_sync("hi").output == FACTS

    def stream() -> None:
        async def run() -> str:
            async with PydanticAgent(model).run_stream("hi") as result:
                return str(await result.get_output())

        assert asyncio.run(run()) == "Hello."

    cases = {"chat": chat, "tool loop": loop, "structured output": structured, "stream": stream}
    return [(f"pydantic-ai, {name}: {case}", run) for case, run in cases.items()]


def agents(name: str, kind: Any) -> list[tuple[str, Callable[[], None]]]:
    def model() -> Any:
        return kind(model="agent", openai_client=AsyncOpenAI(base_url=BASE, api_key=KEY, max_retries=0))

    @function_tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    def loop() -> None:
        agent = Agent(name="a", instructions="Be kind.", model=model(), tools=[weather])
        assert Runner.run_sync(agent, "hi").final_output == "It is sunny in Paris"

    def structured() -> None:
        assert Runner.run_sync(Agent(name="a", model=model(), output_type=Facts), "hi").final_output == FACTS

    def stream() -> None:
        async def run() -> str:
            result = Runner.run_streamed(Agent(name="a", model=model(), tools=[weather]), "hi")
            async for _ in result.stream_events():
                pass
            return str(result.final_output)

        assert asyncio.run(run()) == "It is sunny in Paris"

    cases = {"tool loop": loop, "structured output": structured, "stream": stream}
    return [(f"openai-agents, {name}: {case}", run) for case, run in cases.items()]


def list_cases() -> list[tuple[str, Callable[[], None]]]:
    provider = OpenAIProvider(base_url=BASE, api_key=KEY)
    claude = AnthropicModel("agent", provider=AnthropicProvider(base_url=URL, api_key=KEY))
    return [
        *langchain(False),
        *langchain(True),
        ("instructor: structured output", with_instructor),
        *pydantic_ai("chat", OpenAIChatModel("agent", provider=provider)),
        *pydantic_ai("responses", PydanticResponsesModel("agent", provider=provider)),
        *pydantic_ai("anthropic", claude),
        *agents("chat", OpenAIChatCompletionsModel),
        *agents("responses", OpenAIResponsesModel),
    ]


if __name__ == "__main__":
    set_tracing_disabled(True)
    for case, run in list_cases():
        problem = None
        try:
            run()
        except Exception:
            problem = traceback.format_exc()[-2000:]
        print(json.dumps({"case": case, "problem": problem}), flush=True)
