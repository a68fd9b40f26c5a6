"""A filter of texts whose work can be seen."""

from __future__ import annotations


class Loud:
    """Writes every text in capitals and notes where it stood; with `hold`, keeps the last letter of a field back."""

    def __init__(self, hold: bool = False) -> None:
        self.seen: list[tuple[int, str, str, bool]] = []
        self._hold = hold
        self._held: dict[tuple[int, str], str] = {}

    def text(self, choice: int, field: str, text: str, last: bool = False) -> str:
        self.seen.append((choice, field, text, last))
        text = self._held.pop((choice, field), "") + text.upper()
        if self._hold and not last:
            self._held[choice, field] = text[-1:]
            return text[:-1]
        return text

    def arguments(self, choice: int, field: str, text: str, last: bool = False) -> str:
        return "J" + self.text(choice, field, text, last)

    def flush(self, choice: int) -> list[tuple[str, str]]:
        fields = [field for number, field in self._held if number == choice]
        return [(field, self._held.pop((choice, field))) for field in fields]
