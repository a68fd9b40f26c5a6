"""Commands for tests of the command line's machinery."""

from typing import Annotated

import msgspec
import typer


class PlaceOptions(msgspec.Struct, frozen=True):
    city: Annotated[str, typer.Option(help="Where.")] = "Berlin"
    floor: Annotated[int, typer.Option(min=0, help="How high.")] = 0


class TripOptions(msgspec.Struct, frozen=True):
    days: Annotated[int, typer.Argument(help="How long.")]


class OtherPlaceOptions(msgspec.Struct, frozen=True):
    city: Annotated[str, typer.Option(help="Where else.")] = "Oslo"


def travel(
    trip: TripOptions, place: PlaceOptions, dry: Annotated[bool, typer.Option(help="Only say it.")] = False
) -> None:
    """Go somewhere. And come back."""
    print(trip.days, place.city, place.floor, dry)


def clash(one: PlaceOptions, other: OtherPlaceOptions) -> None:
    """Never built."""


def act() -> None:
    """Act."""
    print("acted")


def talk() -> None: ...


def drone() -> None: ...


talk.__doc__ = f"Say {'so ' * 37}much.\n\nThe end."  # a sentence of 120 characters
drone.__doc__ = f"Says {'so ' * 37}much.\n\nThe end."  # of 121
