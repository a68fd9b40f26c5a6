"""docs/how-to/a-hospitals-assistant.md does what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from conftest import inside

PAGE = (Path(__file__).parents[2] / "docs/how-to/a-hospitals-assistant.md").read_text(encoding="utf-8")


def test_the_page_does_what_it_shows(tmp_path: Path) -> None:
    (config,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    ((command, shown),) = re.findall(r"```console\n\$ steward (.*?)\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "steward.yaml").write_text(config)
    result = inside(*shlex.split(command), "--config", str(tmp_path / "steward.yaml"))
    assert result.returncode == 1, result.stderr
    assert re.sub("(PERSON|MRN)_[0-9A-Z]{10}", r"\1_…", result.stdout) == shown
