"""One suite over both readers of GPUs: a fake NVML and what nvidia-smi prints tell the same machines.

`nvidia_smi/` holds outputs as drivers 525 and 570 print them, shortened; elements and words are those of public
recordings. A command that prints one of them stands in the place of nvidia-smi.
"""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pynvml
import pytest

import fake_nvml
from conftest import until
from steward.adapters.gpus.nvml import NvmlMissing, NvmlReader
from steward.adapters.gpus.smi import SmiReader, find_command
from steward.core.errors import TimedOut, Unavailable
from steward.core.extend import GpuReader
from steward.core.gpus import Gpu, GpuReading, MigDevice

HERE = Path(__file__).parent / "nvidia_smi"
CARDS = {
    "h100": lambda: [fake_nvml.h100(), fake_nvml.idle_h100()],
    "mig": lambda: [fake_nvml.divided_h100()],
    "rtx4090": lambda: [fake_nvml.rtx4090()],
}
Make = Callable[[str], GpuReader]


def command(folder: Path, body: str) -> str:
    """A nvidia-smi of our own in `folder`."""
    file = folder / "nvidia-smi"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def smi(folder: Path, recording: str) -> SmiReader:
    return SmiReader(command(folder, f'[ "$*" = "-q -x" ] && cat {HERE / recording}'))


@pytest.fixture(params=["nvml", "nvidia-smi"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "nvml":
        return lambda machine: NvmlReader(fake_nvml.FakeNvml(*CARDS[machine]()))
    return lambda machine: smi(tmp_path, f"{machine}.xml")


def test_a_gpu_at_work(make: Make) -> None:
    reading = make("h100").read(7.0, processes=True)
    assert (reading.at, reading.driver, reading.cuda, len(reading.gpus)) == (7.0, "570.133.20", "12.8", 2)
    gpu = reading.gpus[0]
    assert (gpu.name, gpu.pci) == ("NVIDIA H100 80GB HBM3", "00000000:18:00.0")
    assert gpu.memory_used_bytes == 73214 * 1024**2 and gpu.memory_reserved_bytes == 551 * 1024**2
    assert (gpu.gpu_percent, gpu.memory_percent, gpu.temperature_c, gpu.memory_temperature_c) == (97, 41, 83, 88)
    assert (gpu.power_w, gpu.power_limit_w, gpu.sm_clock_mhz, gpu.sm_clock_max_mhz) == (688.41, 700, 1410, 1980)
    assert gpu.reasons == ("sw_power_cap", "hw_slowdown", "hw_thermal")


def test_errors_in_memory(make: Make) -> None:
    gpu = make("h100").read(7.0, processes=False).gpus[1]
    assert (gpu.ecc_corrected, gpu.ecc_uncorrected) == (3, 3)  # SRAM and DRAM, parity and SEC-DED together
    assert (gpu.rows_remapped_uncorrected, gpu.row_remap_pending, gpu.row_remap_failed) == (2, True, False)


def test_processes_are_told_only_when_asked_for(make: Make) -> None:
    assert all(gpu.processes is None for gpu in make("h100").read(7.0, processes=False).gpus)
    gpu = make("rtx4090").read(7.0, processes=True).gpus[0]
    assert gpu.processes is not None
    assert [(item.pid, item.name, item.kind) for item in gpu.processes] == [
        (2210, "/usr/lib/xorg/Xorg", "graphics"),
        (9120, './demo --name "A & B"', "both"),
    ]


def test_what_a_consumer_card_does_not_have_is_none(make: Make) -> None:
    gpu = make("rtx4090").read(7.0, processes=False).gpus[0]
    assert (gpu.ecc_corrected, gpu.ecc_uncorrected, gpu.row_remap_failed, gpu.memory_temperature_c) == (None,) * 4
    assert (gpu.power_w, gpu.power_limit_w, gpu.reasons, gpu.mig) == (448.93, 450, ("sw_power_cap",), None)


def test_a_divided_gpu_tells_its_parts_and_no_load(make: Make) -> None:
    gpu = make("mig").read(7.0, processes=True).gpus[0]
    assert gpu.mig is not None and gpu.processes is not None
    assert [(part.instance, part.memory_used_bytes) for part in gpu.mig] == [(9, 9216 * 1024**2), (10, 12 * 1024**2)]
    assert gpu.gpu_percent is None and gpu.temperature_c == 48 and gpu.processes[0].instance == 9


@pytest.mark.parametrize("machine", sorted(CARDS))
def test_both_readers_say_the_same(machine: str, tmp_path: Path) -> None:
    def common(gpu: Gpu) -> Gpu:  # nvidia-smi prints neither energy nor the names of parts
        parts = gpu.mig and tuple(msgspec.structs.replace(part, profile="", uuid="") for part in gpu.mig)
        return msgspec.structs.replace(gpu, energy_j=None, mig=parts)

    through_nvml = NvmlReader(fake_nvml.FakeNvml(*CARDS[machine]())).read(7.0, processes=True)
    through_smi = smi(tmp_path, f"{machine}.xml").read(7.0, processes=True)
    assert list(map(common, through_nvml.gpus)) == list(map(common, through_smi.gpus))


def test_a_lost_gpu_is_told_beside_the_others(tmp_path: Path) -> None:
    nvml = fake_nvml.FakeNvml(
        fake_nvml.h100(lost=fake_nvml.GONE), fake_nvml.h100(handle=fake_nvml.GONE), fake_nvml.h100()
    )
    assert [gpu.error for gpu in NvmlReader(nvml).read(7.0, processes=True).gpus] == ["GPU is lost", "GPU is lost", ""]
    gpu = smi(tmp_path, "lost.xml").read(7.0, processes=True).gpus[0]
    assert gpu.error == "GPU is lost" and gpu.temperature_c is None and gpu.name == "NVIDIA H100 80GB HBM3"


def test_a_gpu_that_is_lost_in_the_middle_keeps_what_was_read() -> None:
    card = fake_nvml.h100()
    nvml = fake_nvml.FakeNvml(card)
    nvml.__dict__["nvmlDeviceGetPowerUsage"] = lambda handle: fake_nvml.check(fake_nvml.GONE)
    gpu = NvmlReader(nvml).read(7.0, processes=True).gpus[0]
    assert (gpu.error, gpu.name, gpu.gpu_percent, gpu.power_w) == ("GPU is lost", card.name, 97, None)


def test_nvml_tells_energy_parts_and_xids() -> None:
    nvml = fake_nvml.FakeNvml(fake_nvml.divided_h100())
    reader = NvmlReader(nvml)
    gpu = reader.read(7.0, processes=False).gpus[0]
    assert gpu.energy_j == 123_456_789.0 and gpu.mig is not None and gpu.last_xid is None
    assert gpu.mig[0].profile == "1g.10gb" and gpu.mig[0].uuid.startswith("MIG-")
    nvml.events += [(nvml.cards[0], 31), (nvml.cards[0], 79)]
    xid = reader.read(9.0, processes=False).gpus[0].last_xid
    assert xid is not None and (xid.code, xid.at) == (79, 9.0)
    reader.close()
    assert nvml.down and not nvml.registered


def test_an_older_driver_counts_what_is_reserved_as_used() -> None:
    nvml = fake_nvml.FakeNvml(fake_nvml.h100())

    def version_1(card: fake_nvml.Card, version: int | None = None) -> object:
        fake_nvml.check(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND if version else pynvml.NVML_SUCCESS)
        return fake_nvml.memory(card.memory)

    nvml.__dict__["nvmlDeviceGetMemoryInfo"] = version_1
    gpu = NvmlReader(nvml).read(7.0, processes=False).gpus[0]
    assert gpu.memory_reserved_bytes is None and gpu.memory_used_bytes == (73214 + 551) * 1024**2


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED])
def test_without_library_or_driver_somebody_else_is_asked(code: int) -> None:
    with pytest.raises(NvmlMissing):
        NvmlReader(fake_nvml.FakeNvml(init=code))


def test_a_driver_that_does_not_fit_is_named() -> None:
    with pytest.raises(Unavailable, match="mismatch"):
        NvmlReader(fake_nvml.FakeNvml(init=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH))


@pytest.mark.parametrize(
    ("recording", "words"), [("driver_error.txt", "couldn't communicate"), ("version_mismatch.txt", "version mismatch")]
)
def test_what_nvidia_smi_says_instead_is_passed_on(recording: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=words):
        smi(tmp_path, recording).read(7.0, processes=True)


def test_no_device_is_a_reading() -> None:
    empty = NvmlReader(fake_nvml.FakeNvml()).read(7.0, processes=True)
    assert (empty.gpus, empty.reason) == ((), "the driver finds no device")


def test_nvidia_smi_without_devices(tmp_path: Path) -> None:
    reading = smi(tmp_path, "no_devices.txt").read(7.0, processes=True)
    assert reading == GpuReading(at=7.0, source="nvidia-smi", reason="nvidia-smi finds no device")


def test_a_name_that_is_no_xml_costs_the_names_only(tmp_path: Path) -> None:
    text = (HERE / "rtx4090.xml").read_text().replace("&quot;A &amp; B&quot;", "A & B <i>\x1b[2J")
    (tmp_path / "odd.xml").write_text(text)
    gpu = smi(tmp_path, str(tmp_path / "odd.xml")).read(7.0, processes=True).gpus[0]
    assert gpu.processes is not None and gpu.temperature_c == 67
    assert [item.name for item in gpu.processes] == ["", ""] and gpu.processes[1].pid == 9120


@pytest.mark.parametrize("cut", [0, 40, 600, 4000])
def test_output_that_ends_early_is_an_error(cut: int, tmp_path: Path) -> None:
    (tmp_path / "cut.xml").write_text((HERE / "h100.xml").read_text()[:cut])
    with pytest.raises(Unavailable, match="nvidia-smi"):
        smi(tmp_path, str(tmp_path / "cut.xml")).read(7.0, processes=True)


def test_entities_are_refused(tmp_path: Path) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    (tmp_path / "bomb.xml").write_text(bomb)
    with pytest.raises(Unavailable, match="entities"):
        smi(tmp_path, str(tmp_path / "bomb.xml")).read(7.0, processes=True)


def running_commands() -> set[str]:
    lines = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended since
            lines.add(path.read_bytes().replace(b"\0", b" ").strip().decode(errors="replace"))
    return lines


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    marker = f"sleep 3{int(time.time()) % 1000:03}"  # found again among all processes
    began = time.monotonic()
    with pytest.raises(TimedOut, match="did not answer within"):
        SmiReader(command(tmp_path, f"{marker} | cat"), timeout_s=0.3).read(7.0, processes=True)
    assert time.monotonic() - began < 60  # not the 3,000 seconds of the command
    until(lambda: marker not in running_commands())


def test_the_command_is_never_taken_from_a_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path, "true")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".:relative:")
    assert find_command() is None
    monkeypatch.setenv("PATH", f".:{tmp_path}")
    assert find_command() == str(tmp_path / "nvidia-smi")


def test_the_command_sees_no_secret_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIG_KEY", "sk-secret")
    with pytest.raises(Unavailable, match="PATH=") as said:
        SmiReader(command(tmp_path, "env")).read(7.0, processes=True)
    assert "sk-secret" not in str(said.value)


def test_a_part_without_numbers_is_tolerated(tmp_path: Path) -> None:
    text = (HERE / "mig.xml").read_text().replace("9856 MiB", "N/A").replace("12 MiB</used>", "[Not Supported]</used>")
    (tmp_path / "thin.xml").write_text(text)
    gpu = smi(tmp_path, str(tmp_path / "thin.xml")).read(7.0, processes=False).gpus[0]
    assert gpu.mig is not None and gpu.mig[1] == MigDevice(instance=10, memory_free_bytes=9844 * 1024**2)
