"""Files at addresses of fsspec: s3://, gs://, az://, hf://, https:// and what else is installed (extra `remote`).

Credentials and endpoints come from where each driver looks for them: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL or ~/.aws for
s3, GOOGLE_APPLICATION_CREDENTIALS for gs, HF_TOKEN for hf. Nothing is listed or read before a pipeline names it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import fsspec

from steward.core.errors import InputError, Unavailable
from steward.core.excerpts import cut_reason
from steward.core.extend import RemoteFile
from steward.core.extras import install_command, install_package

_BUFFER = 1 << 20
_BLOCK_BYTES = 8 << 20  # read at once: a request for each costs a round trip
# Errors of drivers that are no OSError: the module, once the driver has loaded it, and the name in it.
_DRIVER_ERRORS = (
    ("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError"), ("aiohttp", "ClientError"),
    ("gcsfs.retry", "HttpError"), ("google.auth.exceptions", "GoogleAuthError"), ("httpx", "HTTPError"),
)  # fmt: skip


_STAMPS = (
    "ETag", "etag", "VersionId", "generation", "md5Hash", "blob_id", "sha256", "LastModified", "mtime", "created"
)  # fmt: skip


class FsspecStore:
    """See `FileStore`. Holds only numbers, so that it goes to other processes; each opens its own connections."""

    def __init__(self, block_bytes: int = _BLOCK_BYTES) -> None:
        self.block_bytes = block_bytes

    def find(self, url: str) -> list[RemoteFile]:
        with _explain_errors(url):
            system, path = _open_system(url)
            if "*" in path:
                found = system.glob(path, detail=True)
            elif system.isdir(path):
                found = system.find(path, detail=True)
            else:
                found = {path: system.info(path)}
            files = [
                RemoteFile(system.unstrip_protocol(name), int(info.get("size") or 0), _make_stamp(info))
                for name, info in sorted(found.items())
                if info.get("type", "file") == "file"
            ]
        if not files:
            raise InputError(
                f"{url}: no file is there; expected files, a folder, or a pattern such as s3://bucket/*.jsonl"
            )
        return files

    def open(self, url: str) -> BinaryIO:
        with _explain_errors(url):
            system, path = _open_system(url)
            return io.BufferedReader(_ExplainedFile(system.open(path, "rb", block_size=self.block_bytes), url), _BUFFER)

    def upload(self, path: Path, url: str) -> None:
        with _explain_errors(url):
            system, target = _open_system(url)
            if not target.startswith(("http", "hf")):
                system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(path), target)


class _ExplainedFile(io.RawIOBase):
    """An open file whose errors say what to do: a network that fails is no damaged row."""

    def __init__(self, opened: Any, url: str) -> None:
        self._opened, self._url = opened, url

    def readinto(self, buffer: Any, /) -> int:
        with _explain_errors(self._url):
            found = self._opened.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return int(self._opened.seek(offset, whence))

    def tell(self) -> int:
        return int(self._opened.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._opened.close()
        super().close()


def check_address(url: str) -> None:
    """Without asking anybody. :raises InputError: nobody knows such addresses, or it names no place"""
    protocol, _, place = url.partition("://")
    with _explain_errors(url):
        fsspec.get_filesystem_class(protocol)
        if not place.strip("/"):
            raise ValueError("it names no bucket or folder")


def _open_system(url: str) -> tuple[Any, str]:
    system, path = fsspec.url_to_fs(url, use_listings_cache=False)
    return system, str(path)


def _make_stamp(info: dict[str, Any]) -> str:
    """What the driver says that tells this version of the file from others."""
    parts = [f"{name} {info[name]}" for name in _STAMPS if info.get(name)]
    return "; ".join([f"size {info.get('size')}", *parts])


_DRIVERS: Final = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "sftp": "paramiko"}


def _name_install(protocol: str) -> str:
    """The line that brings what opens such addresses."""
    if protocol in _DRIVERS:
        return install_package(_DRIVERS[protocol])
    return install_command("remote") if protocol in ("s3", "s3a", "hf") else "install it beside steward"


@contextmanager
def _explain_errors(url: str) -> Iterator[None]:
    protocol = url.partition("://")[0]
    try:
        yield
    except ImportError as error:
        install = _name_install(protocol)
        raise InputError(f"{url}: addresses of {protocol}:// need another package ({error}); {install}") from None
    except FileNotFoundError:
        raise InputError(f"{url}: no such file; expected the address of a file, a folder or a pattern") from None
    except PermissionError as error:
        raise InputError(
            f"{url}: access is refused ({cut_reason(error)}); check the credentials for {protocol}://"
        ) from None
    except ValueError as error:
        raise InputError(f"{url}: {cut_reason(error)}; expected an address such as s3://bucket/data/*.jsonl") from None
    except _list_driver_errors() as error:
        raise Unavailable(
            f"{url}: {protocol} does not answer ({type(error).__name__}: {cut_reason(error)}); check credentials, "
            "endpoint and network, and run the same command again"
        ) from None


def _list_driver_errors() -> tuple[type[Exception], ...]:
    loaded = [getattr(sys.modules[module], name) for module, name in _DRIVER_ERRORS if module in sys.modules]
    return (OSError, *loaded)
