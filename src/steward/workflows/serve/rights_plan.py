"""From the settings to what the processes know of retention, processors and files in which people stand."""

from __future__ import annotations

from pathlib import Path

from steward.privacy.rights_config import PersonalFiles, RightsPlan
from steward.settings import Settings


def plan_rights(settings: Settings, home: Path) -> RightsPlan:
    """Paths of files become absolute, from the folder that the home stands in."""
    files = tuple(
        PersonalFiles(
            name=item.name,
            path=str((home.parent / item.path).absolute()),
            kind=item.kind,
            keep_days=item.keep_days,
        )
        for item in settings.personal_files
    )
    return RightsPlan(
        retention=settings.retention.plan(),
        processors=tuple(item.record() for item in settings.processors),
        files=files,
    )
