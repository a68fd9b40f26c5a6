"""What Linux itself knows of NVIDIA's GPUs: which ones are plugged in, and which XIDs the kernel logged."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final

import msgspec

from steward.core.extend import GpuReader
from steward.core.gpus import Gpu, GpuReading, Xid

NVIDIA: Final = "0x10de"
DISPLAY: Final = "0x03"  # PCI class: display controllers, which 3D controllers are
MOST_BYTES: Final = 16 * 1024 * 1024  # the kernel's buffer is 128 KiB to a few MiB
_XID: Final = re.compile(rb"\d+,\d+,(\d+),[^;\n]*;NVRM: Xid \(PCI:([0-9a-fA-F:.]+)\): (\d+)")


def list_pci_gpus(folder: Path = Path("/sys/bus/pci/devices")) -> list[str]:
    """PCI addresses of NVIDIA's GPUs, whether or not a driver has them."""
    names = []
    try:
        for device in sorted(folder.iterdir()):
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
            if vendor == NVIDIA and kind.startswith(DISPLAY):
                names.append(device.name)
    except OSError:  # no PCI, or not ours to look at
        return []
    return names


def read_logged_xids(now: float, log: Path = Path("/dev/kmsg")) -> dict[str, Xid]:
    """The last XID of each GPU since the machine started, by `pci_slot`. Empty where the log may not be read."""
    try:
        fd = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        text = _read_records(fd)
    finally:
        os.close(fd)
    booted = now - time.clock_gettime(time.CLOCK_MONOTONIC)
    return {
        pci_slot(address.decode()): Xid(int(code), booted + int(microseconds) / 1e6)
        for microseconds, address, code in _XID.findall(text)
    }


def _read_records(fd: int) -> bytes:
    """/dev/kmsg gives one record at each read, and an error where one was overwritten meanwhile or none is left."""
    parts, size = [], 0
    while size < MOST_BYTES:
        try:
            part = os.read(fd, 65536)
        except BrokenPipeError:
            continue
        except OSError:
            break
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def pci_slot(address: str) -> str:
    """The form that addresses of the driver, of PCI and of the log have in common.

    >>> pci_slot("00000000:17:00.0"), pci_slot("0000:17:00"), pci_slot("0000:3B:00.0")
    ('0000:17:00', '0000:17:00', '0000:3b:00')
    """
    domain, _, rest = address.lower().partition(":")
    return f"{domain[-4:]}:{rest.partition('.')[0]}"


class WithKernelLog:
    """A reader, with the kernel's XIDs where they are newer than those that it saw itself."""

    def __init__(self, reader: GpuReader, log: Path = Path("/dev/kmsg")) -> None:
        self._reader, self._log = reader, log

    def read(self, now: float, processes: bool) -> GpuReading:
        """See `GpuReader`."""
        reading = self._reader.read(now, processes)
        logged = read_logged_xids(now, self._log)
        return msgspec.structs.replace(reading, gpus=tuple(_merge_xid(gpu, logged) for gpu in reading.gpus))

    def close(self) -> None:
        self._reader.close()


def _merge_xid(gpu: Gpu, logged: dict[str, Xid]) -> Gpu:
    xid = logged.get(pci_slot(gpu.pci))
    if xid is None or (gpu.last_xid is not None and gpu.last_xid.at >= xid.at):
        return gpu
    return msgspec.structs.replace(gpu, last_xid=xid)
