"""A badge for a README: the state of the headline in one small picture."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from steward.console.headline import Headlines, HeadlineState
from steward.console.shell import Page, page_endpoint
from steward.console.source import ConsoleSource
from steward.core.identity import Principal

STATES: Final[dict[HeadlineState, tuple[str, str]]] = {  # words and colour; 4.5 to 1 against white at least
    "good": ("objectives met", "#2a7263"),
    "warning": ("attention", "#96621a"),
    "bad": ("failing", "#b93d24"),
    "unknown": ("not judged", "#616862"),
}
LEFT: Final = 62  # of 7.1 units a letter at 11 px, with margins
PER_LETTER: Final = 6.6


def page(source: ConsoleSource) -> Page:
    headlines = Headlines(source)

    async def send(request: Request, who: Principal) -> Response:
        headline = await headlines.find(who)
        return Response(draw_badge(headline.state), media_type="image/svg+xml")

    return Page((page_endpoint("/badge.svg", "metrics.read", send, tenancy="deployment"),))


def draw_badge(state: HeadlineState) -> str:
    """
    >>> "objectives met" in draw_badge("good")
    True
    """
    words, colour = STATES[state]
    right = round(len(words) * PER_LETTER + 16)
    width = LEFT + right
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" '
        f'aria-label="steward: {words}"><rect width="{width}" height="20" rx="4" fill="#3a403d"/>'
        f'<path d="M{LEFT} 0h{right - 4}a4 4 0 0 1 4 4v12a4 4 0 0 1 -4 4h-{right - 4}z" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{LEFT / 2:g}" y="14">steward</text><text x="{LEFT + right / 2:g}" y="14">{words}</text></g></svg>'
    )
