"""What an upstream's error says, whatever its shape, and which status it stands for.

Decides the status of errors that come with HTTP 200, as the whole answer, inside a choice, or as an event of a stream:
servers that have begun a stream can tell of a failure in no other way, and some proxies always do so. The upstream's
words reach the client, bounded; markup is taken out. Shapes: OpenAI, Anthropic, Google (a list), FastAPI (`detail`),
OpenRouter (inside a choice), plain text and HTML.

Also decides the class of an error: whether another model might answer the same request (`classify_error`). Each server
spells that in its own way; all spellings stand in one table (`ERROR_CLASSES`).
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any, Final, Literal

import msgspec

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.gateway.text_fields import Json

MAX_WORDS: Final = 1_000  # characters of an upstream's message that are passed on
_STATUS: Final = {  # by the error's type, code or status name
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "INVALID_ARGUMENT": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "UNAUTHENTICATED": 401,
    "billing_error": 402,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "NOT_FOUND": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "RESOURCE_EXHAUSTED": 429,
    "server_error": 500,
    "api_error": 500,
    "InternalServerError": 500,
    "overloaded_error": 529,
    "UNAVAILABLE": 503,
    "timeout_error": 504,
    "DEADLINE_EXCEEDED": 504,
}
ErrorClass = Literal["context", "content_filter", "quota", "auth", "model", "unsupported"]


class ErrorSpelling(msgspec.Struct, frozen=True):
    """How servers spell a class of errors: statuses that say it alone, codes and types, and words in their messages."""

    names: frozenset[str]
    words: re.Pattern[str]
    statuses: frozenset[int] = frozenset()


def _spelling(names: str, words: tuple[str, ...], statuses: tuple[int, ...] = ()) -> ErrorSpelling:
    pattern = re.compile("|".join(words), re.IGNORECASE | re.DOTALL)
    return ErrorSpelling(frozenset(names.split()), pattern, frozenset(statuses))


ERROR_CLASSES: Final[dict[ErrorClass, ErrorSpelling]] = {  # the first that fits; checked in this order
    "context": _spelling(
        # OpenAI, Azure, Groq, DeepSeek; llama.cpp; Mistral (3051); Zhipu (1261); Anthropic's limit of bytes
        "context_length_exceeded exceed_context_size_error context_window_exceeded model_context_window_exceeded "
        "3051 1261 request_too_large",
        (
            r"maximum (?:context|prompt|model|sequence|input) length",  # OpenAI, vLLM, DeepSeek, xAI
            r"exceeds? the (?:available |model'?s? )?(?:maximum )?context",  # OpenAI, llama.cpp, SGLang, LM Studio
            r"longer than the (?:model'?s? |maximum )(?:context|model) length",  # SGLang, vLLM
            r"context (?:window|limit|length)\b.{0,40}(?:exceed|too (?:small|long)|overflow)",
            r"exceeds? (?:the )?context (?:window|limit|length)",  # Anthropic: input and max_tokens together
            r"prompt is too long",  # Anthropic
            r"input is too long for",  # Bedrock
            r"too many (?:input )?tokens: ",  # Cohere
            r"input token count .{0,40}exceeds the maximum",  # Gemini
            r"too large for model with \d+ maximum",  # Mistral
            r"`?inputs`? (?:tokens \+ `?max_new_tokens`?|must have less than)",  # Text Generation Inference, Together
            r"reduce the length of (?:the|your) (?:messages|prompt|input)",  # OpenAI, Groq
            r"range of input length should be",  # DashScope
            r"input \(\d+ tokens\) is too large",  # llama.cpp's embeddings
            r"exceed(?:s|ed)? (?:the )?(?:model|max(?:imum)?)(?: \w+)? tokens?\b",  # Moonshot, Volcengine
            r"too (?:long|large) to fit into the model",
        ),
    ),
    "content_filter": _spelling(
        # OpenAI, Azure; DashScope; Zhipu (1301); Gemini
        "content_filter content_policy_violation ResponsibleAIPolicyViolation data_inspection_failed "
        "DataInspectionFailed 1301 PROHIBITED_CONTENT SAFETY moderation_blocked sensitive_words_detected",
        (
            r"content[ _-](?:management |filter(?:ing)? |usage )policy",  # Azure, Anthropic
            r"content filter",
            r"flagged (?:as|by|for)",  # OpenAI, OpenRouter
            r"(?:violat\w+|against) (?:our |the )?(?:\w+ )?(?:usage|content|safety) (?:polic|guideline)",  # xAI
            r"safety (?:system|settings?|filters?)\b.{0,60}(?:reject|block|refus)",
            r"(?:blocked|rejected|refused) (?:by|due to|because of)\b.{0,30}(?:safety|moderation|guardrail|policy)",
            r"content exists risk",  # DeepSeek
            r"inappropriate content",  # DashScope
            r"result of our safety system",  # OpenAI's pictures
            r"considered high risk|\bnew_sensitive\b|\bPROHIBITED_CONTENT\b",  # Moonshot, MiniMax, Gemini
        ),
    ),
    "quota": _spelling(
        # OpenAI; Anthropic; Moonshot; DashScope; Zhipu (1113)
        "insufficient_quota billing_hard_limit_reached billing_not_active billing_error exceeded_current_quota_error "
        "insufficient_balance insufficient_credits Arrearage 1113 quota_exceeded payment_required",
        (
            r"exceeded your (?:current |monthly |daily )?(?:quota|budget|spend)",  # OpenAI, Gemini, Moonshot
            r"credit balance is too low",  # Anthropic
            r"(?:insufficient|not enough|more|no|out of|used all(?: available)?) (?:account )?(?:credit|balance|funds)",
            r"\b(?:billing|spend|spending|usage) (?:hard )?limit\b",
            r"balance is (?:insufficient|not enough|too low)",
            r"credits? (?:is |are |have been )?(?:exhausted|depleted|used up)",
            r"depleted your .{0,30}credits|\barrearage\b",  # Hugging Face, DashScope
            r"payment required|quota (?:exceeded|exhausted)",
        ),
        (402,),
    ),
    "model": _spelling(
        # OpenAI, Groq, DashScope; Azure; Moonshot; Anthropic and Gemini say it in words
        "model_not_found DeploymentNotFound resource_not_found_error model_not_available unknown_model invalid_model",
        (
            r"model\b.{0,120}(?:does not exist|not found|not (?:currently )?(?:available|loaded)|decommissioned)",
            r"(?:unknown|invalid|no such|unsupported) model\b",
            r"models/\S+ is not (?:found|supported)",  # Gemini
            r"^model: \S+$",  # Anthropic
        ),
    ),
    "auth": _spelling(
        # OpenAI, Mistral, Groq; Anthropic; Gemini; AWS
        "invalid_api_key authentication_error permission_error account_deactivated UNAUTHENTICATED PERMISSION_DENIED "
        "API_KEY_INVALID invalid_authentication_error unsupported_country_region_territory AccessDeniedException",
        (
            r"(?:invalid|incorrect|missing|expired|no) (?:\w+ )?api[ -]?key",
            r"api[ -]?key (?:is )?(?:not valid|invalid|expired|missing|not found|required)",
            r"invalid (?:subscription key|x-api-key|bearer token|access token|credentials)",
            r"authentication (?:fails|failed|required)|(?:invalid|missing|no) auth(?:entication|orization)?\b",
            r"security token .{0,40}(?:invalid|expired)|^unauthorized\b",  # AWS
        ),
        (401, 403),
    ),
    "unsupported": _spelling(  # a field, a picture, or tools that this model cannot take
        # OpenAI; this gateway, of what it cannot translate or an embedded model cannot read
        "unsupported_parameter unsupported_value untranslatable_field too_complex",
        (
            r"\b(?:is|are) not supported (?:by|with|for|in) this model\b",  # OpenAI, Groq, Bedrock
            r"\bdoes ?n[o']t support \S+ with this model\b",  # OpenAI
            r"\bno endpoints found that support\b",  # OpenRouter
            r"\bdoes ?n[o']t support (?:\w+ ){0,2}"  # Ollama, Bedrock, LM Studio
            r"(?:tools?|images?|vision|audio|videos?|files?|documents?|thinking|reasoning)\b",
            r"(?:images?|audio|video)(?: \w+)? (?:is|are) (?:not supported|only supported by)\b",  # llama.cpp, OpenAI
            r"\bnot a multimodal model\b",  # vLLM
            r"unknown variant `(?:image_url|input_audio|file)`",  # DeepSeek
        ),
    ),
}
_CLIENT_STATUSES: Final = frozenset({400, 404, 413, 415, 422})
_CLIENT_MISTAKE: Final = re.compile(  # what servers say with 500 of a request that they cannot read
    "|".join(
        (
            r"conversation roles must alternate|roles? (?:must|should) alternate",  # templates of Mistral, Gemma, Llama
            r"(?:only|no) \S.{0,60}\broles? (?:are|is) supported|\bsystem role (?:is )?not supported",
            r"\bat row \d+, column \d+",  # minja, llama.cpp's templates
            r"\b(?:jinja|(?:chat |prompt )?template) (?:rendering )?(?:error|exception)\b|\bTemplateError\b",
            r"(?:apply\w*|render\w*) (?:the )?(?:chat |prompt )?template\b",  # vLLM, SGLang, TGI
            r"\d+ validation errors? for|\bfield required\b|\binput should be a valid\b",  # pydantic
            r"cannot identify image file|\bincorrect padding\b|invalid base64|base64[- ]\w*decod",  # Pillow, Python
            r"(?:failed|unable|could not|cannot|error) (?:to )?(?:decod|fetch|download|open|read|process|load)\w* "
            r"(?:the |an? )?(?:\w+ )?(?:image|picture|audio|video|media|file)s?\b"
            r"(?! (?:model|processor|tower|encoder))",
            r"(?:invalid|unsupported|corrupt\w*|malformed) (?:image|audio|video|media|data url)\b",
            r"\bgrammar error\b",
            r"(?:pars|compil|convert|build)\w* (?:the )?(?:\w+ )?(?:grammar|regex\w*|(?:json[ _])?schema)",
            r"(?:invalid|unsupported|malformed|unimplemented) (?:\w+ )?(?:grammar|regex\w*|schema|keys?\b|keywords?\b)",
            r"(?:pars|decod)\w* (?:\w+ ){0,4}(?:arguments|json)\b|json\.exception|JSONDecodeError|not valid json\b",
            r"(?:unknown|unexpected|unrecognized|unsupported|invalid|missing) (?:\w+ ){0,2}"
            r"(?:parameter|argument|field|role|content type|message type)\b",
            r"\bmust be (?:in|between|one of|at (?:least|most)|greater|less|positive|non-negative|strictly|an? (?:"
            r"string|list|number|integer|dict\w*|object|boolean|valid))\b",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)
_ERROR: Final = re.compile(rb'"error"\s*:\s*[{"\[]|"finish_reason"\s*:\s*"error"')
# Of HTML; nothing is looked at twice, whatever is left open.
_INVISIBLE: Final = re.compile(r"<(script|style|title)\b.*?(?:</\1\s*+>|\Z)", re.DOTALL | re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^<>]*+>([^<]*)", re.IGNORECASE)
_MOST_AROUND: Final = 5  # errors within each other that are looked into
_NAMED: Final = (  # what an error's words are called: OpenAI's, AWS's, Zhipu's, FastAPI's, Cloudflare's, MiniMax's …
    *("message", "Message", "msg", "detail", "errors", "base_resp", "error_message", "error_msg", "errorMessage"),
    *("exception", "fault", "reason", "title"),  # … Spring's, Apigee's, and of RFC 9457 what stands beside `detail`
)
_NAMED_WITHIN: Final = ("message", "msg", "status_msg", "detail", "error", "description", "faultstring")
_SUCCESS: Final = frozenset({0, 200, "0", "200", "ok", "OK", "success", "SUCCESS"})
_TAG: Final = re.compile(r"<[^<>]*+>")


def read_upstream_error(status: int, body: bytes) -> Refused:
    """The error that a body tells of.

    >>> read_upstream_error(429, b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}').code
    'rate_limit_exceeded'
    >>> read_upstream_error(502, b"<html><title>502 Bad Gateway</title></html>").message
    '502 Bad Gateway'
    """
    try:
        seen = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _make_refusal(status, {}, _extract_plain_words(body))
    return _read_json_error(status, seen)


def find_embedded_error(body: bytes) -> Refused | None:
    """The error that an answer with status 200 carries in the place of an answer, or inside a choice.

    >>> find_embedded_error(b'{"error":{"message":"too many","code":429}}').status
    429
    >>> find_embedded_error(b'{"choices":[{"message":{"content":"fine"}}],"error":null}') is None
    True
    """
    if body.find(b'"error"') < 0 or not _ERROR.search(body):
        return None
    try:
        seen = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return embedded_error_of(seen)


_CHAT: Final = "/v1/chat/completions"
_MESSAGE: Final = re.compile(rb'"message"\s*:\s*\{')  # of a choice
_ANSWERS: Final = {  # the list that an answer of the endpoint has
    endpoint: (field, re.compile(rb'"%b"\s*:\s*\[%b' % (field.encode(), first)))
    for endpoint, field, first in (
        (_CHAT, "choices", rb"\s*\{"),
        ("/v1/completions", "choices", rb"\s*\{"),
        ("/v1/embeddings", "data", b""),
        ("/v1/messages", "content", b""),
        ("/v1/responses", "output", b""),
    )
}


def find_error_instead(endpoint: str, body: bytes) -> Refused | None:
    """As `find_embedded_error`; also what says its error under another name, or is JSON without an answer.

    >>> find_error_instead("/v1/chat/completions", b'{"code":1113,"msg":"balance insufficient"}').message
    'balance insufficient'
    >>> find_error_instead("/v1/embeddings", b'{"data":[]}') is None
    True
    """
    field, answer = _ANSWERS.get(endpoint, ("", None))
    if answer is None or (answer.search(body) and (endpoint != _CHAT or _MESSAGE.search(body))):
        return find_embedded_error(body)
    try:
        seen = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    first = seen[0] if isinstance(seen, list) and seen else seen
    if not isinstance(first, dict):
        return None
    error = embedded_error_of(first) or _read_json_error(find_status(first), first)
    if not _find_words(first) or _says_success(first):
        lacking = "message" if first.get(field) and endpoint == _CHAT else field
        error.message = f"The upstream's answer has no '{lacking}'."
    return error


def _says_success(seen: Json) -> bool:
    """Whether a code says that all is well, as servers do that wrap what they answer."""
    base = seen.get("base_resp")
    told = (seen.get("code"), base.get("status_code") if isinstance(base, dict) else None)
    return any(isinstance(code, str | int) and code in _SUCCESS for code in told)


def find_bare_error(data: bytes) -> Refused | None:
    """The error that a stream's event tells of: as `find_embedded_error`, or in FastAPI's or vLLM's earlier way.

    >>> find_bare_error(b'{"object":"error","message":"too long","code":400}').status
    400
    >>> find_bare_error(b'{"choices":[],"message":"hi"}') is None
    True
    """
    if (error := find_embedded_error(data)) is not None:
        return error
    try:
        seen = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(seen, dict) or seen.get("object", "error") != "error" or not _BARE.isdisjoint(seen):
        return None
    return _read_json_error(find_status(seen), seen) if _find_words(seen) and not _says_success(seen) else None


_EVENT_ERROR: Final = re.compile(rb'"type"\s*:\s*"(?:error|response\.failed)"')


def unwrap_event_error(data: bytes) -> bytes:
    """The error event of a Responses stream as the body that the same error would have; all else as it is.

    Such a stream tells of its error in flat fields, or by a response that failed.

    >>> unwrap_event_error(b'{"type":"error","code":"server_error","message":"busy"}')
    b'{"error":{"type":"error","code":"server_error","message":"busy"}}'
    >>> unwrap_event_error(b'{"type":"response.failed","response":{"error":{"message":"busy"}}}')
    b'{"error":{"message":"busy"}}'
    """
    if not _EVENT_ERROR.search(data):
        return data
    try:
        seen = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return data
    if not isinstance(seen, dict) or seen.get("error"):
        return data
    failed = seen.get("response")
    if seen.get("type") == "response.failed" and isinstance(failed, dict) and failed.get("error"):
        return msgspec.json.encode(failed)
    is_flat = seen.get("type") == "error" and isinstance(seen.get("message"), str)
    return msgspec.json.encode({"error": seen}) if is_flat else data


_BARE: Final = frozenset({"choices", "type", "id", "usage"})  # events of an answer have one of them


def embedded_error_of(seen: Any) -> Refused | None:
    """As `find_embedded_error`, of a body that has been decoded. Gemini writes its errors as a list of one."""
    seen = seen[0] if isinstance(seen, list) and seen else seen
    if not isinstance(seen, dict):
        return None
    if seen.get("error"):
        return _read_json_error(find_status(seen), seen)
    failed = _find_failed_part(seen)
    return None if failed is None else _read_json_error(find_status(failed), failed)


def _find_failed_part(seen: Json) -> Json | None:
    """What within the choices of an answer carries an error: one of them, or its message. A choice may also only say
    that it ended in one.
    """
    choices = seen.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if not isinstance(choice, dict):
            continue
        for part in (choice, choice.get("message"), choice.get("delta")):
            if isinstance(part, dict) and part.get("error"):
                return part
        if choice.get("finish_reason") == "error":
            return {"message": "The upstream's answer ended in an error."}
    return None


def classify_error(status: int, body: bytes) -> ErrorClass | None:
    """The class of an upstream's error; None for all others, such as a mistake in the request.

    Words count only in refusals (4xx and 500): any server may fail with an error that quotes them.

    >>> classify_error(400, b'{"error":{"message":"too long","code":"context_length_exceeded"}}')
    'context'
    """
    try:
        seen = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        seen = None
    names = _error_names(seen, 0)
    words = read_upstream_error(status, body).message if 400 <= status <= 500 else ""
    for kind, spelling in ERROR_CLASSES.items():
        if spelling.names & names or (words and spelling.words.search(words)):
            return kind
    return next((kind for kind, spelling in ERROR_CLASSES.items() if status in spelling.statuses), None)


def find_client_status(body: bytes) -> int | None:
    """The status (4xx) that an error with HTTP 500 stands for, where its server could not read the request: by the
    status or type that its body names, or by its words. None where the server itself failed.

    >>> find_client_status(b'{"object":"error","type":"BadRequestError","code":400,"message":"At most 0 image(s)"}')
    400
    >>> find_client_status(b'{"error":{"message":"Conversation roles must alternate user/assistant"}}')
    400
    >>> find_client_status(b'{"error":{"message":"CUDA out of memory","code":500}}') is None
    True
    """
    try:
        seen = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        seen = None
    first = seen[0] if isinstance(seen, list) and seen else seen
    if isinstance(first, dict) and (status := find_status(first)) in _CLIENT_STATUSES:
        return status
    return 400 if _CLIENT_MISTAKE.search(read_upstream_error(500, body).message) else None


def classify_refusal(error: Refused) -> ErrorClass | None:
    """The class of an error by which the gateway itself refused to ask a model; None for a mistake in the request.

    >>> classify_refusal(Refused("'logprobs' is not supported", status=400, type="t", code="untranslatable_field"))
    'unsupported'
    """
    return "unsupported" if error.code in ERROR_CLASSES["unsupported"].names else None


def _error_names(seen: Any, depth: int) -> set[str]:
    """The codes, types, statuses and reasons that an error carries, also those of errors within it."""
    if depth > 5:
        return set()
    if isinstance(seen, list):
        return {name for item in seen[:5] for name in _error_names(item, depth + 1)}
    if not isinstance(seen, dict):
        return set()
    own = {str(seen[field]) for field in ("code", "type", "status", "reason") if isinstance(seen.get(field), str | int)}
    inner = (seen.get(field) for field in ("error", "innererror", "inner_error", "details", "detail", "metadata"))
    return own.union(*(_error_names(item, depth + 1) for item in inner))


def is_error_object(body: bytes) -> bool:
    """Whether a body is an error as OpenAI and Anthropic spell it, with words that a client can show, and no book."""
    try:
        seen = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    error = seen.get("error") if isinstance(seen, dict) else None
    words = error.get("message") if isinstance(error, dict) else None
    return isinstance(words, str) and 0 < len(words) <= MAX_WORDS


def find_status(seen: Json) -> int:
    """The HTTP status that an error names or its type stands for; 502 where neither tells."""
    inner = _find_inner(seen)
    codes = [
        inner.get("code"),
        inner.get("status"),
        inner.get("status_code"),
        seen.get("code"),
        seen.get("status"),
    ]
    for value in codes:
        number = int(value) if isinstance(value, str) and value.isdigit() and len(value) == 3 else value
        if type(number) is int and 400 <= number <= 599:
            return number
    names = [inner.get("type"), inner.get("code"), inner.get("status"), seen.get("type")]
    return next((_STATUS[name] for name in names if isinstance(name, str) and name in _STATUS), 502)


def _read_json_error(status: int, seen: Any) -> Refused:
    """Of whatever JSON an upstream answered with."""
    if isinstance(seen, list) and seen:
        return _read_json_error(status, seen[0])
    if not isinstance(seen, dict):
        return _make_refusal(status, {}, seen if isinstance(seen, str) else "")
    seen = (None if seen.get("error") else _find_failed_part(seen)) or seen
    return _make_refusal(status, _find_inner(seen), _find_words(seen))


def _find_inner(seen: Json) -> Json:
    """The object under `error`, or under that of an error which a proxy has put another around."""
    inner: Json = {}
    for _ in range(_MOST_AROUND):
        if not isinstance(seen.get("error"), dict):
            break
        seen = inner = seen["error"]
    return inner


def _find_words(seen: Json) -> str:
    """What an error says, under whatever name: `Message` is AWS's, `base_resp` MiniMax's."""
    inner = _find_inner(seen)
    candidates = [
        inner.get("message"),
        inner.get("error"),
        seen.get("error_description"),
        seen.get("error"),
        *map(seen.get, _NAMED),
    ]
    return next((words for value in candidates if (words := _extract_words(value))), "")


def _extract_words(value: Any) -> str:
    """A message as text: what is nested is looked into for one, else spelt out."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        for field in _NAMED_WITHIN:
            if isinstance(value.get(field), str) and value[field].strip():
                return _place(value.get("loc")) + str(value[field]).strip()
        return msgspec.json.encode(value).decode() if value else ""
    if isinstance(value, list):
        return "; ".join(words for item in value[:10] if (words := _extract_words(item)))
    return ""


def _place(location: Any) -> str:
    """FastAPI's `loc`, which alone names the field that its message is about."""
    parts = [str(part) for part in location if isinstance(part, str | int)] if isinstance(location, list) else []
    return ".".join(parts[1:]) + ": " if parts[1:] else ""


def _make_refusal(status: int, inner: Json, words: str) -> Refused:
    kind, code = inner.get("type"), inner.get("code")
    return Refused(
        _shorten(words) or f"The upstream answered with status {status} and no explanation.",
        status=status,
        type=kind if isinstance(kind, str) and kind else "invalid_request_error" if status < 500 else "api_error",
        code=None if code is None or isinstance(code, dict | list) else cut_text(code),
    )


def _extract_plain_words(body: bytes) -> str:
    """Text as it is; of HTML the title and what would be read on the page."""
    text = body[: 64 * 1024].decode("utf-8", "replace")
    if "<" not in text[:200]:
        return " ".join(text.split())
    title = _TITLE.search(text)
    shown = _TAG.sub(" ", _INVISIBLE.sub(" ", text))
    words = unescape(f"{title[1] if title else ''} {shown}")
    return " ".join(words.split())


def _shorten(words: str) -> str:
    """What can be printed, at a bounded length."""
    beginning = words[: MAX_WORDS + 1]
    printable = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in beginning)
    return printable if len(printable) <= MAX_WORDS else f"{printable[: MAX_WORDS - 1]}…"
