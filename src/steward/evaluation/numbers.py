"""How numbers are written for people, in tables, pages and Markdown alike: one number, one form."""

from __future__ import annotations

import math


def format_number(value: float | None) -> str | None:
    """Four decimals; four digits of what is smaller (a cost) or very large; never a minus before zero.

    >>> format_number(0.25), format_number(-0.00001), format_number(0.0000123), format_number(-0.0), format_number(None)
    ('0.2500', '-1e-05', '1.23e-05', '0.0000', None)
    """
    if value is None or math.isnan(value):
        return None
    return f"{value + 0.0:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"


def format_gain(value: float | None) -> str | None:
    """As `format_number`, with its sign; zero has none.

    >>> format_gain(0.05), format_gain(-0.00001), format_gain(-0.0)
    ('+0.0500', '-1e-05', '0.0000')
    """
    written = format_number(value)
    return f"+{written}" if written is not None and value is not None and value > 0 else written


def format_ends(low: float | None, high: float | None) -> str:
    """
    >>> format_ends(-0.1, 0.25), format_ends(None, None)
    ('-0.1000 to +0.2500', 'no interval')
    """
    if low is None or high is None:
        return "no interval"
    return f"{format_gain(low)} to {format_gain(high)}"


def format_p(p: float | None) -> str | None:
    """
    >>> format_p(0.0321), format_p(1e-9), format_p(0.00004), format_p(None)
    ('0.0321', '< 0.0001', '< 0.0001', None)
    """
    return None if p is None else "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def format_percent(share: float) -> str:
    """
    >>> format_percent(0.615), format_percent(1.0)
    ('62 %', '100 %')
    """
    return f"{share * 100:.0f} %"
