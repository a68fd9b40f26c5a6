"""Prices of accelerators: a user's file above the shipped list of public on-demand prices."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import msgspec

from steward.capacity.catalog import TABLES, Accelerator
from steward.configuration.yaml_lines import read_mapping
from steward.core.errors import InputError
from steward.workflows.plan.deployment import find_accelerator_or_cpu


class PublicPrice(msgspec.Struct, frozen=True):
    """What a cloud asks for one accelerator on demand, at some date."""

    gpu: str
    usd_per_hour: float
    instance: str
    provider: str
    as_of: str  # "2026-03"
    source: str


def read_public_prices() -> list[PublicPrice]:
    with (TABLES / "prices.csv").open(newline="", encoding="utf-8") as file:
        return [msgspec.convert(row, PublicPrice, strict=False) for row in csv.DictReader(file)]


def collect_prices(path: Path | None, own: Mapping[str, Accelerator]) -> dict[str, float]:
    """US dollars an hour by accelerator: the public ones, with the user's in their place.

    :raises InputError: see `read_prices`
    """
    public = {price.gpu: price.usd_per_hour for price in read_public_prices()}
    return public | (read_prices(path, own) if path else {})


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
