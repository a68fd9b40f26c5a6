"""Samplers of other libraries: which point of a space to try next."""
