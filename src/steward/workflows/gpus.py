"""Finds a reader for this machine's GPUs, and keeps a reading at hand so that nobody waits for the driver.

NVML first, `nvidia-smi` where its binding or its library is missing, and the kernel's log of XIDs beside both. A driver
that hangs holds the thread that asked it; here that is never the thread of a request or of a person.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn, TypeVar

from steward.adapters.gpus.linux import WithKernelLog, list_pci_gpus
from steward.adapters.gpus.smi import SmiReader, find_command
from steward.core.errors import StewardError, TimedOut, Unavailable, describe_trace
from steward.core.extend import GpuReader
from steward.core.extras import install_command
from steward.core.gpus import GpuReading, GpuStatus

log = logging.getLogger(__name__)

INTERVAL_S: Final = 10.0  # DCGM-exporter's default is 30 s, Prometheus's usual interval 15 s
LOOK_AGAIN_S: Final = 60.0  # where there was no GPU: a driver may be loaded later
TIMEOUT_S: Final = 10.0
STALE_S: Final = 300.0  # after which old numbers are shown no more: Prometheus's own lookback
EXTRA: Final = f"{install_command('gpu')}"

Answer = TypeVar("Answer")
Plugged = Callable[[], list[str]]  # PCI addresses of the GPUs that the machine has


def find_reader(timeout_s: float = TIMEOUT_S) -> GpuReader | str:
    """A reader, or why there is no GPU to read.

    :raises Unavailable: there is a GPU, or what is left of one, and nothing that can read it
    """
    try:
        from steward.adapters.gpus.nvml import NvmlMissing, NvmlReader
    except ImportError:
        why = f"NVIDIA's Python binding is not installed ({EXTRA})"
    else:
        try:
            return WithKernelLog(NvmlReader())
        except NvmlMissing as error:
            why = f"NVML says {error}"
    command = find_command()
    if command is not None:
        return WithKernelLog(SmiReader(command, timeout_s))
    if plugged := list_pci_gpus():
        raise Unavailable(
            f"there is an NVIDIA GPU at {', '.join(plugged)}, but nothing can read it: {why}, and nvidia-smi is not in "
            "PATH; install or load NVIDIA's driver"
        )
    return f"no NVIDIA GPU is plugged in or passed to this container: {why}, and nvidia-smi is not in PATH"


def read_once(
    found: GpuReader | str, processes: bool, timeout_s: float = TIMEOUT_S, plugged: Plugged = list_pci_gpus
) -> GpuReading:
    """One reading, a little after `timeout_s` seconds at the latest.

    :raises TimedOut: the driver hangs
    :raises Unavailable: it does not work
    """
    now = time.time()
    if isinstance(found, str):
        return GpuReading(at=now, source="none", reason=found)
    try:
        return run_with_timeout(
            lambda: found.read(now, processes), timeout_s + 2.0
        )  # nvidia-smi has a limit of its own
    except Unavailable as error:
        if not _is_expected_failure(error, plugged):
            raise
        return GpuReading(at=now, source="none", reason=f"no NVIDIA GPU is on the PCI bus, and {error}")


def _is_expected_failure(error: Unavailable, plugged: Plugged) -> bool:
    """An image may contain NVIDIA's tools on a machine without a GPU; their failure is then expected."""
    return not isinstance(error, TimedOut) and not plugged()


def run_with_timeout(act: Callable[[], Answer], seconds: float) -> Answer:
    """What `act` returns or raises, in a thread that is left behind when it hangs.

    :raises TimedOut: nothing came
    """
    answers: queue.SimpleQueue[Callable[[], Answer]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer = act()
        except BaseException as error:  # whatever it is, it belongs to whoever asked
            answers.put(partial(_raise, error))
        else:
            answers.put(lambda: answer)

    threading.Thread(target=run, name="gpus", daemon=True).start()
    try:
        take = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimedOut(f"the GPU driver did not answer within {seconds:g} s and may hang; see `dmesg`") from None
    return take()


def _raise(error: BaseException) -> NoReturn:
    raise error


class Sampler:
    """Reads every `interval_s` seconds in a thread of its own; who asks gets the last reading and its age at once."""

    def __init__(
        self,
        find: Callable[[], GpuReader | str] = find_reader,
        interval_s: float = INTERVAL_S,
        look_again_s: float = LOOK_AGAIN_S,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        plugged: Plugged = list_pci_gpus,
    ) -> None:
        self._find, self._clock, self._plugged = find, clock, plugged
        self._interval_s, self._look_again_s, self._timeout_s = interval_s, look_again_s, timeout_s
        self._last: tuple[GpuReading, float] | None = None
        self._error = ""
        self._busy_since: float | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="gpus", daemon=True).start()

    def stop(self) -> None:
        """Ask the thread to end; it does after the reading that it is in."""
        self._stop.set()

    def status(self) -> GpuStatus:
        """Never waits. Without a GPU it is empty."""
        now, busy, error = self._clock(), self._busy_since, self._error
        if busy is not None and now - busy > self._timeout_s:
            error = f"the driver has not answered for {now - busy:.0f} s"
        if self._last is None:
            return GpuStatus(error=error)
        reading, at = self._last
        age_s = max(0.0, now - at)
        return GpuStatus(reading=reading if age_s <= STALE_S else None, age_s=age_s, error=error)

    def _run(self) -> None:
        reader: GpuReader | None = None
        wait_s = 0.0
        while not self._stop.wait(wait_s):
            self._busy_since = self._clock()
            try:
                if reader is None:
                    reader_or_reason = self._find()
                    reader = None if isinstance(reader_or_reason, str) else reader_or_reason
                if reader is not None:
                    self._keep(reader.read(time.time(), processes=False))
                self._error = ""
            except Exception as error:  # the edge of this thread: whatever it is, it goes on
                self._report_failure(error)
                if reader is not None:
                    reader.close()  # a new one may find a driver that was loaded anew
                    reader = None
            finally:
                self._busy_since = None
            wait_s = self._interval_s if reader is not None else self._look_again_s
        if reader is not None:
            reader.close()

    def _keep(self, reading: GpuReading) -> None:
        self._last = (reading, self._clock()) if reading.gpus else None

    def _report_failure(self, error: Exception) -> None:
        if self._last is None and isinstance(error, Unavailable) and _is_expected_failure(error, self._plugged):
            return
        ours = not isinstance(error, StewardError)
        message = f"Internal error ({type(error).__name__}): this is a bug in steward" if ours else str(error)
        if message != self._error:
            log.warning("GPUs cannot be read: %s%s", message, f"\n{describe_trace(error)}" if ours else "")
        self._error = message
