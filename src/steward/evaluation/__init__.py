"""Evaluation: right numbers, honest uncertainty, and a gate that can say no (extra `eval`)."""
