"""`steward keys create|list|show|rotate|revoke`."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    OnlyTenantOption,
    ReasonOption,
    find_home,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.core.files import make_private_folder

KeyArgument = Annotated[str, typer.Argument(help="Id or name of the key.")]


class PriorityName(StrEnum):
    high = "high"
    normal = "normal"
    low = "low"


class LimitOptions(msgspec.Struct, frozen=True):
    """What a key may use."""

    rpm: Annotated[int | None, typer.Option(help="Maximum requests per minute.")] = None
    tpm: Annotated[int | None, typer.Option(help="Maximum tokens per minute, input and output together.")] = None
    concurrent: Annotated[int | None, typer.Option(help="Maximum concurrent requests.")] = None
    usd_per_day: Annotated[float | None, typer.Option(help="Budget per day (UTC), in US dollars.")] = None
    usd_per_month: Annotated[float | None, typer.Option(help="Budget per month (UTC), in US dollars.")] = None
    priority: Annotated[PriorityName, typer.Option(help="Priority in the queue when a route is overloaded.")] = (
        PriorityName.normal
    )


class TermOptions(msgspec.Struct, frozen=True):
    """What a key may be used for."""

    expires: Annotated[
        str | None, typer.Option(help="When it expires: 30d, 12h, 2027-01-31 or never. Default: after 90 days.")
    ] = None
    starts: Annotated[str | None, typer.Option(help="When it becomes valid: 1h or 2027-01-31. Default: at once.")] = (
        None
    )
    models: Annotated[
        str | None, typer.Option(help="Models and routes that it may ask for, separated by commas. Default: all.")
    ] = None
    rights: Annotated[
        str | None, typer.Option(help="Rights, separated by commas. Default: infer,feedback,models.read.")
    ] = None
    networks: Annotated[
        str | None, typer.Option(help="Networks that it may be used from, such as 10.0.0.0/8. Default: anywhere.")
    ] = None


class OwnerOptions(msgspec.Struct, frozen=True):
    """To whom a key belongs."""

    team: Annotated[str | None, typer.Option(help="Team that the key belongs to; its limits apply too.")] = None
    project: Annotated[
        str | None, typer.Option(help="Project that the key belongs to; its data is kept apart. Default: `default`.")
    ] = None
    tenant: Annotated[
        str | None, typer.Option(help="Tenant that the key belongs to; it sees nothing of others. Default: `default`.")
    ] = None


def create(
    name: Annotated[str, typer.Option(help="Name of the person or program that will use the key.")],
    owner: OwnerOptions,
    terms: TermOptions,
    limits: LimitOptions,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Create a key. It is shown only once, and works at once on this machine."""
    from steward.core.identity import operator
    from steward.core.records import LimitSpec
    from steward.workflows import keys
    from steward.workflows.key_terms import make_terms

    now = time.time()
    created = keys.create(
        _ensure_home(home),
        name,
        LimitSpec(
            requests_per_minute=limits.rpm,
            tokens_per_minute=limits.tpm,
            concurrent=limits.concurrent,
            usd_per_day=limits.usd_per_day,
            usd_per_month=limits.usd_per_month,
        ),
        now,
        actor=operator(os.getuid(), reason),
        project=owner.project,
        team=owner.team,
        tenant=owner.tenant,
        priority=limits.priority.value,
        terms=make_terms(
            now,
            expires=terms.expires,
            starts=terms.starts,
            rights=_split(terms.rights),
            models=_split(terms.models),
            networks=_split(terms.networks) or (),
        ),
    )
    if json:
        show_json(created)
        return
    until = (
        f"It expires {_format_time(created.expires_at)}." if created.expires_at is not None else "It does not expire."
    )
    show_lines(
        [
            created.key,
            "",
            f"Store it now: it is not shown again. {until}",
            f"To revoke it: steward keys revoke {created.id}",
        ]
    )


def list_(
    tenant: OnlyTenantOption = None, home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False
) -> None:
    """List all keys, without their secrets."""
    from steward.core.identity import operator
    from steward.workflows import keys

    records = keys.list_keys(find_home(home), actor=operator(os.getuid()), tenant=tenant)
    if json:
        show_json(records)
        return
    if not records:
        show_lines(["No keys yet. Create one with: steward keys create --name me"])
        return
    rows = [
        [
            key.id,
            key.name,
            key.team,
            key.rpm,
            key.tpm,
            key.usd_per_day,
            _format_time(key.created_at),
            _format_time(key.expires_at),
            _format_time(key.revoked_at),
        ]
        for key in records
    ]
    show_table(["id", "name", "team", "rpm", "tpm", "USD/day", "created", "expires", "revoked"], rows)


def show(key: KeyArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """Show what a key may do now, until when, and when it was last used."""
    from steward.core.identity import operator
    from steward.workflows import keys

    record = keys.show(find_home(home), key, time.time(), actor=operator(os.getuid()))
    if json:
        show_json(record)
        return
    rows: list[list[object]] = [
        ["id", record.id],
        ["name", record.name],
        ["state", record.state],
        ["tenant", record.tenant],
        ["project", record.project],
        ["team", record.team],
        ["may", ", ".join(sorted(record.may - {"public"})) or "nothing"],
        ["models", "all" if record.models is None else ", ".join(sorted(record.models))],
        ["networks", ", ".join(record.networks) or "any"],
        ["created", f"{_format_time(record.created_at)} by {record.created_by}"],
        ["valid from", _format_time(record.not_before)],
        ["expires", _format_time(record.expires_at) or "never"],
        ["last used", _format_time(record.last_used_at) or "never"],
        ["replaced by", record.replaced_by],
        ["revoked", _format_time(record.revoked_at)],
    ]
    show_table(["", ""], [row for row in rows if row[1]])


def rotate(
    key: KeyArgument,
    overlap: Annotated[str, typer.Option(help="How long the old key stays valid, such as 24h; 0s: no longer.")] = "24h",
    expires: Annotated[
        str | None, typer.Option(help="When the new key expires. Default: it lasts as long as the old one did.")
    ] = None,
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Create a new key with the same terms; the old one stays valid for a while."""
    from steward.core.durations import parse_span_s
    from steward.core.identity import operator
    from steward.workflows import keys

    created = keys.rotate(
        find_home(home),
        key,
        time.time(),
        parse_span_s(overlap, "overlap"),
        actor=operator(os.getuid(), reason),
        expires=expires,
    )
    if json:
        show_json(created)
        return
    show_lines(
        [
            created.key,
            "",
            "Store it now: it is not shown again.",
            f"The old key {created.replaces} works until {_format_time(created.replaced_until)}.",
        ]
    )


def revoke(key: KeyArgument, reason: ReasonOption = "", home: HomeOption = None, json: JsonOption = False) -> None:
    """Revoke a key, and the one that it replaced. The gateway refuses them within a second."""
    from steward.core.identity import operator
    from steward.workflows import keys

    ended = keys.revoke(find_home(home), key, time.time(), actor=operator(os.getuid(), reason))
    if json:
        show_json(ended)
        return
    show_lines([f"Revoked {ended.id} ({ended.name}); the gateway refuses it within a second."])
    if ended.pending:
        show_lines(
            [
                "The store does not answer, so this holds for this machine only. Other machines accept the key until",
                "the store answers again; `steward up` on this machine then passes the revocation on.",
            ]
        )


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _ensure_home(given: Path | None) -> Path:
    """Create the home if needed: keys may be created before the first `steward up`."""
    if given is not None and not given.exists():
        make_private_folder(given, exist_ok=False)
    return find_home(given)


def _format_time(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at is not None else ""
