"""Every stage by the name it has in pipeline.yaml, and the class that is it; loaded when a pipeline names it."""

from __future__ import annotations

STAGES = {
    "extract": "steward.data.stages.extract:Extract",
    "normalise": "steward.data.stages.normalise:Normalise",
    "language": "steward.data.stages.language:Language",
    "quality": "steward.data.stages.quality:Quality",
    "preprocess": "steward.data.stages.preprocess:Preprocess",
    "classifier": "steward.data.stages.classifier:ClassifierStage",
    "toxicity": "steward.data.stages.toxicity:ToxicityStage",
    "sources": "steward.data.stages.sources:Sources",
    "blocklist": "steward.data.stages.blocklist:Blocklist",
    "secrets": "steward.data.stages.secrets:Secrets",
    "pii": "steward.data.stages.pii:Pii",
    "tokens": "steward.data.stages.tokens:Tokens",
    "filter": "steward.data.stages.filter:Filter",
    "columns": "steward.data.stages.columns:Columns",
    "split": "steward.data.stages.split:Split",
    "sample": "steward.data.stages.sample:Sample",
    "mix": "steward.data.stages.sample:Mix",
    "pack": "steward.data.stages.pack:Pack",
    "sort": "steward.data.stages.sort:Sort",
    "custom": "steward.data.stages.custom:Custom",
    "dedupe.exact": "steward.data.stages.dedupe_exact:DedupeExact",
    "dedupe.parts": "steward.data.stages.dedupe_parts:DedupeParts",
    "dedupe.substring": "steward.data.stages.dedupe_substring:DedupeSubstring",
    "dedupe.minhash": "steward.data.stages.dedupe_minhash:DedupeMinhash",
    "outliers": "steward.data.stages.outliers:Outliers",
    "decontaminate": "steward.data.stages.decontaminate:Decontaminate",
    "balance": "steward.data.stages.balance:Balance",
    "augment": "steward.data.stages.augment:Augment",
}
