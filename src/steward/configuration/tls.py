"""The section `tls` of a port."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from steward.configuration.section import Section

ServerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9*:][A-Za-z0-9.:*-]{0,252}$")]


def _allow_auto(schema: dict[str, Any]) -> None:
    """For editors: the one word that stands for a section. `pattern` holds for texts alone."""
    schema |= {"type": ["object", "string"], "pattern": "^auto$"}


class TlsConfig(Section):
    """What a port is served with: files of yours, or `auto`, a certificate of a local authority."""

    model_config = ConfigDict(json_schema_extra=_allow_auto)

    auto: bool = Field(False, description="a certificate of this deployment's own authority, home/tls/ca.pem")
    names: list[ServerName] = Field(
        default=[], description="auto: further names and addresses that clients reach this port by"
    )
    certificate: str | None = Field(None, description="PEM file: the certificate, then the chain to its authority")
    key: str | None = Field(None, description="PEM file: the certificate's private key, without a passphrase")
    client_ca: str | None = Field(None, description="PEM file: authorities of client certificates (mTLS)")
    client_required: bool = Field(
        False, description="whether a request needs a client certificate, but for health checks"
    )
    insecure_http: bool = Field(False, description="plain HTTP to other machines, since a proxy in front speaks TLS")

    @model_validator(mode="before")
    @classmethod
    def _read_auto(cls, value: object) -> object:
        return {"auto": True} if value == "auto" else value

    @model_validator(mode="after")
    def _check_complete(self) -> TlsConfig:
        files = self.certificate is not None or self.key is not None
        if files and (self.certificate is None or self.key is None):
            raise ValueError(f"{'certificate' if self.key else 'key'} is missing; a certificate needs its key")
        ways = [name for name, given in (("auto", self.auto), ("certificate", files)) if given]
        if self.insecure_http and (ways or self.client_ca):
            raise ValueError(f"insecure_http: true means no TLS; leave out {', '.join([*ways, 'client_ca'][:1])}")
        if len(ways) == 2:
            raise ValueError("auto and certificate exclude each other; leave one of them out")
        if self.client_ca and not ways:
            raise ValueError("client_ca needs a certificate of the server: auto: true, or certificate and key")
        if self.client_required and not self.client_ca:
            raise ValueError("client_required needs client_ca, which clients' certificates are checked against")
        if self.names and not self.auto:
            raise ValueError("names are for auto: true; a certificate of yours has its own")
        return self

    @property
    def is_on(self) -> bool:
        return self.auto or self.certificate is not None
