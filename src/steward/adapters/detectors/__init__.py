"""Detectors of personal data that are no part of steward: functions and services of an operator's own."""
