"""The pages of what a home holds: access, money, settings, models and the rest. A new one is a line here."""

from __future__ import annotations

from steward.console.pages import (
    access,
    appeals,
    audit,
    data,
    evaluations,
    load,
    models,
    privacy,
    prompts,
    readiness,
    registry,
    releases,
    settings,
    training,
    usage,
)
from steward.console.shell import Page
from steward.console.source import ConsoleSource


def list_home_pages(source: ConsoleSource) -> list[Page]:
    """In the order of the navigation."""
    return [
        models.page(source),
        prompts.page(source),
        evaluations.page(source),
        data.page(source),
        training.page(source),
        registry.page(source),
        releases.page(source),
        load.page(source),
        usage.page(source),
        access.page(source),
        privacy.page(source),
        appeals.page(source),
        audit.page(source),
        settings.page(source),
        readiness.page(source),
    ]
