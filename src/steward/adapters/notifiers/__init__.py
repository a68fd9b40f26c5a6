"""Channels that alerts are told on: one file per way of sending."""
