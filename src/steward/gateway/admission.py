"""Which request may go upstream next when a route has more of them than its upstream can take.

A line holds the requests of one route: at most `concurrency` run, at most `length` wait, the rest are told to
come back. Who is next: the three priorities share the places 16 : 4 : 1 while all of them wait (start-time fair
queueing), and within one priority the keys take turns, each key's own requests in the order of their arrival.
So no key and no priority starves, whatever the others send. A full line makes room for a key with less in it by
sending away the newest request of the key with the most; each priority is sure of its part of the line.
A request that would wait longer than its client is sent away at once: the wait is predicted from the time that
requests have been holding their places (Little's law).

Pure: knows nothing of sockets, tasks or clocks; durations are arguments. Sources: Goyal, Vin and Cheng 1996
(start-time fair queueing); dropping from the longest queue, McKenney 1990 (stochastic fairness queueing); Little 1961.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from steward.core.records import Priority

WEIGHTS: Final[dict[Priority, int]] = {"high": 16, "normal": 4, "low": 1}
SMOOTHING: Final = 0.1  # of the mean time that a place is held
LONGEST_RETRY_AFTER_S: Final = 60.0  # the SDKs give up on more than 120


class LinePlan(msgspec.Struct, frozen=True):
    """The size of a line, over all workers of a deployment."""

    concurrency: int = 1024
    queue: int = 1024
    wait_s: float = 30.0


class Ticket(msgspec.Struct, frozen=True):
    """One request in the line; `number` is unique in it."""

    number: int
    key: str
    priority: Priority = "normal"


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a request that arrives."""

    action: Literal["run", "wait", "shed"]
    reason: Literal["", "full", "late"] = ""
    wait_s: float = 0.0  # predicted
    displaced: Ticket | None = None  # who lost its place to it


RUN: Final = Verdict("run")


class _Rank:
    """The waiting requests of one priority: the keys take turns."""

    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.start = 0.0  # virtual start time of the next request
        self.size = 0
        self.keys: OrderedDict[str, deque[Ticket]] = OrderedDict()

    def push(self, ticket: Ticket) -> None:
        self.keys.setdefault(ticket.key, deque()).append(ticket)
        self.size += 1

    def pop(self) -> Ticket:
        key, waiting = self.keys.popitem(last=False)
        ticket = waiting.popleft()
        if waiting:
            self.keys[key] = waiting
        self.size -= 1
        return ticket

    def remove(self, ticket: Ticket) -> None:
        waiting = self.keys[ticket.key]
        waiting.remove(ticket)
        if not waiting:
            del self.keys[ticket.key]
        self.size -= 1

    def newest_of_longest(self) -> Ticket:
        return max(self.keys.values(), key=len)[-1]

    def ahead(self, key: str) -> int:
        """How many of this rank are served before a newcomer of `key`."""
        own = len(self.keys.get(key, ()))
        return own + sum(min(len(waiting), own + 1) for other, waiting in self.keys.items() if other != key)


class Line:
    """The requests of one route in one worker."""

    def __init__(self, concurrency: int, length: int) -> None:
        self.concurrency, self.length = concurrency, length
        self.running = 0
        self._ranks = {priority: _Rank(weight) for priority, weight in WEIGHTS.items()}
        self._virtual = 0.0
        self._held_s = 0.0  # mean time that a place is held; 0: not known yet

    @property
    def waiting(self) -> int:
        return sum(rank.size for rank in self._ranks.values())

    def arrive(self, ticket: Ticket, patience_s: float) -> Verdict:
        """A request comes. After `run` or once it was given a place, `finish` must follow; `leave` ends a wait."""
        if self.running < self.concurrency and not self.waiting:
            self.running += 1
            return RUN
        predicted = self.predicted_wait_s(ticket)
        if predicted > patience_s:
            return Verdict("shed", "late", predicted)
        displaced = None
        if self.waiting >= self.length:
            displaced = self._to_displace(ticket)
            if displaced is None:
                return Verdict("shed", "full", predicted)
            self.leave(displaced)
        rank = self._ranks[ticket.priority]
        if not rank.size:
            rank.start = max(rank.start, self._virtual)
        rank.push(ticket)
        return Verdict("wait", wait_s=predicted, displaced=displaced)

    def leave(self, ticket: Ticket) -> None:
        """A waiting request goes away without having run."""
        self._ranks[ticket.priority].remove(ticket)

    def finish(self, held_s: float | None) -> Ticket | None:
        """A place is free after it was held for `held_s` seconds (None: it was not used); returns who gets it."""
        if held_s is not None:
            self._held_s = self._held_s + SMOOTHING * (held_s - self._held_s) if self._held_s else held_s
        ranks = [rank for rank in self._ranks.values() if rank.size]
        if not ranks:
            self.running -= 1
            return None
        rank = min(ranks, key=lambda rank: rank.start)
        self._virtual = rank.start
        rank.start += 1.0 / rank.weight
        return rank.pop()

    def predicted_wait_s(self, ticket: Ticket) -> float:
        """How long a newcomer would wait: those before it, each holding a place for the mean time."""
        rank = self._ranks[ticket.priority]
        own = rank.ahead(ticket.key)
        others = (other for other in self._ranks.values() if other is not rank)
        ahead = own + sum(min(other.size, math.ceil((own + 1) * other.weight / rank.weight)) for other in others)
        return (ahead + 1) * self._held_s / self.concurrency

    def _to_displace(self, ticket: Ticket) -> Ticket | None:
        """Whose place in a full line a newcomer may take.

        Each rank is sure of its part of the line. Above it, a rank loses places to higher ones and to those that
        have less than their part; within a rank, the key with the most loses to one that would have less.
        """
        mine = self._ranks[ticket.priority]
        for rank in reversed(self._ranks.values()):
            poorer = rank.weight < mine.weight or mine.size < self._part(mine)
            if rank is not mine and rank.size > self._part(rank) and poorer:
                return rank.newest_of_longest()
        longest = mine.newest_of_longest() if mine.size else None
        if longest is not None and len(mine.keys[longest.key]) > len(mine.keys.get(ticket.key, ())) + 1:
            return longest
        return None

    def _part(self, rank: _Rank) -> int:
        return math.ceil(self.length * rank.weight / sum(WEIGHTS.values()))


class Depth(msgspec.Struct, frozen=True):
    """How full a route's line is now, in one worker or several."""

    waiting: int = 0
    running: int = 0


def depths(held: Iterable[Mapping[str, Line]]) -> dict[str, Depth]:
    """By route, over the lines of all configurations that still have requests.

    >>> line = Line(concurrency=1, length=1)
    >>> line.arrive(Ticket(1, "key"), 1.0).action, line.arrive(Ticket(2, "key"), 1.0).action
    ('run', 'wait')
    >>> depths([{"big": line}, {"big": Line(1, 1), "small": Line(1, 1)}])
    {'big': Depth(waiting=1, running=1), 'small': Depth(waiting=0, running=0)}
    """
    return summed({route: Depth(line.waiting, line.running) for route, line in lines.items()} for lines in held)


def summed(parts: Iterable[Mapping[str, Depth]]) -> dict[str, Depth]:
    """Depths of several workers together."""
    found: dict[str, Depth] = {}
    for part in parts:
        for route, depth in part.items():
            before = found.get(route, Depth())
            found[route] = Depth(before.waiting + depth.waiting, before.running + depth.running)
    return found


def share(total: int, workers: int) -> int:
    """One worker's part of a number that all workers have together, rounded up.

    >>> share(8, 3)
    3
    """
    return -(-total // workers)


def retry_after_s(predicted_s: float) -> int:
    """Whole seconds after which a client that was sent away should come back."""
    return math.ceil(min(LONGEST_RETRY_AFTER_S, max(1.0, predicted_s)))


def lower(asked: Priority, ceiling: Priority) -> Priority:
    """A request may give way to others, never push past what its key has."""
    return asked if WEIGHTS[asked] < WEIGHTS[ceiling] else ceiling
