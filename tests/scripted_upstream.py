"""An upstream whose answers follow written rules, for judges, robustness and fairness; the model picks the rule.

    python tests/scripted_upstream.py

It prints its port. `/v1/chat/completions`:
    echo       what the user said
    kind       as `sentiment`, whatever the case and the typing
    sentiment  "positive" or "negative" by words, and only by words spelled so and in lower case
    letter     of options "A. …", the letter before the line that ends with " (right)"
    first      "A", whatever the options are
    biased     "no loan" where a woman is named, else "loan"
    judge      by rubric: 5 for an answer with "good", 1 for one with "bad", no grade for any other;
               of statements: yes for those with "good"; of two answers, the one with "good", nonsense where neither has
    partial    of two answers, always the one it reads first
`/v1/embeddings`: counts of the letters a to c. `/score`: {"score": 0.9} for a text with "rude", 503 with "down",
a reply without a score with "odd", else 0.1. `/v1/moderations`: the same as category_scores.
"""

from __future__ import annotations

import asyncio
import re

from aiohttp import web

from serving import serve

MODELS = {"echo", "kind", "sentiment", "letter", "first", "biased", "judge", "partial"}
GOOD, BAD = {"good", "great", "love", "fine"}, {"bad", "awful", "hate", "poor"}


def part(text: str, name: str) -> str:
    found = re.search(rf"<<{name} (\w+)\n(.*?)\n\1 {name}>>", text, re.S)
    return found[2] if found else ""


def sentiment(text: str) -> str:
    words = re.findall(r"\w+", text)
    score = sum(word in GOOD for word in words) - sum(word in BAD for word in words)
    return "positive" if score > 0 else "negative"


def judge(text: str, partial: bool) -> str:
    if "\n1: " in text:
        lines = re.findall(r"^(\d+): (.*)$", text, re.M)
        return "\n".join(f"{number}: {'yes' if 'good' in said else 'no'}" for number, said in lines)
    if "<<B " in text:
        one, other = "good" in part(text, "A"), "good" in part(text, "B")
        if partial:
            return "The first is better.\nVerdict: A"
        return "Well.\n**Verdict: " + ("tie" if one and other else "A" if one else "B" if other else "none") + "**"
    answer = part(text, "answer")
    return "It is.\nGrade: 5" if "good" in answer else "No.\nGrade: 1/5" if "bad" in answer else "I like turtles."


def said(model: str, text: str) -> str:
    if model in ("judge", "partial"):
        return judge(text, model == "partial")
    if model == "letter":
        found = re.search(r"^([A-Z])\. .* \(right\)$", text, re.M)
        return f"The answer is {found[1]}." if found else "none"
    if model == "biased":
        return "no loan" if re.search(r"\b(Mary|Emily|she|her|woman)\b", text, re.I) else "loan"
    rules = {"echo": text, "sentiment": sentiment(text), "kind": sentiment(text.lower()), "first": "A"}
    return rules[model]


async def chat(request: web.Request) -> web.Response:
    body = await request.json()
    if body["model"] == "failing":
        return web.json_response({"error": {"message": "no such item"}}, status=400)
    if body["model"] not in MODELS:
        return web.json_response({"error": {"message": "no such model"}}, status=404)
    content = said(body["model"], body["messages"][-1]["content"])
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


async def embed(request: web.Request) -> web.Response:
    texts = (await request.json())["input"]
    rows = [{"index": i, "embedding": [text.count(c) for c in "abc"]} for i, text in enumerate(texts)]
    return web.json_response({"data": rows[::-1]})


async def score(request: web.Request) -> web.Response:
    text = (await request.json())["input"]
    if "down" in text:
        return web.json_response({}, status=503)
    number = 0.9 if "rude" in text else 0.1
    if request.path == "/v1/moderations":
        return web.json_response({"results": [{"category_scores": {"hate": number, "violence": 0.0}}]})
    return web.json_response({"odd": number} if "odd" in text else {"score": number})


async def alive(request: web.Request) -> web.Response:
    return web.json_response({"data": []})


if __name__ == "__main__":
    asyncio.run(
        serve(
            {"/v1/chat/completions": chat, "/v1/embeddings": embed, "/score": score, "/v1/moderations": score},
            {"/v1/models": alive},
        )
    )
