"""Work that nobody waits for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


def open_thread(name: str) -> ThreadPoolExecutor:
    """One thread: what it is given is done in turn, never two at a time."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
