"""When periodic jobs are due. Pure: the caller knows the time and runs them."""

from __future__ import annotations

from collections.abc import Mapping


class Schedule:
    """Jobs by name and period, in seconds; each is due at once, and again a period after it was last started.

    >>> schedule = Schedule({"drain": 0.2, "rollup": 60.0})
    >>> schedule.take_due(10.0), schedule.take_due(10.1), schedule.take_due(10.25)
    (['drain', 'rollup'], [], ['drain'])
    >>> round(schedule.wait_s(10.3), 3)
    0.15
    """

    def __init__(self, periods: Mapping[str, float]) -> None:
        self._periods = dict(periods)
        self._due_at = dict.fromkeys(periods, float("-inf"))

    def take_due(self, now: float) -> list[str]:
        """The jobs to start now, in the order in which they were given; one that was late skips what it missed."""
        due = [name for name, at in self._due_at.items() if at <= now]
        for name in due:
            self._due_at[name] = now + self._periods[name]
        return due

    def postpone(self, name: str, until: float) -> None:
        """A job is not due before `until`."""
        self._due_at[name] = max(self._due_at[name], until)

    def wait_s(self, now: float) -> float:
        """Seconds until the next one is due; 0 if one is."""
        return max(0.0, min(self._due_at.values(), default=now + 1.0) - now)
