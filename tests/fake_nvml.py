"""NVML as far as steward asks it: cards of known numbers; what a card lacks is an error, as with the real one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml

MIB = 1024 * 1024
GONE = pynvml.NVML_ERROR_GPU_IS_LOST


class Card(SimpleNamespace):
    """A handle; every attribute is the answer of one function, or an NVML error code."""


class FakeNvml:
    """Answers like the module `pynvml`; the names that it does not define, the constants, are that module's."""

    def __init__(self, *cards: Card, init: int = pynvml.NVML_SUCCESS) -> None:
        self.cards, self.init, self.events, self.registered = cards, init, list[tuple[Card, int]](), list[Card]()
        self.down = False

    def __getattr__(self, name: str) -> Any:
        return ANSWERS[name] if name in ANSWERS else getattr(pynvml, name)

    def nvmlInit(self) -> None:
        check(self.init)

    def nvmlShutdown(self) -> None:
        self.down = True

    def nvmlDeviceGetCount(self) -> int:
        check(self.init)
        return len(self.cards)

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.133.20"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return 12080

    def nvmlSystemGetProcessName(self, pid: int) -> str:
        return str(next(name for card in self.cards for known, name, *_ in card.processes if known == pid))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        check(getattr(self.cards[index], "handle", pynvml.NVML_SUCCESS))
        return self.cards[index]

    def nvmlEventSetCreate(self) -> object:
        return self

    def nvmlEventSetFree(self, events: object) -> None:
        self.registered.clear()

    def nvmlDeviceRegisterEvents(self, card: Card, kinds: int, events: object) -> None:
        self.registered.append(card)

    def nvmlEventSetWait(self, events: object, milliseconds: int) -> Any:
        if not self.events:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)
        card, code = self.events.pop(0)
        return SimpleNamespace(device=card, eventData=code)


def check(code: int) -> None:
    if code != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(code)


def answer(card: Card, name: str) -> Any:
    """:raises NVMLError: the card is lost, or has no such thing"""
    check(getattr(card, "lost", pynvml.NVML_SUCCESS))
    found = getattr(card, name, None)
    if found is None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    return found


def of(name: str, make: Callable[..., Any] = lambda found: found) -> Callable[..., Any]:
    return lambda card, *arguments: make(answer(card, name), *arguments)


def memory(found: tuple[int, int, int, int], version: int | None = None) -> Any:
    """(total, reserved, used, free) in MiB; version 1 has no word for what is reserved."""
    total, reserved, used, free = (number * MIB for number in found)
    if version is None:
        return SimpleNamespace(total=total, used=used + reserved, free=free)
    return SimpleNamespace(total=total, reserved=reserved, used=used, free=free)


def part(found: tuple[Card, ...], index: int) -> Card:
    if index >= len(found):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
    return found[index]


def running(*kinds: str) -> Callable[..., Any]:
    def listed(found: list[tuple[int, str, str, int, int]]) -> list[Any]:
        return [
            SimpleNamespace(pid=pid, usedGpuMemory=used * MIB, gpuInstanceId=instance)
            for pid, _, kind, used, instance in found
            if kind in kinds
        ]

    return of("processes", listed)


ANSWERS: dict[str, Callable[..., Any]] = {
    "nvmlDeviceGetUUID": of("uuid"),
    "nvmlDeviceGetName": of("name"),
    "nvmlDeviceGetPciInfo": of("pci", lambda found: SimpleNamespace(busId=found)),
    "nvmlDeviceGetMemoryInfo": of("memory", memory),
    "nvmlDeviceGetUtilizationRates": of("rates", lambda found: SimpleNamespace(gpu=found[0], memory=found[1])),
    "nvmlDeviceGetEncoderUtilization": of("encoder", lambda found: [found, 167000]),
    "nvmlDeviceGetDecoderUtilization": of("decoder", lambda found: [found, 167000]),
    "nvmlDeviceGetTemperature": of("temperature", lambda found, sensor: found),
    "nvmlDeviceGetFieldValues": of(
        "memory_temperature", lambda found, ids: [SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(uiVal=found))]
    ),
    "nvmlDeviceGetPowerUsage": of("power_mw"),
    "nvmlDeviceGetEnforcedPowerLimit": of("limit_mw"),
    "nvmlDeviceGetTotalEnergyConsumption": of("energy_mj"),
    "nvmlDeviceGetClockInfo": of("clocks", lambda found, kind: found[kind]),
    "nvmlDeviceGetMaxClockInfo": of("clocks_max", lambda found, kind: found[kind]),
    "nvmlDeviceGetCurrentClocksThrottleReasons": of("reasons"),
    "nvmlDeviceGetTotalEccErrors": of("ecc", lambda found, kind, counter: found[kind]),
    "nvmlDeviceGetRemappedRows": of("rows"),
    "nvmlDeviceGetMigMode": of("mig_mode", lambda found: [found, found]),
    "nvmlDeviceGetMaxMigDeviceCount": of("mig_mode", lambda found: 7),
    "nvmlDeviceGetMigDeviceHandleByIndex": of("parts", part),
    "nvmlDeviceGetGpuInstanceId": of("instance"),
    "nvmlDeviceGetComputeRunningProcesses": running("C", "C+G"),
    "nvmlDeviceGetGraphicsRunningProcesses": running("G", "C+G"),
}

WHOLE = 0xFFFFFFFF  # the instance of a process on a GPU that is not divided
SM, MEM = pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM


def h100(**changes: Any) -> Card:
    """GPU 0 of nvidia_smi/h100.xml: at work, too hot."""
    known: dict[str, Any] = {
        "uuid": "GPU-4f1c0c1e-9d0b-4a53-8a63-2d2f8f0f6a10",
        "name": "NVIDIA H100 80GB HBM3",
        "pci": "00000000:18:00.0",
        "memory": (81559, 551, 73214, 7795),
        "rates": (97, 41),
        "encoder": 0,
        "decoder": 0,
        "temperature": 83,
        "memory_temperature": 88,
        "power_mw": 688410,
        "limit_mw": 700000,
        "energy_mj": 123_456_789_000,
        "clocks": {SM: 1410, MEM: 2619},
        "clocks_max": {SM: 1980, MEM: 2619},
        "reasons": 0x4C,
        "ecc": (12, 0),
        "rows": (0, 0, 0, 0),
        "mig_mode": 0,
        "processes": [(41394, "/usr/bin/python3.12", "C", 73200, WHOLE)],
    }
    return Card(**(known | changes))


def idle_h100() -> Card:
    """GPU 1 of nvidia_smi/h100.xml: at rest, with errors in its memory."""
    return h100(
        uuid="GPU-b8a1d9f4-52f7-4d0a-9a55-0c7be2f5a311", pci="00000000:2A:00.0", memory=(81559, 551, 4, 81005),
        rates=(0, 0), temperature=34, memory_temperature=40, power_mw=71060, clocks={SM: 345, MEM: 2619}, reasons=0x1,
        ecc=(3, 3), rows=(0, 2, 1, 0), processes=[],
    )  # fmt: skip


def divided_h100() -> Card:
    """The GPU of nvidia_smi/mig.xml."""
    parts = tuple(
        Card(
            instance=instance,
            memory=numbers,
            uuid=f"MIG-0000000{instance:02}-0000-5000-8000-000000000000",
            name="NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        )
        for instance, numbers in ((9, (9856, 0, 9216, 640)), (10, (9856, 0, 12, 9844)))
    )
    return h100(
        memory=(81559, 551, 11023, 69986), rates=None, encoder=None, decoder=None, temperature=48,
        memory_temperature=55,
        power_mw=182300, clocks={SM: 1980, MEM: 2619}, reasons=0, ecc=(0, 0), mig_mode=1, parts=parts,
        processes=[(51002, "python3", "C", 10240, 9)],
    )  # fmt: skip


def rtx4090() -> Card:
    """The GPU of nvidia_smi/rtx4090.xml: much is not supported."""
    return h100(
        uuid="GPU-0f93a7c2-6b1e-4c8e-9e21-77c4a2d3b512", name="NVIDIA GeForce RTX 4090", pci="00000000:01:00.0",
        memory=(24564, 346, 20118, 4099), rates=(99, 62), temperature=67, memory_temperature=0, power_mw=448930,
        limit_mw=450000, clocks={SM: 2520, MEM: 10251}, clocks_max={SM: 3105, MEM: 10501}, reasons=0x4, ecc=None,
        rows=None, mig_mode=None,
        processes=[(2210, "/usr/lib/xorg/Xorg", "G", 182, WHOLE), (9120, './demo --name "A & B"', "C+G", 19800, WHOLE)],
    )  # fmt: skip
