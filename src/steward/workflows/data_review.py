"""Looks at data without changing it: `steward data profile`, `check` and `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from steward.adapters.token_counters import make_token_counter
from steward.data.config import Source
from steward.data.contract import ContractResult, check_contract, load_contract
from steward.data.planner import plan_reading
from steward.data.profile import Profile, profile
from steward.data.reader import read_shard
from steward.data.report import write_report
from steward.workflows.curate import add_store
from steward.workflows.stage_parts import find_personal_data


def profile_files(files: list[str], text: str | None = None, tokenizer: Path | None = None) -> Profile:
    """`steward data profile`: rows that cannot be read are counted."""
    source = add_store(Source(path=files, text=text, on_error="skip"))
    read_plan = plan_reading(source)
    failed = 0

    def batches() -> Any:
        nonlocal failed
        for shard in read_plan.shards:
            for item in read_shard(shard, read_plan.shape, source):
                failed += len(item.failed)
                yield item.batch

    counter = make_token_counter(str(tokenizer)) if tokenizer else None
    result = profile(batches(), find_personal_data, counter=counter)
    return msgspec.structs.replace(result, failed=failed)


def check_files(contract: Path, files: list[str]) -> ContractResult:
    """`steward data check`."""
    loaded = load_contract(contract)
    source = add_store(Source(path=files, text=loaded.text, on_error="skip"))
    return check_contract(loaded, source, find_personal_data)


def write_run_report(output: Path) -> Path:
    """`steward data report`: the page's place."""
    return write_report(output, find_personal_data)
