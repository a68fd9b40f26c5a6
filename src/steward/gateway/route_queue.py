"""Which request may go upstream next when a route has more of them than its upstream can take.

A queue holds the requests of one route: at most `concurrency` run, at most `length` wait, the others are told to try
again later. Which one is next: the three priorities share the places 16 : 4 : 1 while all of them wait (start-time
fair queueing), and within one priority the keys take turns, each key's own requests in the order of their arrival.
No key and no priority starves, whatever the others send. A full queue makes room for a key that has fewer requests in
it by rejecting the newest request of the key with the most; each priority is guaranteed its share of the queue.
A request that would wait longer than its client is rejected at once: the wait is predicted from the time that
requests have been holding their places (Little's law).

Pure: knows nothing of sockets, tasks or clocks; durations are arguments. Sources: Goyal, Vin and Cheng 1996
(start-time fair queueing); dropping from the longest queue, McKenney 1990 (stochastic fairness queueing); Little 1961.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from typing import Final

from steward.core.records import Priority
from steward.gateway.queue_records import QueueDecision, QueueDepth, QueuedRequest

WEIGHTS: Final[dict[Priority, int]] = {"high": 16, "normal": 4, "low": 1}
SMOOTHING: Final = 0.1  # of the mean time that a place is held
LONGEST_RETRY_AFTER_S: Final = 60.0  # the SDKs give up on more than 120


RUN: Final = QueueDecision("run")


class _PriorityLevel:
    """The waiting requests of one priority: the keys take turns."""

    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.start = 0.0  # virtual start time of the next request
        self.size = 0
        self.keys: OrderedDict[str, deque[QueuedRequest]] = OrderedDict()

    def push(self, ticket: QueuedRequest) -> None:
        self.keys.setdefault(ticket.key, deque()).append(ticket)
        self.size += 1

    def pop(self) -> QueuedRequest:
        key, waiting = self.keys.popitem(last=False)
        ticket = waiting.popleft()
        if waiting:
            self.keys[key] = waiting
        self.size -= 1
        return ticket

    def remove(self, ticket: QueuedRequest) -> None:
        waiting = self.keys[ticket.key]
        waiting.remove(ticket)
        if not waiting:
            del self.keys[ticket.key]
        self.size -= 1

    def newest_of_longest_key(self) -> QueuedRequest:
        return max(self.keys.values(), key=len)[-1]

    def count_ahead(self, key: str) -> int:
        """How many of this rank are served before a newcomer of `key`."""
        own = len(self.keys.get(key, ()))
        return own + sum(min(len(waiting), own + 1) for other, waiting in self.keys.items() if other != key)


class RouteQueue:
    """The requests of one route in one worker."""

    def __init__(self, concurrency: int, length: int) -> None:
        self.concurrency, self.length = concurrency, length
        self.running = 0
        self.waiting = 0
        self._levels = {priority: _PriorityLevel(weight) for priority, weight in WEIGHTS.items()}
        self._virtual_time = 0.0
        self._held_s = 0.0  # mean time that a place is held; 0: not known yet

    def start_at_once(self) -> bool:
        """Whether a new request runs, as nearly all do; then call `finish`, else `arrive`."""
        if self.running < self.concurrency and not self.waiting:
            self.running += 1
            return True
        return False

    def arrive(self, ticket: QueuedRequest, deadline_s: float) -> QueueDecision:
        """Decide about a new request. After `run`, or once it gets a place, call `finish`; `leave` ends a wait."""
        if self.start_at_once():
            return RUN
        predicted = self.predict_wait_s(ticket)
        if predicted > deadline_s:
            return QueueDecision("shed", "late", predicted)
        displaced = None
        if self.waiting >= self.length:
            displaced = self._choose_displaced(ticket)
            if displaced is None:
                return QueueDecision("shed", "full", predicted)
            self.leave(displaced)
        rank = self._levels[ticket.priority]
        if not rank.size:
            rank.start = max(rank.start, self._virtual_time)
        rank.push(ticket)
        self.waiting += 1
        return QueueDecision("wait", wait_s=predicted, displaced=displaced)

    def leave(self, ticket: QueuedRequest) -> None:
        """A waiting request goes away without having run."""
        self._levels[ticket.priority].remove(ticket)
        self.waiting -= 1

    def finish(self, held_s: float | None) -> QueuedRequest | None:
        """A place is free after it was held for `held_s` seconds (None: it was not used); returns who gets it."""
        if held_s is not None:
            self._held_s = self._held_s + SMOOTHING * (held_s - self._held_s) if self._held_s else held_s
        if not self.waiting:
            self.running -= 1
            return None
        rank = min((rank for rank in self._levels.values() if rank.size), key=lambda rank: rank.start)
        self._virtual_time = rank.start
        rank.start += 1.0 / rank.weight
        self.waiting -= 1
        return rank.pop()

    def predict_wait_s(self, ticket: QueuedRequest) -> float:
        """How long a newcomer would wait: those before it, each holding a place for the mean time."""
        rank = self._levels[ticket.priority]
        own = rank.count_ahead(ticket.key)
        others = (other for other in self._levels.values() if other is not rank)
        count_ahead = own + sum(min(other.size, math.ceil((own + 1) * other.weight / rank.weight)) for other in others)
        return (count_ahead + 1) * self._held_s / self.concurrency

    def _choose_displaced(self, ticket: QueuedRequest) -> QueuedRequest | None:
        """The waiting request whose place in a full queue a newcomer may take.

        Each priority is guaranteed its share of the queue. Above it, it loses places to higher priorities and to those
        below their share; within a priority, the key with the most requests loses to one that would have fewer.
        """
        mine = self._levels[ticket.priority]
        for rank in reversed(self._levels.values()):
            poorer = rank.weight < mine.weight or mine.size < self._guaranteed_places(mine)
            if rank is not mine and rank.size > self._guaranteed_places(rank) and poorer:
                return rank.newest_of_longest_key()
        longest = mine.newest_of_longest_key() if mine.size else None
        if longest is not None and len(mine.keys[longest.key]) > len(mine.keys.get(ticket.key, ())) + 1:
            return longest
        return None

    def _guaranteed_places(self, rank: _PriorityLevel) -> int:
        return math.ceil(self.length * rank.weight / sum(WEIGHTS.values()))


def collect_depths(held: Iterable[Mapping[str, RouteQueue]]) -> dict[str, QueueDepth]:
    """By route, over the queues of all configurations that still have requests.

    >>> queue = RouteQueue(concurrency=1, length=1)
    >>> [queue.arrive(QueuedRequest(number, "key"), 1.0).action for number in (1, 2)]
    ['run', 'wait']
    >>> collect_depths([{"big": queue}, {"big": RouteQueue(1, 1), "small": RouteQueue(1, 1)}])
    {'big': QueueDepth(waiting=1, running=1), 'small': QueueDepth(waiting=0, running=0)}
    """
    return sum_depths(
        {route: QueueDepth(line.waiting, line.running) for route, line in lines.items()} for lines in held
    )


def sum_depths(parts: Iterable[Mapping[str, QueueDepth]]) -> dict[str, QueueDepth]:
    """Depths of several workers together."""
    depths: dict[str, QueueDepth] = {}
    for part in parts:
        for route, depth in part.items():
            before = depths.get(route, QueueDepth())
            depths[route] = QueueDepth(before.waiting + depth.waiting, before.running + depth.running)
    return depths


def worker_share(total: int, workers: int) -> int:
    """One worker's part of a number that all workers have together, rounded up.

    >>> worker_share(8, 3)
    3
    """
    return -(-total // workers)


def retry_after_s(predicted_s: float) -> int:
    """Whole seconds after which a client that was sent away should come back."""
    return math.ceil(min(LONGEST_RETRY_AFTER_S, max(1.0, predicted_s)))


def lower_priority(asked: Priority, ceiling: Priority) -> Priority:
    """A request may give way to others, never push past what its key has."""
    return min(asked, ceiling, key=WEIGHTS.__getitem__)
