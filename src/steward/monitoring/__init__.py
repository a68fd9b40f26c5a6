"""Watches what is served."""
