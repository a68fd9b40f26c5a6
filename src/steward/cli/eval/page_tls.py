"""How pages that a command serves reach other machines: the options that `eval rate` and `eval view` share."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from steward.cli.common import find_home
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.core.tls import ServerTls


class TlsOptions(msgspec.Struct, frozen=True):
    """HTTPS by a generated certificate or by files, or a proxy that speaks it."""

    tls: Annotated[
        bool,
        typer.Option("--tls", help="Serve HTTPS with a certificate of a local authority, made if need be."),
    ] = False
    certificate: Annotated[
        Path | None, typer.Option(help="Serve HTTPS with this PEM file: the certificate, then the chain.")
    ] = None
    key: Annotated[Path | None, typer.Option(help="PEM file: the certificate's private key.")] = None
    insecure_http: Annotated[
        bool,
        typer.Option("--insecure-http", help="Serve other machines in plain HTTP, since a proxy in front speaks TLS."),
    ] = False

    def plan(self, host: str, folder: Path) -> ServerTls | None:
        """What `host` is served with; None is plain HTTP. What is generated lies in the home, else in `folder`.

        :raises InputError: options that contradict each other, or nothing for a host that other machines reach
        """
        from steward.configuration.tls import TlsConfig
        from steward.workflows.tls import plan_pages

        if (self.certificate is None) != (self.key is None):
            missing = "--key" if self.key is None else "--certificate"
            raise InputError(f"{missing} is missing: a certificate and its key belong together")
        ways = [("--tls", self.tls), ("--certificate", bool(self.certificate)), ("--insecure-http", self.insecure_http)]
        chosen = [name for name, is_chosen in ways if is_chosen]
        if len(chosen) > 1:
            raise InputError(f"{' and '.join(chosen)} exclude each other; give one of them")
        files = {"certificate": str(self.certificate), "key": str(self.key)} if self.certificate else {}
        tls = TlsConfig(auto=self.tls, insecure_http=self.insecure_http, **files)
        return plan_pages(host, tls, find_tls_home(folder), time.time())


def find_tls_home(folder: Path) -> Path:
    """The home that is found here, whose authority clients may trust already; else `folder`."""
    try:
        return find_home(None)
    except InputError:
        return folder.absolute()
