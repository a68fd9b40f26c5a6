"""GPUs as `nvidia-smi -q -x` describes them, for machines without NVIDIA's Python binding.

The command is looked for in the absolute folders of PATH only, its arguments are fixed, no shell is involved. Names of
elements changed with drivers (530: "throttle" became "event"; 525, 545: power); all that were seen are read. XIDs are
not in this output: see `linux.py`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable
from typing import Final, Literal
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from steward.core.errors import TimedOut, Unavailable
from steward.core.excerpts import cut_reason
from steward.core.gpus import Gpu, GpuProcess, GpuReading, MigDevice, Reason

ARGUMENTS: Final = ("-q", "-x")
KEPT: Final = ("PATH", "LD_LIBRARY_PATH")  # of the environment: secrets may stand in the rest
MIB: Final = 1024 * 1024
_NO_DEVICES: Final = "No devices were found"
_REASONS: Final[dict[str, Reason]] = {  # element, after clocks_event_reason_ or clocks_throttle_reason_
    "gpu_idle": "gpu_idle",
    "applications_clocks_setting": "application_clocks",
    "sw_power_cap": "sw_power_cap",
    "hw_slowdown": "hw_slowdown",
    "sync_boost": "sync_boost",
    "sw_thermal_slowdown": "sw_thermal",
    "hw_thermal_slowdown": "hw_thermal",
    "hw_power_brake_slowdown": "hw_power_brake",
    "display_clocks_setting": "display_clocks",
}
_KINDS: Final[dict[str, Literal["compute", "graphics", "both"]]] = {"C": "compute", "G": "graphics", "C+G": "both"}
_LOST: Final = {"gpu is lost": "GPU is lost", "gpu requires reset": "GPU requires reset"}
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME: Final = re.compile(r"(<process_name>).*?(</process_name>)", re.DOTALL)


def find_command() -> str | None:
    """Where nvidia-smi is; a relative folder in PATH is never looked into."""
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)]
    return shutil.which("nvidia-smi", path=os.pathsep.join(folders)) if folders else None


class SmiReader:
    """Runs `command` for each reading, for at most `timeout_s` seconds."""

    def __init__(self, command: str, timeout_s: float = 10.0) -> None:
        self._command, self._timeout_s = command, timeout_s
        self._stuck: subprocess.Popen[bytes] | None = None  # could not even be killed: it waits inside the driver

    def read(self, now: float, processes: bool) -> GpuReading:
        """See `GpuReader`."""
        if self._stuck is not None and self._stuck.poll() is None:
            raise TimedOut(f"nvidia-smi (pid {self._stuck.pid}) still hangs inside the driver; see `dmesg`")
        return parse(self._output(), now, processes)

    def close(self) -> None:
        """Nothing stays open."""

    def _output(self) -> str:
        """What it printed. :raises TimedOut: not in time :raises Unavailable: it did not start"""
        try:
            process = subprocess.Popen(
                [self._command, *ARGUMENTS],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={name: os.environ[name] for name in KEPT if name in os.environ},
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"{self._command}: {error.strerror}") from error
        try:
            printed, _ = process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            self._give_up(process)
            raise TimedOut(
                f"nvidia-smi did not answer within {self._timeout_s:g} s; the driver may hang: see `dmesg`"
            ) from None
        return printed.decode("utf-8", "replace")

    def _give_up(self, process: subprocess.Popen[bytes]) -> None:
        """Kill it and what it started, without waiting for what cannot be killed."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdout is not None:
            process.stdout.close()
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._stuck = process


def parse(printed: str, now: float, processes: bool) -> GpuReading:
    """The reading in the output of `nvidia-smi -q -x`.

    :raises Unavailable: it says that something failed, or is no such output
    """
    if _NO_DEVICES in printed[:1000]:
        return GpuReading(at=now, source="nvidia-smi", reason="nvidia-smi finds no device")
    tree = _parse_xml(printed)
    return GpuReading(
        at=now,
        source="nvidia-smi",
        driver=_text(tree, "driver_version"),
        cuda=_text(tree, "cuda_version"),
        gpus=tuple(_gpu(item, index, processes) for index, item in enumerate(tree.findall("gpu"))),
    )


def _parse_xml(printed: str) -> Element:
    """:raises Unavailable: a message instead of XML, or XML that cannot be read"""
    start = printed.find("<?xml")
    if start < 0:
        raise Unavailable(f"nvidia-smi said: {cut_reason(printed.strip() or 'nothing')}")
    text = _NOT_XML.sub("", printed[start:])
    if "<!ENTITY" in text:
        raise Unavailable("nvidia-smi printed XML with entities of its own, which no version does; is it NVIDIA's?")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        pass
    try:  # a program may call itself anything, and some drivers do not escape its name
        return ElementTree.fromstring(_NAME.sub(r"\1\2", text))
    except ElementTree.ParseError as error:
        raise Unavailable(f"nvidia-smi printed XML that ends early or is damaged: {error}") from error


def _gpu(item: Element, index: int, processes: bool) -> Gpu:
    mode, power = _text(item, "mig_mode/current_mig"), ("gpu_power_readings", "power_readings")
    draws = ("power_draw", "average_power_draw", "instant_power_draw")
    limits = ("current_power_limit", "enforced_power_limit", "power_limit")
    return Gpu(
        index=index,
        uuid=_text(item, "uuid"),
        name=_text(item, "product_name"),
        pci=_text(item, "pci/pci_bus_id") or item.get("id", ""),
        error=_find_device_error(item),
        memory_total_bytes=_bytes(item, "fb_memory_usage/total"),
        memory_used_bytes=_bytes(item, "fb_memory_usage/used"),
        memory_free_bytes=_bytes(item, "fb_memory_usage/free"),
        memory_reserved_bytes=_bytes(item, "fb_memory_usage/reserved"),
        gpu_percent=_number(item, "utilization/gpu_util"),
        memory_percent=_number(item, "utilization/memory_util"),
        encoder_percent=_number(item, "utilization/encoder_util"),
        decoder_percent=_number(item, "utilization/decoder_util"),
        temperature_c=_number(item, "temperature/gpu_temp"),
        memory_temperature_c=_number(item, "temperature/memory_temp"),
        power_w=_number(item, *(f"{where}/{name}" for name in draws for where in power)),
        power_limit_w=_number(item, *(f"{where}/{name}" for name in limits for where in power)),
        sm_clock_mhz=_number(item, "clocks/sm_clock"),
        sm_clock_max_mhz=_number(item, "max_clocks/sm_clock"),
        memory_clock_mhz=_number(item, "clocks/mem_clock"),
        reasons=_reasons(item),
        ecc_corrected=_sum(item, ("sram_correctable", "dram_correctable"), "single_bit/total"),
        ecc_uncorrected=_sum(item, _read_uncorrectable(item), "double_bit/total"),
        rows_remapped_corrected=_count(item, "remapped_rows/remapped_row_corr"),
        rows_remapped_uncorrected=_count(item, "remapped_rows/remapped_row_unc"),
        row_remap_pending=_read_bool(item, "remapped_rows/remapped_row_pending"),
        row_remap_failed=_read_bool(item, "remapped_rows/remapped_row_failure"),
        mig=tuple(map(_mig, item.findall("mig_devices/mig_device"))) if mode == "Enabled" else None,
        processes=tuple(map(_process, item.findall("processes/process_info"))) if processes else None,
    )


def _find_device_error(item: Element) -> str:
    """What stands in the place of numbers where the GPU itself no longer answers."""
    for element in item.iter():
        meaning = _LOST.get((element.text or "").strip().strip("[]").lower())
        if meaning and element.tag != "process_name":
            return meaning
    return ""


def _reasons(item: Element) -> tuple[Reason, ...] | None:
    for word in ("event", "throttle"):
        group = item.find(f"clocks_{word}_reasons")
        if group is not None and len(group):
            names = {child.tag.removeprefix(f"clocks_{word}_reason_"): child.text for child in group}
            if all((text or "").strip() not in ("Active", "Not Active") for text in names.values()):
                return None
            return tuple(reason for name, reason in _REASONS.items() if (names.get(name) or "").strip() == "Active")
    return None


def _read_uncorrectable(item: Element) -> tuple[str, ...]:
    """Since driver 535 the count of the SRAM stands in two elements, parity and SEC-DED."""
    split = item.find("ecc_errors/volatile/sram_uncorrectable_parity") is not None
    sram = ("sram_uncorrectable_parity", "sram_uncorrectable_secded") if split else ("sram_uncorrectable",)
    return (*sram, "dram_uncorrectable")


def _sum(item: Element, names: Iterable[str], before: str) -> int | None:
    """The volatile ECC errors under these names, else under the older one; None: not one of them is told."""
    counts = [_count(item, f"ecc_errors/volatile/{name}") for name in names]
    known = [count for count in counts if count is not None]
    return sum(known) if known else _count(item, f"ecc_errors/volatile/{before}")


def _mig(item: Element) -> MigDevice:
    return MigDevice(
        instance=_count(item, "gpu_instance_id"),
        uuid=_text(item, "uuid"),
        memory_total_bytes=_bytes(item, "fb_memory_usage/total"),
        memory_used_bytes=_bytes(item, "fb_memory_usage/used"),
        memory_free_bytes=_bytes(item, "fb_memory_usage/free"),
    )


def _process(item: Element) -> GpuProcess:
    return GpuProcess(
        pid=_count(item, "pid") or 0,
        name=_text(item, "process_name"),
        kind=_KINDS.get(_text(item, "type"), "compute"),
        memory_bytes=_bytes(item, "used_memory"),
        instance=_count(item, "gpu_instance_id"),
    )


def _text(item: Element, path: str) -> str:
    """The text; empty where it is absent, "N/A", "[N/A]", "[Not Supported]" and the like."""
    text = (item.findtext(path) or "").strip()
    return "" if text == "N/A" or text.startswith("[") else text


def _number(item: Element, *paths: str) -> float | None:
    """The first of these that is a number; its unit is the one that nvidia-smi always gives it."""
    for path in paths:
        match = re.match(r"-?\d+(\.\d+)?", _text(item, path))
        if match is not None:
            return float(match[0])
    return None


def _count(item: Element, path: str) -> int | None:
    number = _number(item, path)
    return None if number is None else int(number)


def _bytes(item: Element, path: str) -> int | None:
    number = _number(item, path)
    return None if number is None else int(number * MIB)


def _read_bool(item: Element, path: str) -> bool | None:
    return {"Yes": True, "No": False}.get(_text(item, path))
