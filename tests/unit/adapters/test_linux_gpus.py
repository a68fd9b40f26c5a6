from pathlib import Path

from steward.adapters.gpus.linux import WithKernelLog, list_pci_gpus, read_logged_xids
from steward.core.gpus import Gpu, GpuReading, Xid

# The form of /dev/kmsg: kernel.org Documentation/ABI/testing/dev-kmsg; the message as NVIDIA's "XID Errors" prints it.
LOG = """6,1021,5123456,-;nvidia: loading out-of-tree module taints kernel.
4,2050,90000000,-;NVRM: Xid (PCI:0000:18:00): 31, pid=41394, name=python3, Ch 00000008
4,2051,95000000,-;NVRM: Xid (PCI:0000:2a:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.
 SUBSYSTEM=pci
4,2052,99000000,c;NVRM: Xid (PCI:0000:18:00): 48, pid=41394, An uncorrectable double bit error has been detected
"""


class Two:
    def read(self, now: float, processes: bool) -> GpuReading:
        cards = (("00000000:18:00.0", None), ("00000000:2A:00.0", Xid(13, now + 1)))
        gpus = tuple(Gpu(index=number, pci=pci, last_xid=xid) for number, (pci, xid) in enumerate(cards))
        return GpuReading(at=now, source="nvidia-smi", gpus=gpus)

    def close(self) -> None:
        pass


def test_the_last_xid_of_each_gpu_counts(tmp_path: Path) -> None:
    (tmp_path / "kmsg").write_text(LOG)
    found = read_logged_xids(1e9, tmp_path / "kmsg")
    assert {pci_slot: xid.code for pci_slot, xid in found.items()} == {"0000:18:00": 48, "0000:2a:00": 79}
    assert round(found["0000:18:00"].at - found["0000:2a:00"].at, 6) == 4.0


def test_the_log_fills_in_what_the_reader_did_not_see_and_gives_way_to_what_is_newer(tmp_path: Path) -> None:
    (tmp_path / "kmsg").write_text(LOG)
    gpus = WithKernelLog(Two(), tmp_path / "kmsg").read(1e9, processes=False).gpus
    assert [gpu.last_xid and gpu.last_xid.code for gpu in gpus] == [48, 13]


def test_a_log_that_may_not_be_read_tells_nothing(tmp_path: Path) -> None:
    assert read_logged_xids(1e9, tmp_path / "none") == {}


def test_a_process_cannot_forge_an_xid(tmp_path: Path) -> None:
    (tmp_path / "kmsg").write_text("12,7,5,-;somebody says NVRM: Xid (PCI:0000:18:00): 79, pid=1\n")
    assert read_logged_xids(1e9, tmp_path / "kmsg") == {}


def test_gpus_are_found_on_the_bus_by_vendor_and_class(tmp_path: Path) -> None:
    for name, vendor, kind in (
        ("0000:18:00.0", "0x10de", "0x030200"),  # 3D controller: a GPU of a server
        ("0000:01:00.1", "0x10de", "0x040300"),  # the sound of a graphics card
        ("0000:05:00.0", "0x102b", "0x030000"),  # a mainboard's Matrox
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    assert list_pci_gpus(tmp_path) == ["0000:18:00.0"]
    assert list_pci_gpus(tmp_path / "none") == []
