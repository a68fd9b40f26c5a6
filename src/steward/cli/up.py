"""`steward up`: everything, on one machine."""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from steward import __version__
from steward.cli.common import JsonOption, show_json, show_lines, show_progress
from steward.core.errors import InputError
from steward.core.files import PRIVATE_FOLDER, make_private_folder, spell_home, try_lock

if TYPE_CHECKING:
    from steward.core.extend import AuditLog
    from steward.processes.supervisor import Supervisor
    from steward.settings import Settings
    from steward.workflows.reload import ConfigSource


def up(
    port: Annotated[int | None, typer.Option(help="Port of the gateway; 8080 by default.")] = None,
    console_port: Annotated[int | None, typer.Option(help="Port of the console; 8081 by default.")] = None,
    workers: Annotated[int | None, typer.Option(help="Gateway processes; one per core by default.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of the deployment's data; .steward by default.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A GGUF file, or the URL of an OpenAI-compatible server, instead of all models and routes."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Another file than steward.yaml.")] = None,
    insecure_http: Annotated[
        bool,
        typer.Option("--insecure-http", help="Serve other machines in plain HTTP, since a proxy in front speaks TLS."),
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Fill a home of its own with a made-up month first, to look around in.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Start the gateway, a model and the console; Ctrl-C stops them."""
    from steward.core.identity import operator
    from steward.processes.fork_server import start_fork_server
    from steward.processes.reloader import Reloader
    from steward.processes.supervisor import Supervisor
    from steward.settings import load_settings, resolve_home
    from steward.workflows import reload
    from steward.workflows.approvals import require_file_approval
    from steward.workflows.tls import renew_generated

    if demo:
        config, home = _prepare_demo(config, home)
    overrides = _collect_overrides(port, console_port, workers, home, insecure_http)
    source = reload.ConfigSource(config, overrides, model, __version__)
    loaded = load_settings(config, overrides)
    folder = resolve_home(loaded)
    _make_home(folder)
    logging.basicConfig(level=logging.WARNING, format="steward %(levelname)s %(message)s")
    first = reload.build_candidate(source, folder)
    with _hold_home(folder), start_fork_server() as fork_server:
        require_file_approval(folder, source.file, first.text, time.time(), actor=operator(os.getuid()))
        renew_generated(folder, (first.plan.tls, first.plan.console_tls))
        first = reload.assign_number(first, reload.choose_first_number(folder, first))
        supervisor = Supervisor(first.plan, fork_server)
        key = _ensure_first_key(folder)
        if demo:
            _fill_demo(folder)
        audit = _open_audit(folder, source, first.plan.config_version)
        reloader = Reloader(source, folder, first, supervisor.apply, supervisor.publish_notes, audit)

        def ready() -> None:
            reload.save_first_version(folder, first)
            if json:
                show_json(_record(supervisor, key))
            else:
                show_lines([*_say_replaced(loaded.settings, model), *_greeting(supervisor, key)])

        supervisor.run(ready, reloader.step)


def _collect_overrides(
    port: int | None, console_port: int | None, workers: int | None, home: Path | None, insecure_http: bool
) -> dict[str, object]:
    """Settings that were typed."""
    typed = {
        "gateway.port": port,
        "console.port": console_port,
        "gateway.workers": workers,
        "home": home and str(home),
        "gateway.tls.insecure_http": True if insecure_http else None,
    }
    return {name: value for name, value in typed.items() if value is not None}


def _open_audit(folder: Path, source: ConfigSource, version: int) -> AuditLog:
    """Record the start, and tell the console which file serves."""
    from steward.core.identity import operator
    from steward.workflows import reload
    from steward.workflows.audit import make_act
    from steward.workflows.serve.deployment import find_deployment

    reload.save_source(folder, source)
    audit = find_deployment(folder).open_audit_log()
    audit.record(make_act(operator(os.getuid()), "config.start", "config", after=f"version {version}"))
    return audit


def _prepare_demo(config: Path | None, home: Path | None) -> tuple[Path, Path]:
    """The demonstration's settings and home. :raises InputError: other settings were named"""
    from steward.workflows.demo.fill import HOME, prepare_demo

    if config is not None:
        raise InputError(f"--demo has settings of its own; leave out --config {config}")
    place = (home or Path(HOME)).absolute()
    return prepare_demo(place), place


def _fill_demo(folder: Path) -> None:
    from steward.core.identity import operator
    from steward.workflows.demo.fill import fill_demo

    with show_progress(False) as progress:
        fill_demo(folder, time.time(), progress, actor=operator(os.getuid()))


@contextmanager
def _hold_home(folder: Path) -> Iterator[None]:
    """:raises InputError: another `steward up` runs in this home"""
    lock = try_lock(folder / "up.lock")
    if lock is None:
        raise InputError(f"steward is already running in {folder}; stop it first, or choose another --home")
    try:
        yield
    finally:
        os.close(lock)


def _make_home(folder: Path) -> None:
    """:raises InputError: it cannot be made, or is no folder"""
    try:
        make_private_folder(folder)
        folder.chmod(PRIVATE_FOLDER)
    except OSError as error:
        why = f"{error.strerror}; choose a folder of yours with --home"
        raise InputError(f"the home {folder} cannot be made: {why}") from error


def _say_replaced(settings: Settings, model: str | None) -> list[str]:
    """What `--model` leaves out of steward.yaml."""
    parts = {"model": len(settings.models), "route": len(settings.routes), "prompt": len(settings.prompts)}
    counts = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in parts.items() if count]
    return [f"--model replaces what steward.yaml has: {', '.join(counts)}", ""] if model and counts else []


def _ensure_first_key(folder: Path) -> str | None:
    """Make keys ready before any worker starts, and the first one; None where there are keys already."""
    from steward.core.files import write_file
    from steward.core.identity import operator
    from steward.core.records import LimitSpec
    from steward.workflows.keys import create, prepare_home

    if prepare_home(folder, time.time()):
        return None
    created = create(folder, "first", LimitSpec(), time.time(), actor=operator(os.getuid()))
    write_file(folder / "first-key", created.key.encode())
    return created.key


def _greeting(supervisor: Supervisor, key: str | None) -> list[str]:
    """What a newcomer needs, once everything answers."""
    names = [model.name for model in supervisor.plan.models]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    token = supervisor.token_file.read_text().strip()
    lines = [
        f"Ready: {supervisor.gateway_url}/v1",
        "",
        f"  model        {names[0]}{more}",
        f"  status page  {supervisor.console_url}",
        f"  its token    {token}",
    ]
    generated = [port for port in (supervisor.plan.tls, supervisor.plan.console_tls) if port is not None and port.names]
    if generated:
        lines.append(f"  clients trust {Path(generated[0].certificate).with_name('ca.pem')}")
    if not key:
        return [*lines, "", "Stop: Ctrl-C"]
    return [
        *lines,
        f"  your key     {key}   (shown once)",
        "",
        "In another terminal:",
        "",
        f'  steward chat{spell_home(Path(supervisor.plan.home))} "where is my order?"',
        "",
        f"  curl {_curl_target(supervisor)}/v1/chat/completions -H 'Content-Type: application/json' \\",
        f"    -H 'Authorization: Bearer {key}' \\",
        f'    -d \'{{"model": "{names[0]}", "messages": [{{"role": "user", "content": "where is my order?"}}]}}\'',
        "",
        "Stop: Ctrl-C",
    ]


def _curl_target(supervisor: Supervisor) -> str:
    """The gateway's address for curl on this machine, with the authority of a generated certificate."""
    plan = supervisor.plan
    if plan.tls is None or not plan.tls.names:
        return supervisor.gateway_url
    host = "localhost" if plan.host in ("0.0.0.0", "::") else plan.host
    trusted = shlex.quote(str(Path(plan.tls.certificate).with_name("ca.pem")))
    return f"--cacert {trusted} {msgspec.structs.replace(plan, host=host).gateway_url}"


def _record(supervisor: Supervisor, key: str | None) -> dict[str, object]:
    return {
        "gateway_url": supervisor.gateway_url,
        "console_url": supervisor.console_url,
        "token_file": str(supervisor.token_file),
        "key": key,
        "models": [model.name for model in supervisor.plan.models],
        "home": supervisor.plan.home,
    }
