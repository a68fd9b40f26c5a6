from pathlib import Path

from steward.core.gauges import GaugeSample
from steward.core.gpus import Gpu, GpuReading, GpuStatus
from steward.workflows.machine_gauges import MachineSampler, read_process_memory


def process(proc: Path, pid: int, parent: int, command: str, rss_kib: int) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_bytes(command.replace(" ", "\0").encode())
    (folder / "status").write_text(f"Name:\tpython\nPPid:\t{parent}\nVmRSS:\t  {rss_kib} kB\nThreads:\t3\n")


def test_memory_of_the_supervisors_children_by_kind(tmp_path: Path) -> None:
    process(tmp_path, 2, 1, "python -m steward.processes.worker --plan x", 100)
    process(tmp_path, 3, 1, "python -m steward.processes.worker --plan x", 50)
    process(tmp_path, 4, 1, "python -m steward.processes.keeper", 10)
    process(tmp_path, 5, 9, "python -m steward.processes.worker", 999)  # of another deployment
    process(tmp_path, 6, 1, "bash", 999)
    (tmp_path / "7").mkdir()  # it has just ended
    (tmp_path / "self").mkdir()
    assert read_process_memory(tmp_path, 1) == {"worker": 150 * 1024, "keeper": 10 * 1024}
    assert read_process_memory(tmp_path / "none", 1) == {}


class KeptSamples:
    def __init__(self) -> None:
        self.samples: list[GaugeSample] = []

    def add(self, samples: list[GaugeSample]) -> None:
        self.samples += samples


def test_samples_are_of_this_machine() -> None:
    gpus = (Gpu(index=0, memory_used_bytes=5, gpu_percent=50.0), Gpu(index=1, error="lost"))
    status = GpuStatus(reading=GpuReading(at=1.0, source="nvml", gpus=gpus), age_s=0.0)
    kept = KeptSamples()
    MachineSampler(kept, lambda: status, lambda: 60.0, lambda: {"worker": 7}, "a").run()  # type: ignore[arg-type]
    assert kept.samples == [
        GaugeSample(60.0, "worker@a", "process_memory", 7.0),
        GaugeSample(60.0, "0@a", "gpu_memory", 5.0),
        GaugeSample(60.0, "0@a", "gpu_busy", 0.5),
    ]
    MachineSampler(kept, GpuStatus, lambda: 90.0, dict, "a").run()  # type: ignore[arg-type]
    assert len(kept.samples) == 3
