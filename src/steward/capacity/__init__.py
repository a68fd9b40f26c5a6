"""Capacity: what memory and speed a model needs, on which hardware, and whether the plan still holds."""
