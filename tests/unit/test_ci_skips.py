"""The hook that makes a skip in CI a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ci_skips import ALLOWED, is_forbidden, read_allowed

TESTS = Path(__file__).parent.parent


def run_pytest(folder: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "ci_skips", "-p", "no:cacheprovider", "test_it.py"]
    given = {**os.environ, "PYTHONPATH": str(TESTS), **environment}
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True)


@pytest.mark.parametrize("text", ["def test_a(): pytest.skip('no browser')", "pytest.importorskip('no_browser')"])
def test_a_skip_fails_in_ci_and_only_there(tmp_path: Path, text: str) -> None:
    failed = run_pytest(tmp_path, f"import pytest\n{text}", CI="true")
    assert failed.returncode != 0 and "A skip in CI is a failure" in failed.stdout
    assert run_pytest(tmp_path, f"import pytest\n{text}", CI="").returncode in (0, 5)  # 5: no test was collected


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    text = "import pytest\n@pytest.mark.xfail\ndef test_a(): assert False"
    assert run_pytest(tmp_path, text, CI="true").returncode == 0


def test_a_listed_skip_is_allowed() -> None:
    patterns = ["tests/a.py::test_b[sqlite-*]"]
    assert not is_forbidden("tests/a.py::test_b[sqlite-1]", patterns, {"CI": "1"})
    assert is_forbidden("tests/a.py::test_b[postgres-1]", patterns, {"CI": "1"})
    assert not is_forbidden("tests/a.py::test_b[postgres-1]", patterns, {"CI": "false"})


def test_each_listed_skip_gives_a_reason_and_names_a_file() -> None:
    with pytest.raises(ValueError, match="gives no reason"):
        read_allowed(["tests/a.py::test_b"])
    for pattern in read_allowed(ALLOWED.read_text().splitlines()):
        assert (TESTS.parent / pattern.partition("::")[0]).exists(), pattern
