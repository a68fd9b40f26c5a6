"""An upstream for sounds, pictures, moderations and reranking; the model's name picks how it answers.

    python tests/media_upstream.py

It prints its port. Transcripts say the bytes of the file and which model was asked; `told` tells its usage in seconds,
`tokens` in tokens, `silent` none. Speech says the text backwards, in three pieces; `cut` breaks off after the first.
Pictures are as many as were asked. `busy` answers 503, `plain` is any other. `GET /last` tells of the last request:
path, content type and fields.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from aiohttp import BodyPartReader, web

from serving import serve

LAST: dict[str, Any] = {}


def busy(model: Any) -> web.Response | None:
    if model != "busy":
        return None
    return web.json_response({"error": {"message": "later"}}, status=503, headers={"retry-after": "0"})


async def read_form(request: web.Request) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader) and part.name is not None
        value = await part.read(decode=False)
        fields[part.name] = f"{len(value)} bytes" if part.filename else value.decode()
    LAST.update(path=request.path, type=request.content_type, fields=fields)
    return fields


async def read_json(request: web.Request) -> dict[str, Any]:
    fields: dict[str, Any] = await request.json()
    LAST.update(path=request.path, type=request.content_type, fields=fields)
    return fields


async def transcribe(request: web.Request) -> web.StreamResponse:
    fields = await read_form(request)
    if refused := busy(fields["model"]):
        return refused
    text = f"heard {fields['file']} as {fields['model']} {fields.get('prompt', '')}".strip()
    if fields.get("stream") == "true":
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}
        for event in (
            {"type": "transcript.text.delta", "delta": text},
            {"type": "transcript.text.done", "text": text, "usage": usage},
        ):
            await answer.write(f"data: {json.dumps(event)}\n\n".encode())
        return answer
    kind = fields.get("response_format", "json")
    if kind in ("text", "srt", "vtt"):
        return web.Response(text=text)
    body: dict[str, Any] = {"text": text}
    if fields["model"] == "told":
        body["usage"] = {"type": "duration", "seconds": 90}
    if fields["model"] == "tokens":
        details = {"text_tokens": 4, "audio_tokens": 10}
        body["usage"] = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "input_token_details": details}
    if kind == "verbose_json":
        body |= {"duration": "30.5", "language": "english", "task": "transcribe", "segments": []}
    return web.json_response(body)


async def speak(request: web.Request) -> web.StreamResponse:
    fields = await read_json(request)
    if refused := busy(fields["model"]):
        return refused
    answer = web.StreamResponse(headers={"content-type": "audio/mpeg"})
    await answer.prepare(request)
    sound = fields["input"][::-1].encode()
    third = -(-len(sound) // 3)
    for start in range(0, len(sound), third):
        await answer.write(sound[start : start + third])
        await asyncio.sleep(0.02)
        if fields["model"] == "cut" and request.transport is not None:
            request.transport.abort()
    return answer


async def draw(request: web.Request) -> web.Response:
    fields = await (read_form if request.content_type.startswith("multipart") else read_json)(request)
    picture = base64.b64encode(b"picture").decode()
    body: dict[str, Any] = {"created": 1, "data": [{"b64_json": picture}] * int(fields.get("n", 1))}
    if fields["model"] == "tokens":
        body["usage"] = {"input_tokens": 50, "output_tokens": 1056, "total_tokens": 1106}
    return web.json_response(body)


async def moderate(request: web.Request) -> web.Response:
    fields = await read_json(request)
    scores = {"hate": 0.9 if "rude" in str(fields["input"]) else 0.0}
    flags = {name: score > 0.5 for name, score in scores.items()}
    result = {"flagged": any(flags.values()), "categories": flags, "category_scores": scores}
    return web.json_response({"id": "modr-1", "model": fields["model"], "results": [result]})


async def rerank(request: web.Request) -> web.Response:
    fields = await read_json(request)
    rows = [{"index": i, "relevance_score": 1 / (i + 1)} for i in range(len(fields["documents"]))]
    body: dict[str, Any] = {"id": "rr-1", "results": rows}
    if fields["model"] == "told":
        body["meta"] = {"billed_units": {"search_units": 3}}
    return web.json_response(body)


async def last(request: web.Request) -> web.Response:
    return web.json_response(LAST)


if __name__ == "__main__":
    asyncio.run(
        serve(
            {
                "/v1/audio/transcriptions": transcribe,
                "/v1/audio/translations": transcribe,
                "/v1/audio/speech": speak,
                "/v1/images/generations": draw,
                "/v1/images/edits": draw,
                "/v1/images/variations": draw,
                "/v1/moderations": moderate,
                "/v1/rerank": rerank,
            },
            {"/last": last, "/v1/models": last},
        )
    )
