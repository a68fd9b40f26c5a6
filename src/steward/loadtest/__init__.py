"""Load testing: send requests at the times asked for, measure when bytes arrive, and say when the client was too slow.

The run itself (`run.py`, `client.py`) needs the base install only; what counts and draws afterwards needs numpy
(extra `load`).
"""
