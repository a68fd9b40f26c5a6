"""Changing the configuration while it serves: what would serve, how it differs, and asking the supervisor for it.

Decides which changes need a restart and how a change is told. Applying one is the supervisor's work
(`processes/reloader.py`); a file is either served whole or not at all.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from steward.core.errors import InputError, StewardError, Unavailable
from steward.core.extend import AuditLog
from steward.core.files import PRIVATE, make_private_folder, read_mode, replace_file, spell_home, write_file
from steward.core.identity import Principal
from steward.core.process_ids import is_process_there
from steward.settings import FILE, LoadedSettings, Settings, hide_secret, load_settings, resolve_home
from steward.workflows import history, prompts
from steward.workflows.audit import make_act
from steward.workflows.serve.check import check_home, check_startable, copy_choices
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.plan import ServePlan

# Sockets, processes and folders are made once, at the start.
RESTART: Final = (
    *(
        "home",
        "gateway.host",
        "gateway.port",
        "gateway.workers",
        "gateway.drain_s",
        "gateway.tls",
        "gateway.tls.",
        "security.issuers",
        "security.issuers[",
    ),
    *("gateway.receive_timeout_s", "gateway.send_timeout_s", "gateway.keep_alive_timeout_s"),
    *("console.", "store.", "limits.valkey"),
)
ANSWER_LIMIT_S: Final = 900.0  # a large model may take minutes to load


class ConfigSource(msgspec.Struct, frozen=True):
    """Where a deployment's settings come from; what the command line said at the start goes on holding."""

    config: Path | None
    overrides: dict[str, object]
    model: str | None
    software: str  # its version

    @property
    def file(self) -> Path:
        return (self.config or Path(FILE)).absolute()


class ConfigCandidate(msgspec.Struct, frozen=True):
    """A whole configuration that is valid and could serve. `facts` is all that it decides, by dotted key."""

    plan: ServePlan
    text: str
    facts: dict[str, Any]
    origins: dict[str, str]
    prompts: dict[str, str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(sorted(self.facts.items()))).hexdigest()


class ConfigChange(msgspec.Struct, frozen=True):
    """One key that differs; None where there is none."""

    key: str
    before: Any
    after: Any


WATCH: Final = Principal(kind="service", id="watch", auth_method="local")  # follows the file


class ReloadRequest(msgspec.Struct, frozen=True):
    """What a command asks of the supervisor."""

    id: str
    rollback: int | None = None
    dry_run: bool = False
    actor: Principal = WATCH
    keep_file: bool = False  # serve the file as it is served now; an edit of it that waits stays one that waits


class ReloadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a reload: `steward reload --json`.

    applied: all workers serve `version`. unchanged, dry-run: nothing was to be done. refused: the input is wrong.
    failed: it could not be brought up. In the last two `version` is the old one, and it serves.
    """

    outcome: Literal["applied", "unchanged", "dry-run", "refused", "failed"]
    version: int
    previous: int
    changes: tuple[ConfigChange, ...] = ()
    restart: tuple[ConfigChange, ...] = ()  # of the changes, those that need one
    error: str | None = None
    workers: int = 0  # that serve `version`; of a refusal or a dry run 0
    duration_s: float = 0.0


def build_candidate(
    source: ConfigSource, home: Path, file: Path | None = None, chosen: Mapping[str, str] | None = None
) -> ConfigCandidate:
    """What the settings say now; of `file` instead of the source's, with the prompts `chosen` in use.

    :raises InputError: with file, line, key and the next step
    :raises Unavailable: the file changed while it was read
    """
    path = file or source.config
    text = read_config_text(file or source.file)
    loaded = load_settings(path, source.overrides)
    if read_config_text(file or source.file) != text:
        raise Unavailable(f"{file or source.file}: it changed while it was read; try again")
    try:
        plan = make_plan(loaded.settings, home, source.software, source.model, chosen)
        check_startable(plan)
        in_use = {**prompts.list_in_use(home), **(chosen or {})}
    except InputError as error:
        place = "--model" if source.model else loaded.path or "command line"
        raise InputError(f"{place}: {error}") from error
    return ConfigCandidate(plan, text, collect_facts(loaded.settings, plan), loaded.origins, in_use)


def check_config(config: Path | None, software: str) -> tuple[LoadedSettings, ServePlan]:
    """What `steward up` would serve, with everything that it would refuse, and nothing written.

    :raises InputError: as `steward up` would
    """
    source = ConfigSource(config, {}, None, software)
    loaded = load_settings(config)
    home = resolve_home(loaded)
    with tempfile.TemporaryDirectory(prefix="steward-check-") as folder:
        copy_choices(home, Path(folder))
        try:
            plan = build_candidate(source, Path(folder)).plan
            check_home(home, Path(folder), plan, f"{loaded.path or 'the defaults'}")
        except InputError as error:
            raise InputError(str(error).replace(folder, str(home))) from error
    return loaded, plan


def read_config_text(file: Path) -> str:
    """Empty where it is not there, or cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        return ""  # `load` says what is wrong with it


def collect_facts(settings: Settings, plan: ServePlan) -> dict[str, Any]:
    """Settings by dotted key, and what stands behind them: prompt versions, rotated secrets, replaced model files."""
    facts = flatten_tree(settings.model_dump(mode="json"))
    for route, prompt in plan.prompts.items():
        facts[f"routes[{route}].prompt (version)"] = prompt.version
    for release in plan.releases:
        facts[f"routes[{release.route}] (release)"] = f"{release.id}, candidate {release.weight:.0%}"
    for model in plan.models:
        facts[f"models[{model.name}] (secret)"] = model.key_mark
        facts[f"models[{model.name}] (engine)"] = model.socket and Path(model.socket).stem
    return {key: value for key, value in facts.items() if value is not None}


def flatten_tree(value: Any, prefix: str = "") -> dict[str, Any]:
    """A tree by dotted key; items of a list by their name, so that an insertion is one change.

    >>> flatten_tree({"models": [{"name": "a", "price": {"input": 1}}], "fallback": ["x"]})
    {'models[a].name': 'a', 'models[a].price.input': 1, 'fallback': ['x']}
    """
    flat: dict[str, Any] = {}
    if isinstance(value, dict):
        for key, inner in value.items():
            flat |= flatten_tree(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and value and all(isinstance(item, dict) and _item_name(item) for item in value):
        for item in value:
            flat |= flatten_tree(item, f"{prefix}[{_item_name(item)}]")
    else:
        flat[prefix] = value
    return flat


def _item_name(item: Mapping[str, Any]) -> Any:
    return item.get("name") or item.get("model")


def diff_facts(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[ConfigChange, ...]:
    """What differs, in the order of the keys, as it may be shown.

    >>> [(change.key, change.before, change.after) for change in diff_facts({"a": 1, "b": 2}, {"b": 3, "c": 4})]
    [('a', 1, None), ('b', 2, 3), ('c', None, 4)]
    """
    keys = sorted({*before, *after})
    return tuple(
        ConfigChange(key, hide_secret(key, before.get(key)), hide_secret(key, after.get(key)))
        for key in keys
        if before.get(key) != after.get(key)
    )


def select_restart_changes(changed: tuple[ConfigChange, ...]) -> tuple[ConfigChange, ...]:
    """
    >>> changes = diff_facts({"gateway.port": 1}, {"gateway.port": 2, "gateway.idle": 1})
    >>> [item.key for item in select_restart_changes(changes)]
    ['gateway.port']
    """
    return tuple(
        item
        for item in changed
        if any(item.key == key or (key[-1] in ".[" and item.key.startswith(key)) for key in RESTART)
    )


def explain_restart(wanting: tuple[ConfigChange, ...], origins: Mapping[str, str]) -> str:
    """Which keys cannot change while it serves, and where they stand."""
    listed = "; ".join(
        f"{origins.get(item.key, 'default')}: {item.key}: {item.before} → {item.after}" for item in wanting
    )
    return f"{listed}: needs a restart of `steward up`; nothing was changed"


# -- starting ------------------------------------------------------------------------------------------


def choose_first_number(home: Path, first: ConfigCandidate) -> int:
    """The last version's number where nothing changed since, else the next."""
    served = history.list_accepted(home)
    if served and served[-1].digest == first.digest:
        return served[-1].version
    return history.next_number(home)


def save_first_version(home: Path, first: ConfigCandidate) -> None:
    """Write what serves after the start into the history, unless it is the version that served before."""
    if first.plan.config_version not in [item.version for item in history.list_accepted(home)]:
        save_version(home, first, "serving")


def assign_number(item: ConfigCandidate, number: int) -> ConfigCandidate:
    return msgspec.structs.replace(item, plan=msgspec.structs.replace(item.plan, config_version=number))


def save_version(
    home: Path,
    item: ConfigCandidate,
    outcome: Literal["tried", "serving", "failed"],
    note: str = "",
    actor: Principal = WATCH,
) -> None:
    """Write the numbered candidate into the history."""
    number = item.plan.config_version
    version = history.ConfigVersion(
        version=number,
        at=time.time(),
        digest=item.digest,
        outcome=outcome,
        prompts=item.prompts,
        note=note,
        by=actor.actor,
    )
    history.save_version(home, version, item.text)


# -- asking --------------------------------------------------------------------------------------------


def request_reload(
    home: Path,
    supervisor_pid: int,
    actor: Principal,
    rollback: int | None = None,
    dry_run: bool = False,
    keep_file: bool = False,
) -> ReloadReport:
    """Have the running supervisor reload, and wait for what became of it.

    With `keep_file` it serves the file's text of now and not one that was saved since: for what changes without it.

    :raises Unavailable: it is gone, or does not answer
    """
    folder = open_mailbox(home)
    request = ReloadRequest(secrets.token_hex(8), rollback, dry_run, actor, keep_file)
    answer = folder / f"{request.id}.answer"
    write_file(folder / f"{request.id}.request", msgspec.json.encode(request))
    limit = time.monotonic() + ANSWER_LIMIT_S
    while time.monotonic() < limit:
        if answer.exists():
            report = msgspec.json.decode(answer.read_bytes(), type=ReloadReport)
            answer.unlink()
            return report
        if not is_process_there(supervisor_pid):
            break
        time.sleep(0.05)
    (folder / f"{request.id}.request").unlink(missing_ok=True)
    raise Unavailable(f"steward in {home} did not answer; `steward status{spell_home(home)}` says whether it runs")


def find_supervisor(home: Path) -> int:
    """The process that a reload is asked of. :raises Unavailable: nothing runs in this home"""
    try:
        pid = int(msgspec.json.decode((home / "run" / "state.json").read_bytes())["pid"])
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"no steward is running in {home}; start it with `steward up{spell_home(home)}`") from error
    if not is_process_there(pid):
        raise Unavailable(f"no steward is running in {home}; start it with `steward up{spell_home(home)}`")
    return pid


def open_mailbox(home: Path) -> Path:
    """Where commands leave requests and the supervisor answers; only the owner of the home can."""
    folder = home / "run" / "reload"
    make_private_folder(folder)
    return folder


def take_requests(home: Path) -> list[ReloadRequest]:
    """The requests that wait; taking them removes them."""
    taken = []
    for path in sorted(open_mailbox(home).glob("*.request")):
        try:
            taken.append(msgspec.json.decode(path.read_bytes(), type=ReloadRequest))
        except (OSError, msgspec.MsgspecError):
            continue  # withdrawn, or not of ours
        finally:
            path.unlink(missing_ok=True)
    return taken


def send_answer(home: Path, request: ReloadRequest, report: ReloadReport) -> None:
    write_file(open_mailbox(home) / f"{request.id}.answer", msgspec.json.encode(report))


# -- rolling back --------------------------------------------------------------------------------------


def replace_config_file(source_file: Path, text: str) -> Path | None:
    """Make `text` the configuration file; what stood there goes beside it, and its path is returned."""
    saved = None
    if source_file.exists():
        if source_file.read_text(encoding="utf-8", errors="replace") == text:
            return None
        saved = source_file.with_name(f"{source_file.name}.before-rollback")
        saved.write_bytes(source_file.read_bytes())
        saved.chmod(read_mode(source_file))
    write_config_file(source_file, text)
    return saved


def write_config_file(file: Path, text: str) -> None:
    """Replace the file in one step; who may read it stays. :raises Unavailable: it cannot be written"""
    try:
        mode = read_mode(file) if file.exists() else PRIVATE
        with replace_file(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
            temporary.chmod(mode)
    except OSError as error:
        raise Unavailable(
            f"{file}: cannot be written ({error.strerror}); mend its permissions, or free the disk"
        ) from error


# -- where settings come from, for other processes ----------------------------------------------------


def save_source(home: Path, source: ConfigSource) -> None:
    """Tell the console which file serves, and what the command line said."""
    fields = msgspec.structs.asdict(source) | {"config": str(source.file)}
    write_file(home / "run" / "source.json", msgspec.json.encode(fields))


def read_source(home: Path) -> ConfigSource:
    """:raises InputError: no `steward up` of this release has run here"""
    file = home / "run" / "source.json"
    try:
        fields = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        return ConfigSource(**fields | {"config": Path(fields["config"])})
    except (OSError, msgspec.MsgspecError, KeyError, TypeError) as error:
        raise InputError(f"{file}: cannot be read; restart `steward up`, which writes it") from error


def find_settings_file(home: Path) -> Path | None:
    """The file that serves from `home`, or served last; before the first `steward up` the steward.yaml beside it.
    None: there is no such file. :raises InputError: what `steward up` has noted cannot be read
    """
    served = (home / "run" / "source.json").exists()
    file = read_source(home).file if served else home.absolute().parent / FILE
    return file if file.is_file() else None


def find_settings(home: Path) -> LoadedSettings | None:
    """What `find_settings_file` says; None: there is no such file, or it is another home's.

    :raises InputError: the file cannot be read
    """
    if (home / "run" / "source.json").exists():
        source, file = read_source(home), find_settings_file(home)
        return None if file is None else load_settings(file, source.overrides)
    loaded = load_settings(folder=home.parent)
    return loaded if loaded.path is not None and resolve_home(loaded) == home.absolute() else None


def restore_version(source: ConfigSource, home: Path, number: int, actor: Principal, audit: AuditLog) -> Path | None:
    """Roll back while nothing runs: the file and the prompts in use. Returns where the file's text was saved.

    :raises UnknownName: the version never served
    :raises InputError: it is not valid any more
    """
    target = history.get_version(home, number)
    wanted = build_candidate(source, home, history.text_file(home, number), target.prompts)
    audit.record(make_act(actor, "config.restore", "config", after=f"version {number}"))
    for name, version in target.prompts.items():
        prompts.use(home, name, version, actor=actor, audit=audit)
    return replace_config_file(source.file, wanted.text)


def build_refusal(error: StewardError, version: int, changed: tuple[ConfigChange, ...] = ()) -> ReloadReport:
    """The report of a reload that `error` ended; the old version serves."""
    return ReloadReport(
        outcome="refused" if isinstance(error, InputError) else "failed",
        version=version,
        previous=version,
        changes=changed,
        restart=select_restart_changes(changed),
        error=str(error),
    )
