"""A first steward.yaml: short, commented, equal to the defaults."""

from __future__ import annotations

from pathlib import Path

from steward.core.errors import InputError

TEXT = """\
# steward.yaml: every section is optional. All keys: steward config schema

gateway:
  host: 127.0.0.1          # 0.0.0.0 to serve other machines
  port: 8080

console:
  port: 8081

models:
  - {name: starter, backend: embedded}
  # - {name: big, backend: openai, url: "http://gpu-1:8000/v1", key: "env:BIG_KEY"}

# routes:                  # what clients ask for as `model`; every model is also a route of its own name
#   - name: assistant
#     targets: [{model: big, weight: 95}, {model: starter, weight: 5}]
#     fallback: [starter]

limits:
  default: {requests_per_minute: 600}
"""


def write(path: Path) -> None:
    """:raises InputError: the file exists; it is never overwritten"""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEXT)
    except FileExistsError as error:
        raise InputError(f"{path} exists already; edit it, or move it away first") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
