"""Capacity: the memory and speed that a model needs, on which hardware, and how plan and GPUs are doing."""
