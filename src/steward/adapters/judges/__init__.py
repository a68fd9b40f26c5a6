"""Judges of requests and answers that are no part of steward: a service, or a model that judges."""
