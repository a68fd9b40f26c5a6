"""Keys on disk: `home/keys.json` under a lock, replaced at once, beside the pepper. All workers poll its stamp."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.core.files import hold_lock, write_file
from steward.core.keys import KeyRecord
from steward.core.records import LimitSpec, Priority
from steward.security.keys import ID_BYTES, SECRET_BYTES, KeyBook, digest_secret, mint_key, parse_key

MAX_LIMIT: Final = 1_000_000_000  # of any limit


class CreatedKey(msgspec.Struct, frozen=True):
    """A new key; the only time that `key` is seen."""

    id: str
    key: str
    name: str
    rpm: int | None

    def __repr__(self) -> str:
        return f"Created(id={self.id!r}, name={self.name!r}, key=***)"


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is listed: without its digest."""

    id: str
    name: str
    project: str
    team: str | None
    rpm: int | None
    tpm: int | None
    concurrent: int | None
    usd_per_day: float | None
    usd_per_month: float | None
    priority: Priority
    created_at: float
    revoked_at: float | None


def create(
    home: Path,
    name: str,
    limits: LimitSpec,
    now: float,
    random: Callable[[int], bytes] = secrets.token_bytes,
    *,
    team: str | None = None,
    priority: Priority = "normal",
) -> CreatedKey:
    """Make a key and keep its digest. What `limits` leaves open, `limits.default` of steward.yaml decides.

    :raises InputError: an empty name or team, or a limit that nothing fits into
    """
    for what, given in (("key name", name), ("team", team)):
        if given is not None and (not given.strip() or len(given) > 200):
            raise InputError(f"{what} {given[:50]!r}: expected 1 to 200 characters")
    for option, limit, least in (
        ("rpm", limits.requests_per_minute, 1),
        ("tpm", limits.tokens_per_minute, 1),
        ("concurrent", limits.concurrent, 1),
        ("usd-per-day", limits.usd_per_day, 0),
        ("usd-per-month", limits.usd_per_month, 0),
    ):
        if limit is not None and not least <= limit <= MAX_LIMIT:
            raise InputError(f"--{option} {limit}: expected {least} to {MAX_LIMIT:,}")
    pepper = ensure_pepper(home)
    key = mint_key("live", random(ID_BYTES), random(SECRET_BYTES))
    parsed = parse_key(key)
    assert parsed is not None
    record = KeyRecord(
        id=parsed.id,
        name=name,
        digest=digest_secret(parsed.secret, pepper),
        team=team,
        rpm=limits.requests_per_minute,
        tpm=limits.tokens_per_minute,
        concurrent=limits.concurrent,
        usd_per_day=limits.usd_per_day,
        usd_per_month=limits.usd_per_month,
        created_at=now,
        priority=priority,
    )
    with _locked(home):
        _write(home, [*_read(home), record])
    return CreatedKey(parsed.id, key, name, limits.requests_per_minute)


def revoke(home: Path, key_id: str, now: float) -> KeyView:
    """End a key. :raises UnknownName: no key with that id or name"""
    with _locked(home):
        records = _read(home)
        found = [record for record in records if key_id in (record.id, record.name) and record.revoked_at is None]
        if not found:
            raise UnknownName("key", key_id, [record.id for record in records if record.revoked_at is None])
        ended = msgspec.structs.replace(found[0], revoked_at=now)
        _write(home, [ended if record is found[0] else record for record in records])
    return _view(ended)


def list_keys(home: Path) -> list[KeyView]:
    return [_view(record) for record in _read(home)]


def load_book(home: Path) -> KeyBook:
    return KeyBook(_read(home), ensure_pepper(home))


def stamp(home: Path) -> tuple[int, int, int]:
    """Changes whenever the keys do; zeros where there are none."""
    try:
        found = (home / "keys.json").stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def ensure_pepper(home: Path) -> bytes:
    """The deployment's pepper (32 random bytes), made on first use."""
    path = home / "pepper"
    if not path.exists():
        with _locked(home):
            if not path.exists():
                write_file(path, secrets.token_bytes(32), durable=True)
    return path.read_bytes()


def _view(record: KeyRecord) -> KeyView:
    return KeyView(**{name: getattr(record, name) for name in KeyView.__struct_fields__})


def _read(home: Path) -> list[KeyRecord]:
    path = home / "keys.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[KeyRecord])
    except FileNotFoundError:
        return []
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}; restore it from a backup, it is written only by `steward keys`") from error


def _write(home: Path, records: list[KeyRecord]) -> None:
    write_file(home / "keys.json", msgspec.json.encode(records), durable=True)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with hold_lock(home / "keys.lock"):
        yield
