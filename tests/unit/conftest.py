"""Homes and passwords of unit tests are made quickly: see `quick_setup`."""

from quick_setup import copied_tables, quick_hashes

__all__ = ["copied_tables", "quick_hashes"]
