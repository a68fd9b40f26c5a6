"""What somebody else judges: a service or a model. The verdicts are theirs; when they are asked is decided here."""

from __future__ import annotations

from collections.abc import Sequence

from steward.core.extend import TextJudge
from steward.guardrails.check import GuardCheck


class ExternalCheck(GuardCheck):
    """Asks about requests, about whole answers, or both; about nothing where no text is."""

    needs_request = True

    def __init__(self, judge: TextJudge, requests: bool, answers: bool) -> None:
        self._judge, self._requests, self._answers = judge, requests, answers

    def judge_request(self, texts: Sequence[str]) -> str:
        return self._judge.judge("request", texts) if self._requests and any(texts) else ""

    def judge_answer(self, request: Sequence[str], answer: Sequence[str]) -> str:
        return self._judge.judge("answer", answer, request) if self._answers and any(answer) else ""
