"""`steward privacy scan|test`: where personal data is, without repeating it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import JsonOption, keep_finding, show_json, show_json_line, show_lines, show_table
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.privacy.custom import CustomDetectors

ProfileOption = Annotated[str, typer.Option(help="What to look for: default, gdpr, hipaa_safe_harbor, pci or all.")]
EntitiesOption = Annotated[
    str | None, typer.Option(help="Entities to look for instead, such as EMAIL_ADDRESS,PHONE_NUMBER.")
]

DetectorsOption = Annotated[Path | None, typer.Option("--config", help="Use the detectors of this steward.yaml, too.")]


def scan(
    files: Annotated[list[Path], typer.Argument(help="Text files, or JSON Lines (.jsonl), read row by row.")],
    profile: ProfileOption = "default",
    entities: EntitiesOption = None,
    all_fields: Annotated[bool, typer.Option(help="Read every string of a row, not only its field `text`.")] = False,
    config: DetectorsOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """Find personal data in files. Exits with 0 if there is none, and with 1 if there is some."""
    from steward.privacy.scan import choose_entities
    from steward.workflows.findings import describe_scan
    from steward.workflows.privacy_scan import scan_file

    chosen, custom = choose_entities(profile, _split(entities)), _load_detectors(config)
    counts: Counter[tuple[str, str]] = Counter()
    unread, errors = Counter[str](), []
    for path in files:
        for row in scan_file(path, chosen, all_fields, custom):
            counts.update((str(path), found.entity) for found in row.findings)
            unread.update(row.unread)
            if row.error:
                errors.append(f"{path}: {row.error}")
            if json:
                show_json_line(row)
    if not json:
        if counts:
            show_table(["file", "entity", "finds"], [[*name, count] for name, count in sorted(counts.items())])
        else:
            show_lines(["No personal data found."])
        if unread:
            named = ", ".join(field for field, _ in unread.most_common(5))
            show_lines([f"Not read: {named}{' and others' if len(unread) > 5 else ''}; --all-fields reads them too."])
    if errors:
        raise InputError(f"{errors[0]}; {len(errors)} lines could not be read, correct them and scan again")
    keep_finding(describe_scan(files, counts.total(), profile))
    if counts:
        raise typer.Exit(1)


def test(
    text: Annotated[str, typer.Argument(help="The text to look at.")],
    profile: ProfileOption = "all",
    entities: EntitiesOption = None,
    config: DetectorsOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """Show what would be found in a text. Exits with 1 if anything is."""
    from steward.privacy.scan import choose_entities, scan_text

    findings = scan_text(text, choose_entities(profile, _split(entities)), custom=_load_detectors(config))
    if json:
        show_json(findings)
    elif findings:
        rows = [[text[one.start : one.end], one.entity, f"{one.score:.2f}", one.start, one.end] for one in findings]
        show_table(["text", "entity", "score", "start", "end"], rows)
    else:
        show_lines(["No personal data found."])
    if findings:
        raise typer.Exit(1)


def _load_detectors(config: Path | None) -> CustomDetectors:
    from steward.workflows.detectors import open_detectors_of

    return open_detectors_of(config)


def _split(entities: str | None) -> list[str]:
    return [name.strip() for name in entities.split(",") if name.strip()] if entities else []
