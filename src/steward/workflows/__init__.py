"""Composition roots, one per journey: here adapters meet capabilities."""
