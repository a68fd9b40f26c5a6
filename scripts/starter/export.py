"""Writes a checkpoint as the GGUF file that ships.

python scripts/starter/export.py WORK [--type q8_0|f16|f32] [--out FILE]    # reads WORK/model/
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from steward.adapters.trainers.gguf_llama import TYPES, write_llama

SHIPPED: Final = Path(__file__).parent.parent.parent / "src" / "steward" / "starter" / "starter.gguf"
NAME: Final = "Harbour Lane starter"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--type", choices=TYPES, default="q8_0")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    write_llama(options.work / "model", options.out, options.type, NAME)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
