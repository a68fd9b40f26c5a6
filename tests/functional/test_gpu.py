"""`steward gpu` and the GPUs of a deployment, with an NVML of our own and commands in the place of nvidia-smi."""

from __future__ import annotations

import ctypes.util
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from conftest import SOON_S, Deployment, inside, run, until

HERE = Path(__file__).parent
RECORDINGS = HERE.parent / "contract" / "nvidia_smi"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a libnvidia-ml.so.1."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc")
    folder = tmp_path_factory.mktemp("nvml")
    built = [compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-stringop-truncation", "-o"]
    subprocess.run([*built, str(folder / "libnvidia-ml.so.1"), str(HERE / "nvml_stub.c")], check=True, timeout=30)
    return str(folder)


def beside(folder: Path, body: str) -> str:
    """A PATH with a nvidia-smi in front, on a machine whose NVML is not found."""
    if ctypes.util.find_library("nvidia-ml"):
        pytest.skip("this machine has NVML, which is asked first")
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{body}\n")
    (folder / "nvidia-smi").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_nvml_is_read_through_nvidias_binding(library: str) -> None:
    done = run("gpu", "--json", LD_LIBRARY_PATH=library)
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"], found["reading"]["source"]) == (0, "well", "nvml")
    assert (found["reading"]["driver"], found["reading"]["cuda"]) == ("570.133.20", "12.8")
    [gpu] = found["reading"]["gpus"]
    assert gpu["processes"][0].pop("name").startswith("/usr/bin/python3.12")
    expected = {
        "name": "NVIDIA H100 80GB HBM3", "pci": "00000000:18:00.0", "uuid": "GPU-4f1c0c1e", "gpu_percent": 97.0,
        "memory_total_bytes": 81559 << 20, "memory_used_bytes": 73214 << 20, "memory_reserved_bytes": 551 << 20,
        "memory_percent": 41.0, "encoder_percent": None, "temperature_c": 83.0, "memory_temperature_c": 88.0,
        "power_w": 688.41, "power_limit_w": 700.0, "energy_j": 123456789.0, "sm_clock_mhz": 1410.0,
        "sm_clock_max_mhz": 1980.0, "memory_clock_mhz": 2619.0, "ecc_corrected": 12, "ecc_uncorrected": 0,
        "rows_remapped_corrected": 1, "rows_remapped_uncorrected": 2, "row_remap_failed": False, "mig": None,
        "reasons": ["sw_power_cap", "hw_slowdown", "hw_thermal"],
        "processes": [{"pid": 41394, "kind": "compute", "memory_bytes": 73200 << 20, "instance": None}],
    }  # fmt: skip
    assert {name: gpu[name] for name in expected} == expected


def test_a_watch_ends_after_its_count_and_tells_an_xid_that_came_meanwhile(library: str) -> None:
    done = run("gpu", "--watch", "--json", "--count", "3", "--interval", "0.2", LD_LIBRARY_PATH=library)
    readings = [json.loads(line)["reading"] for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(readings) == 3
    assert 0.35 < readings[2]["at"] - readings[0]["at"] < 5.0
    assert readings[0]["gpus"][0]["last_xid"] is None and readings[1]["gpus"][0]["last_xid"]["code"] == 31


def test_the_table_says_what_is_wrong_and_prints_no_escape_of_a_process(library: str) -> None:
    done = run("gpu", LD_LIBRARY_PATH=library)
    assert "H100 80GB HBM3" in done.stdout and "71.5 / 79.6" in done.stdout and "688 / 700" in done.stdout
    assert "too hot: the hardware lowers the clocks" in done.stdout and "41394" in done.stdout
    assert "\x1b" not in done.stdout and "python3.12?[2J" in done.stdout


def test_a_driver_that_hangs_ends_the_command_with_4(library: str) -> None:
    began = time.monotonic()
    done = run("gpu", LD_LIBRARY_PATH=library, NVML_STUB="hang")
    assert done.returncode == 4 and "may hang" in done.stderr and time.monotonic() - began < 25


def test_without_nvml_nvidia_smi_is_asked_and_an_ill_gpu_is_exit_1(tmp_path: Path) -> None:
    path = beside(tmp_path, f"cat {RECORDINGS / 'h100.xml'}")
    done = inside("gpu", "--json", PATH=path)
    assert done.returncode == 1 and json.loads(done.stdout)["verdict"] == "ill"
    assert "GPU 1: 3 uncorrected ECC errors" in inside("gpu", PATH=path).stdout


def test_without_a_gpu_it_is_said_and_exit_3(tmp_path: Path) -> None:
    path = beside(tmp_path, f"cat {RECORDINGS / 'no_devices.txt'}; exit 6")
    done = inside("gpu", PATH=path)
    assert done.returncode == 3 and done.stdout.startswith("No GPU found: nvidia-smi finds no device")
    assert json.loads(inside("gpu", "--json", PATH=path).stdout)["verdict"] == "none"


def test_without_the_binding_the_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pynvml'] = None; from steward.__main__ import main; main()"
    command, environment = [sys.executable, "-c", code, "gpu"], {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)
    said = done.stdout + done.stderr  # a machine with a GPU says it as an error
    assert done.returncode in (3, 4) and "[gpu]'" in said and "nvidia-smi is not in PATH" in said


def test_bad_spans_are_refused() -> None:
    for arguments in (("--interval", "0"), ("--interval", "nan"), ("--count", "0")):
        assert inside("gpu", *arguments).returncode == 2


def scrape(one: Deployment) -> str:
    with urllib.request.urlopen(f"{one.console_url}/metrics", timeout=60) as answer:
        text: str = answer.read().decode()
    return text


def test_a_nvidia_smi_that_starts_to_hang_holds_up_no_scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = beside(tmp_path, f"[ -e {tmp_path}/hang ] && sleep 600; cat {RECORDINGS / 'h100.xml'}")
    monkeypatch.setenv("PATH", path)
    deployment = Deployment(tmp_path / "home", "--workers", "1")
    try:
        text = until(lambda: (found := scrape(deployment)).count("DCGM_FI_DEV_GPU_UTIL{") and found)
        assert 'DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-4f1c0c1e' in text and "python3.12" not in text
        (tmp_path / "hang").touch()
        until(lambda: "steward_gpu_reading_failing 1" in scrape(deployment), 40)
        began = time.monotonic()
        assert "DCGM_FI_DEV_GPU_UTIL{" in scrape(deployment) and time.monotonic() - began < SOON_S
    finally:
        deployment.stop()
