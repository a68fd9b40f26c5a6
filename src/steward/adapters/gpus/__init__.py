"""Readers of GPUs, one file for each source."""
