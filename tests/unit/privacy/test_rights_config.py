"""Retention, processors and files of people: what the sections become."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ranges import read_limits
from steward.privacy.rights_config import (
    PersonalFilesConfig,
    Processor,
    ProcessorConfig,
    RetentionConfig,
    RetentionPlan,
)


def test_everything_is_kept_unless_told() -> None:
    assert RetentionConfig().plan() == RetentionPlan(feedback_text_s=None, request_people_s=None)


def test_days_become_seconds() -> None:
    plan = RetentionConfig.model_validate({"feedback_text_days": 0.5, "request_people_days": 2}).plan()
    assert plan == RetentionPlan(feedback_text_s=43_200.0, request_people_s=172_800.0)
    with pytest.raises(ValidationError):
        RetentionConfig.model_validate({"feedback_text_days": 0})


def test_a_processor_is_an_entry_of_the_register() -> None:
    told = {"name": "Cloud", "purpose": "answers", "country": "US", "models": ["big"], "keeps_days": 30}
    record = ProcessorConfig.model_validate(told).record()
    assert record == Processor(name="Cloud", purpose="answers", country="US", models=("big",), keeps_days=30.0)
    with pytest.raises(ValidationError):
        ProcessorConfig.model_validate({"name": "Cloud"})


def test_files_of_people_have_a_kind() -> None:
    assert PersonalFilesConfig.model_validate({"name": "tickets", "path": "t.jsonl"}).kind == "files"
    with pytest.raises(ValidationError):
        PersonalFilesConfig.model_validate({"name": "tickets", "path": "t.jsonl", "kind": "stuff"})


def test_days_end_after_a_century_and_no_word_is_empty() -> None:
    century = "0 < x <= 36500"
    assert read_limits(RetentionConfig) == {"feedback_text_days": century, "request_people_days": century}
    assert read_limits(ProcessorConfig) == {"purpose": "1 <= n", "country": "2 <= n <= 60", "keeps_days": century}
    assert read_limits(PersonalFilesConfig) == {"path": "1 <= n", "keep_days": century}
