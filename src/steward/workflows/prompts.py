"""Prompts: those of steward.yaml, and those kept in `home/prompts` by `steward prompts`.

A kept prompt is a folder of versions, each a file of its own that is never changed: `0002-9f2c1a7b.json` is
the second, with the digest of its texts. The file `in-use` names the version that routes get which ask for none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import yaml
from pydantic import ValidationError

from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.extend import AuditLog
from steward.core.files import hold_lock, make_private_folder, write_file
from steward.core.identity import Principal
from steward.gateway.config import ExampleConfig, PromptConfig, RoutePromptConfig
from steward.gateway.prompts import Prompt, PromptExample, digest
from steward.settings import Settings
from steward.workflows.audit import make_act

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class PromptText(msgspec.Struct, frozen=True):
    """What a prompt says."""

    system: str | None = None
    examples: tuple[PromptExample, ...] = ()


class PromptVersion(msgspec.Struct, frozen=True):
    """One version: counter and digest, such as `2-9f2c1a7b`; of a prompt in steward.yaml only the digest."""

    name: str
    version: str
    at: float | None  # when it was added; None: it stands in steward.yaml
    in_use: bool
    system: str | None = None
    examples: tuple[PromptExample, ...] = ()


class _Stored(msgspec.Struct, frozen=True):
    at: float
    system: str | None
    examples: tuple[PromptExample, ...]
    by: str = ""  # the actor that added it


def list_written(settings: Settings) -> dict[str, PromptVersion]:
    """The prompts of the settings, by name: they serve, whatever is kept under the same name."""
    written = [(item.name, item.system, _to_examples(item.examples)) for item in settings.prompts]
    return {
        name: PromptVersion(name, digest(system, examples), None, True, system, examples)
        for name, system, examples in written
    }


def add(home: Path, name: str, text: PromptText, now: float, *, actor: Principal, audit: AuditLog) -> PromptVersion:
    """Keep `text` as a version of `name`; the first is in use at once. The same texts are the same version.

    :raises InputError: a name that cannot be a folder, or nothing to say
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"prompt name {cut_text(name)!r}: expected 1 to 64 letters, digits, dots, dashes or underscores"
        )
    if text.system is None and not text.examples:
        raise InputError(f"prompt {name!r}: it is empty; expected a system message, examples, or both")
    with _hold_lock(home):
        versions = list_versions(home, name)
        mark = digest(text.system, text.examples)
        for item in versions:
            if item.version.endswith(f"-{mark}"):
                return item
        folder = home / "prompts" / name
        make_private_folder(folder)
        number = 1 + max((_read_counter(item.version) for item in versions), default=0)
        audit.record(make_act(actor, "prompts.add", f"prompt:{name}", after=f"{number}-{mark}"))
        stored = _Stored(now, text.system, text.examples, actor.actor)
        write_file(folder / f"{number:04d}-{mark}.json", msgspec.json.encode(stored), durable=True)
        if not versions:
            write_file(folder / "in-use", f"{number}-{mark}".encode())
    return find(home, name, f"{number}-{mark}")


def use(home: Path, name: str, version: str, *, actor: Principal, audit: AuditLog) -> PromptVersion:
    """Give this version to the routes that name none. :raises UnknownName: no such prompt or version"""
    with _hold_lock(home):
        chosen, before = find(home, name, version), list_in_use(home).get(name, "")
        audit.record(make_act(actor, "prompts.use", f"prompt:{name}", before=before, after=chosen.version))
        write_file(home / "prompts" / name / "in-use", chosen.version.encode())
    return msgspec.structs.replace(chosen, in_use=True)


def find(home: Path, name: str, version: str | None = None) -> PromptVersion:
    """One version, by `2-9f2c1a7b`, `2` or `9f2c1a7b`; the one in use by default.

    :raises UnknownName: no such prompt or version
    """
    versions = list_versions(home, name)
    if not versions:
        raise UnknownName("prompt", name, list_names(home))
    for item in versions:
        if item.in_use if version is None else version in (item.version, *item.version.split("-")):
            return item
    raise UnknownName(f"version of prompt {name!r}", version or "in use", [item.version for item in versions])


def list_names(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "prompts").glob("*") if path.is_dir())


def list_versions(home: Path, name: str) -> list[PromptVersion]:
    """Every version of a prompt, oldest first; none where there is no such prompt."""
    if not NAME.fullmatch(name):
        return []
    folder = home / "prompts" / name
    chosen = (folder / "in-use").read_text().strip() if (folder / "in-use").exists() else ""
    versions = []
    for path in sorted(folder.glob("[0-9]*.json")):
        number, _, mark = path.stem.partition("-")
        version = f"{int(number)}-{mark}"
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        except msgspec.MsgspecError as error:
            raise InputError(f"{path}: {error}; restore it, it is written only by `steward prompts`") from error
        if digest(stored.system, stored.examples) != mark:
            raise InputError(f"{path}: its text does not match the digest in its name; restore it from a backup")
        versions.append(PromptVersion(name, version, stored.at, version == chosen, stored.system, stored.examples))
    return versions


def list_in_use(home: Path) -> dict[str, str]:
    """Name to version of every kept prompt."""
    return {name: find(home, name).version for name in list_names(home)}


def read_text(file: Path) -> PromptText:
    """A prompt from a file: YAML or JSON with `system` and `examples`, or (`.txt`, `.md`) the system message.

    :raises InputError: not readable, or other keys
    """
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix in (".txt", ".md"):
            return PromptText(text.strip() or None)
        tree = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; expected a readable file") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file}: not valid YAML ({type(error).__name__}); a plain text must end in .txt") from error
    try:
        parsed = PromptConfig.model_validate({"name": "checked", **tree} if isinstance(tree, dict) else tree)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{file}: {where}: {first['msg']}; expected `system` and `examples`") from None
    return PromptText(parsed.system, _to_examples(parsed.examples))


def prompts_of(settings: Settings, home: Path, chosen: Mapping[str, str] | None = None) -> dict[str, Prompt]:
    """The prompt of each route that has one. `chosen` replaces the versions in use.

    :raises InputError: a prompt that is both in the file and kept
    :raises UnknownName: a prompt or version that does not exist
    """
    written = {item.name: item for item in settings.prompts}
    both = sorted(set(written) & set(list_names(home)))
    if both:
        raise InputError(f"prompt {both[0]!r} is in steward.yaml and in {home / 'prompts'}; rename one of them")
    return {
        route.name: resolve_prompt(route.prompt, written, home, chosen or {})
        for route in settings.routes
        if route.prompt
    }


def resolve_prompt(
    asked: RoutePromptConfig, written: Mapping[str, PromptConfig], home: Path, chosen: Mapping[str, str]
) -> Prompt:
    """What a route asks for, by `written` prompts and those kept in the home; `chosen` replaces versions in use.

    :raises UnknownName: a prompt or version that does not exist
    """
    if asked.name is None:
        examples = _to_examples(asked.examples)
        return Prompt(f"inline@{digest(asked.system, examples)}", asked.system, examples, asked.mode)
    if asked.name in written:
        item = written[asked.name]
        examples = _to_examples(item.examples)
        version = digest(item.system, examples)
        if asked.version not in (None, version):
            raise UnknownName(f"version of prompt {asked.name!r}", str(asked.version), [version])
        return Prompt(f"{asked.name}@{version}", item.system, examples, asked.mode)
    if asked.name not in list_names(home):
        raise UnknownName("prompt", asked.name, [*written, *list_names(home)])
    kept = find(home, asked.name, asked.version or chosen.get(asked.name))
    return Prompt(f"{kept.name}@{kept.version}", kept.system, kept.examples, asked.mode)


def _to_examples(given: Sequence[ExampleConfig]) -> tuple[PromptExample, ...]:
    return tuple(PromptExample(item.user, item.assistant) for item in given)


def _read_counter(version: str) -> int:
    return int(version.partition("-")[0])


@contextmanager
def _hold_lock(home: Path) -> Iterator[None]:
    make_private_folder(home / "prompts")
    with hold_lock(home / "prompts.lock"):
        yield
