"""A guard that fails whatever it is asked; not a subclass of the real one, which may be compiled."""

from __future__ import annotations

from collections.abc import Sequence

from steward.core.extend import GuardContext, Verdict


class FailingGuard:
    name = "privacy"

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        raise RuntimeError(f"secret {fields}")

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        raise RuntimeError(f"secret {text}")

    def close(self, exchange: GuardContext) -> Verdict:
        raise RuntimeError("secret")
