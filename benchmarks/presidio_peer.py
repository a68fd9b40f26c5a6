"""What `bench_privacy.py` runs in an environment with Presidio in it: sentences of its generator, and its own finds.

    PEER/bin/python benchmarks/presidio_peer.py generate COUNT SEED > sentences.jsonl
    PEER/bin/python benchmarks/presidio_peer.py scan < texts.jsonl > finds.jsonl

PEER has `presidio-analyzer` and `presidio-evaluator`. `scan` uses patterns only: spaCy's blank English, no model. Rows
are {"text", "spans": [[start, end, entity]]}; `scan` writes its seconds of processor time to the standard error.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time


def generate(count: int, seed: int) -> None:
    from presidio_evaluator.data_generator import PresidioSentenceFaker

    random.seed(seed)
    with contextlib.redirect_stdout(sys.stderr):  # it speaks of its defaults there
        maker = PresidioSentenceFaker(locale="en", lower_case_ratio=0.05, random_seed=seed)
        rows = maker.generate_new_fake_sentences(num_samples=count)
    for row in rows:
        spans = [[span.start_position, span.end_position, span.entity_type] for span in row.spans]
        print(json.dumps({"text": row.full_text, "spans": spans, "template": row.template_id}))


def scan() -> None:
    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

    engine = AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])
    texts = [json.loads(line)["text"] for line in sys.stdin]
    engine.analyze(texts[0], "en")
    began = time.process_time()
    finds = [engine.analyze(text, "en", score_threshold=0.4) for text in texts]
    print(time.process_time() - began, file=sys.stderr)
    for text, results in zip(texts, finds, strict=True):
        print(json.dumps({"text": text, "spans": [[one.start, one.end, one.entity_type] for one in results]}))


if __name__ == "__main__":
    if sys.argv[1] == "generate":
        generate(int(sys.argv[2]), int(sys.argv[3]))
    else:
        scan()
