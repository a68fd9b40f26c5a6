"""Prices of accelerators: a user's file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from steward.capacity.catalog import Accelerator
from steward.configuration.yaml_lines import read_mapping
from steward.core.errors import InputError
from steward.workflows.plan.deployment import find_accelerator_or_cpu


def read_prices(path: Path, own: Mapping[str, Accelerator]) -> dict[str, float]:
    """US dollars an hour by accelerator, from a YAML file with lines such as `h100-sxm: 2.99`.

    :raises InputError: another form, an unknown accelerator, a price below 0
    """
    tree, lines = read_mapping(path, such_as="h100-sxm: 2.99")
    prices = {}
    for name, price in tree.items():
        where = f"{path.name}:{lines.get(name, 1)}"
        if not isinstance(price, int | float) or isinstance(price, bool) or not price >= 0:
            raise InputError(f"{where}: {name}: {price!r}; expected dollars an hour, 0 or more")
        prices[find_accelerator_or_cpu(str(name), own).name] = float(price)
    return prices
