"""GPUs through NVML, the library of NVIDIA's driver (extra `gpu`: nvidia-ml-py, 0.3 MB, BSD, NVIDIA's own binding).

What a product does not have NVML answers with an error of its own for each number; only those that mean "not here" or
"not yours" become None. XIDs come as events from the first reading on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import pynvml

from steward.core.errors import Unavailable
from steward.core.gpus import REASON_BITS, Gpu, GpuProcess, GpuReading, MigDevice, Reason, Xid

NO_INSTANCE: Final = 0xFFFFFFFF  # nvml.h: the process runs on no MIG device
MOST_EVENTS: Final = 100  # in one reading; the rest come with the next
ABSENT: Final = (  # of one number, not of the device
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_NOT_FOUND,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    pynvml.NVML_ERROR_NO_DATA,
    pynvml.NVML_ERROR_UNKNOWN,
)
MISSING: Final = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)


class NvmlMissing(Exception):
    """There is no library or no driver here; another reader may know more."""


class NvmlReader:
    """`nvml`: the module, or one that answers like it."""

    def __init__(self, nvml: Any = pynvml) -> None:
        """:raises NvmlMissing: no library, or no driver :raises Unavailable: they are there and do not work"""
        self._nvml = nvml
        try:
            nvml.nvmlInit()
        except pynvml.NVMLError as error:
            if error.value in MISSING:
                raise NvmlMissing(_error_text(error)) from error
            raise Unavailable(f"NVML: {_error_text(error)}; does the library fit the loaded driver?") from error
        self._events: Any = None
        self._watched: set[str] = set()  # by UUID
        self._xids: dict[str, Xid] = {}  # by UUID

    def read(self, now: float, processes: bool) -> GpuReading:
        """See `GpuReader`."""
        nvml = self._nvml
        try:
            count = nvml.nvmlDeviceGetCount()
            driver = nvml.nvmlSystemGetDriverVersion()
        except pynvml.NVMLError as error:
            raise Unavailable(f"NVML: {_error_text(error)}") from error
        cuda = self._query(nvml.nvmlSystemGetCudaDriverVersion_v2)
        self._take_events(now)
        gpus = tuple(self._gpu(index, processes) for index in range(count))
        return GpuReading(
            at=now,
            source="nvml",
            driver=driver,
            cuda=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else "",
            gpus=gpus,
            reason="" if gpus else "the driver finds no device",
        )

    def close(self) -> None:
        try:
            if self._events is not None:
                self._nvml.nvmlEventSetFree(self._events)
            self._nvml.nvmlShutdown()
        except pynvml.NVMLError:
            pass  # it is gone either way

    def _gpu(self, index: int, processes: bool) -> Gpu:
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
        except pynvml.NVMLError as error:
            return Gpu(index=index, error=_error_text(error))
        known: dict[str, Any] = {"index": index}
        try:
            for part in (self._identity, self._load, self._power_and_clocks, self._health, self._mig_devices):
                known |= part(handle)
            if processes:
                known["processes"] = self._processes(handle)
        except pynvml.NVMLError as error:  # lost in the middle: what was read stays
            known["error"] = _error_text(error)
        return Gpu(**known)

    def _identity(self, handle: Any) -> dict[str, Any]:
        nvml, ask = self._nvml, self._query
        uuid, pci = ask(nvml.nvmlDeviceGetUUID, handle) or "", ask(nvml.nvmlDeviceGetPciInfo, handle)
        self._watch(handle, uuid)
        return {
            "uuid": uuid,
            "name": ask(nvml.nvmlDeviceGetName, handle) or "",
            "pci": _decode_text(pci.busId) if pci is not None else "",
            "last_xid": self._xids.get(uuid),
        }

    def _load(self, handle: Any) -> dict[str, Any]:
        nvml, ask = self._nvml, self._query
        rates = ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        encoder = ask(nvml.nvmlDeviceGetEncoderUtilization, handle)
        decoder = ask(nvml.nvmlDeviceGetDecoderUtilization, handle)
        return {
            **self._memory(handle),
            "gpu_percent": rates and float(rates.gpu),
            "memory_percent": rates and float(rates.memory),
            "encoder_percent": encoder and float(encoder[0]),
            "decoder_percent": decoder and float(decoder[0]),
        }

    def _memory(self, handle: Any) -> dict[str, Any]:
        """Version 2 tells what the driver reserves; version 1, of drivers before 510, counts it as used."""
        nvml, ask = self._nvml, self._query
        memory = ask(nvml.nvmlDeviceGetMemoryInfo, handle, nvml.nvmlMemory_v2)
        reserved = memory and memory.reserved
        memory = memory or ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        if memory is None:
            return {}
        return {
            "memory_total_bytes": memory.total,
            "memory_used_bytes": memory.used,
            "memory_free_bytes": memory.free,
            "memory_reserved_bytes": reserved,
        }

    def _power_and_clocks(self, handle: Any) -> dict[str, Any]:
        nvml, ask = self._nvml, self._query
        power_mw = ask(nvml.nvmlDeviceGetPowerUsage, handle)
        limit_mw = ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        energy_mj = ask(nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        return {
            "temperature_c": ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            "memory_temperature_c": self._memory_temperature(handle),
            "power_w": _divide_by_1000(power_mw),
            "power_limit_w": _divide_by_1000(limit_mw),
            "energy_j": _divide_by_1000(energy_mj),
            "sm_clock_mhz": ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
            "sm_clock_max_mhz": ask(nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
            "reasons": _reasons(ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)),
        }

    def _memory_temperature(self, handle: Any) -> float | None:
        """A field value carries its own return code and type; 0 is what products without the sensor say."""
        fields = self._query(self._nvml.nvmlDeviceGetFieldValues, handle, [self._nvml.NVML_FI_DEV_MEMORY_TEMP])
        if not fields or fields[0].nvmlReturn != pynvml.NVML_SUCCESS:
            return None
        return float(fields[0].value.uiVal) or None

    def _health(self, handle: Any) -> dict[str, Any]:
        nvml, ask = self._nvml, self._query
        rows = ask(nvml.nvmlDeviceGetRemappedRows, handle)  # corrected, uncorrected, pending, failed
        errors = {
            name: ask(nvml.nvmlDeviceGetTotalEccErrors, handle, kind, nvml.NVML_VOLATILE_ECC)
            for name, kind in (
                ("ecc_corrected", nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
                ("ecc_uncorrected", nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
            )
        }
        if rows is None:
            return errors
        return {
            **errors,
            "rows_remapped_corrected": rows[0],
            "rows_remapped_uncorrected": rows[1],
            "row_remap_pending": bool(rows[2]),
            "row_remap_failed": bool(rows[3]),
        }

    def _mig_devices(self, handle: Any) -> dict[str, Any]:
        """The MIG devices of a GPU that is divided."""
        nvml, ask = self._nvml, self._query
        mode = ask(nvml.nvmlDeviceGetMigMode, handle)
        if mode is None or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return {"mig": None}
        places = ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0
        parts = (ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place) for place in range(places))
        return {"mig": tuple(self._mig_device(part) for part in parts if part is not None)}

    def _mig_device(self, handle: Any) -> MigDevice:
        nvml, ask = self._nvml, self._query
        memory = self._memory(handle)
        memory.pop("memory_reserved_bytes", None)
        return MigDevice(
            instance=ask(nvml.nvmlDeviceGetGpuInstanceId, handle),
            profile=(ask(nvml.nvmlDeviceGetName, handle) or "").rpartition(" MIG ")[2],
            uuid=ask(nvml.nvmlDeviceGetUUID, handle) or "",
            **memory,
        )

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...] | None:
        nvml, ask = self._nvml, self._query
        compute = ask(nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        graphics = ask(nvml.nvmlDeviceGetGraphicsRunningProcesses, handle)
        if compute is None and graphics is None:
            return None
        kinds: dict[int, set[str]] = {}
        by_pid: dict[int, Any] = {}
        for kind, listed in (("compute", compute), ("graphics", graphics)):
            for item in listed or ():
                kinds.setdefault(item.pid, set()).add(kind)
                by_pid.setdefault(item.pid, item)
        return tuple(self._process(item, kinds[pid]) for pid, item in sorted(by_pid.items()))

    def _process(self, item: Any, kinds: set[str]) -> GpuProcess:
        instance = getattr(item, "gpuInstanceId", NO_INSTANCE)
        kind: Literal["compute", "graphics", "both"] = (
            "both" if len(kinds) == 2 else "compute" if "compute" in kinds else "graphics"
        )
        return GpuProcess(
            pid=item.pid,
            name=_decode_text(self._query(self._nvml.nvmlSystemGetProcessName, item.pid) or ""),
            kind=kind,
            memory_bytes=item.usedGpuMemory,
            instance=None if instance in (None, NO_INSTANCE) else instance,
        )

    def _watch(self, handle: Any, uuid: str) -> None:
        """Subscribe to XID events; where that is not possible there are none."""
        if uuid in self._watched:
            return
        self._watched.add(uuid)
        nvml = self._nvml
        try:
            if self._events is None:
                self._events = nvml.nvmlEventSetCreate()
            nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, self._events)
        except pynvml.NVMLError:
            pass

    def _take_events(self, now: float) -> None:
        if self._events is None:
            return
        for _ in range(MOST_EVENTS):
            try:
                event = self._nvml.nvmlEventSetWait(self._events, 0)
            except pynvml.NVMLError:  # a timeout: nothing is waiting
                return
            uuid = self._query(self._nvml.nvmlDeviceGetUUID, event.device)
            if uuid:
                self._xids[uuid] = Xid(int(event.eventData), now)

    def _query(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """The answer, or None where this product, driver or user does not get one.

        :raises NVMLError: the device does not answer
        """
        try:
            return call(*arguments)
        except pynvml.NVMLError as error:
            if error.value in ABSENT:
                return None
            raise


def _reasons(bits: int | None) -> tuple[Reason, ...] | None:
    return None if bits is None else tuple(reason for reason, bit in REASON_BITS.items() if bits & bit)


def _divide_by_1000(value: int | None) -> float | None:
    return None if value is None else value / 1000


def _decode_text(text: str | bytes) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _error_text(error: pynvml.NVMLError) -> str:
    return str(error) or type(error).__name__
