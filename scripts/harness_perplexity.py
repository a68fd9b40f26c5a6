"""Records what lm-evaluation-harness makes of the shipped model: the numbers that our perplexity must equal.

    make harness

A development-only oracle: needs nothing of steward but its files. Run it again when the starter model changes. The
harness is asked directly, as its command line would want a data set from a hub: its model class for the rolling
log-likelihoods, its task wikitext for words and bytes, its metrics for the ratios.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.metrics import bits_per_byte, weighted_perplexity
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks.wikitext.preprocess_wikitext import process_results
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

STARTER = Path(__file__).parent.parent / "src" / "steward" / "starter"
WINDOWS = (64, 256)
CASES = ((1, 4, 1), (4, 4, 1), (5, 4, 1), (8, 4, 1), (11, 4, 1), (11, 4, 3), (12, 5, 4), (3, 1, 1), (9, 8, 8))


def documents() -> list[str]:
    """Six texts of the shipped questions, of 2 to 30 lines, so that some fill many windows and one not even one."""
    lines = (STARTER / "sets" / "held_out.jsonl").read_text().splitlines()
    users = [json.loads(line)["user"] for line in lines]
    ends = (2, 12, 22, 42, 62, 92)
    return ["\n".join(users[start:end]) for start, end in zip((0, *ends), ends, strict=False)]


def measure(window: int) -> dict[str, Any]:
    model = HFLM(
        pretrained=str(STARTER),
        gguf_file="starter.gguf",
        dtype="float32",
        max_length=window,
        add_bos_token=False,
        device="cpu",
    )
    asked = [
        Instance(request_type="loglikelihood_rolling", doc={"page": text}, arguments=(text,), idx=index)
        for index, text in enumerate(documents())
    ]
    nats = model.loglikelihood_rolling(asked, disable_tqdm=True)
    rows = [process_results({"page": text}, [value]) for text, value in zip(documents(), nats, strict=True)]
    return {
        "nats": nats,
        "tokens": [len(model.tok_encode(text)) for text in documents()],
        "word_perplexity": weighted_perplexity([row["word_perplexity"] for row in rows]),
        "byte_perplexity": weighted_perplexity([row["byte_perplexity"] for row in rows]),
        "bits_per_byte": bits_per_byte([row["bits_per_byte"] for row in rows]),
        "prefix_token": model.prefix_token_id,
    }


def split(tokens: int, window: int, context: int) -> list[Any]:
    made = get_rolling_token_windows(list(range(1, tokens + 1)), 0, window, context)
    return [make_disjoint_window(pair) for pair in made]


def main() -> None:
    found = {
        "made_with": {name: version(name) for name in ("lm_eval", "torch", "transformers", "gguf")},
        "windows": [{"tokens": n, "window": w, "context_len": c, "made": split(n, w, c)} for n, w, c in CASES],
        "perplexity": {str(window): measure(window) for window in WINDOWS},
    }
    parts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    sys.stdout.write("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
