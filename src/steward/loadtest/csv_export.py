"""Export one CSV line per request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from steward.loadtest.recorder import SOURCES, SenderResult
from steward.loadtest.response import CAUSES
from steward.loadtest.values import read_records

COLUMNS = (
    "intended_s,sent_s,ttft_ms,e2e_ms,ended_s,connect_ms,input_tokens,output_tokens,events,in_flight,status,outcome,"
    "tokens_from"
)


def format_csv_lines(results: Sequence[SenderResult]) -> Iterator[str]:
    """The header, then all requests in order of the intended send, warm-up included. Times in ms count from it."""
    yield COLUMNS + "\n"
    for row in read_records(results):
        first, last, connect = (f"{1000 * row[name]:.3f}" if row[name] == row[name] else "" for name in _MS)
        yield (
            f"{row['intended']:.6f},{row['intended'] + row['late']:.6f},{first},{last},"
            f"{row['intended'] + row['end']:.6f},{connect},{row['input_tokens']},{row['output_tokens']},"
            f"{row['events']},{row['in_flight']},{row['status']},{CAUSES[row['cause']]},{SOURCES[row['source']]}\n"
        )


_MS = ("first", "last", "connect")
