"""Capacity: what memory and speed a model needs, on which hardware, whether the plan still holds, and how the GPUs are."""
