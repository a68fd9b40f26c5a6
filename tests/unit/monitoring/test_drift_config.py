import contextlib
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from ranges import read_ranges
from steward.core.errors import InputError
from steward.monitoring.drift_config import DriftConfig, DriftPlan
from steward.settings import load_settings


def test_the_section_becomes_the_plan() -> None:
    assert DriftConfig(every_s=0, keep_for_days=7).plan() == DriftPlan(every_s=0.0, keep_for_days=7)
    assert DriftConfig(embeddings="vectors").plan().embeddings == "vectors"
    assert DriftConfig().plan() == DriftPlan(every_s=10.0, keep_for_days=35)


@pytest.mark.parametrize("values", [{"every_s": -1}, {"every_s": 3601}, {"keep_for_days": 1}, {"every": 5}])
def test_what_is_none_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        DriftConfig.model_validate(values)


def test_features_of_at_least_two_days_are_compared() -> None:
    assert read_ranges(DriftConfig) == {"every_s": "0.0 <= x <= 3600.0", "keep_for_days": "2 <= x <= 400"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bog", "unknown model (in monitoring.drift.embeddings) 'bog'; did you mean 'big'"),
        ("claude", "model 'claude' answers no /v1/embeddings; name one with backend: openai"),
        ("starter", "model 'starter' answers no /v1/embeddings"),
        ("big", ""),
        ("own", ""),
    ],
)
def test_only_a_model_that_embeds_can_be_named(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "steward.yaml").write_text(
        "models:\n  - {name: big, backend: openai, url: 'http://b:1'}\n"
        "  - {name: claude, backend: anthropic, url: 'http://c:1'}\n"
        "  - {name: starter, backend: embedded}\n  - {name: own, backend: embedded, embeddings: mean}\n"
        f"monitoring: {{drift: {{embeddings: {name}}}}}\n"
    )
    with pytest.raises(InputError, match=re.escape(message)) if message else contextlib.nullcontext():
        load_settings(tmp_path / "steward.yaml", environ={})
