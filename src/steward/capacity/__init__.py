"""Capacity: what hardware a deployment needs, and how the hardware that it has is doing."""
