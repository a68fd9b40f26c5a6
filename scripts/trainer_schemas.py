"""Write src/steward/adapters/trainers/schemas.json: the keys that Axolotl and LLaMA-Factory know, and their kinds.

    python -m venv peers && peers/bin/pip install axolotl llamafactory   # neither needs a GPU to be read
    peers/bin/python scripts/trainer_schemas.py

Axolotl's are the fields of its pydantic model `AxolotlInputConfig`, LLaMA-Factory's those of the dataclasses that its
`HfArgumentParser` reads. A kind that JSON Schema has no short word for is left open: then only the name is checked.
Run it in an environment of theirs: both pin what steward does not.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import importlib.metadata
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

OUT: Final = Path(__file__).parent.parent / "src" / "steward" / "adapters" / "trainers" / "schemas.json"
KINDS: Final = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)

LLAMAFACTORY: Final = (
    ("model_args", "ModelArguments"),
    ("data_args", "DataArguments"),
    ("training_args", "TrainingArguments"),
    ("finetuning_args", "FinetuningArguments"),
    ("generating_args", "GeneratingArguments"),
)


def describe(annotation: Any) -> dict[str, Any]:
    """A kind in the words of `schema_check.py`; empty where it takes several.

    >>> describe(float | None), describe(typing.Literal["a", "b"]), describe(int | str)
    ({'type': 'number'}, {'enum': ['a', 'b']}, {})
    """
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return describe(parts[0])
    if origin in (typing.Union, types.UnionType):
        inner = [describe(part) for part in parts if part is not type(None)]
        return inner[0] if len({json.dumps(one) for one in inner}) == 1 else {}
    if origin is typing.Literal:
        return {"enum": list(parts)}
    kind = origin or annotation
    if not isinstance(kind, type):
        return {}
    if issubclass(kind, enum.Enum):
        values = [one.value for one in kind]
        return {"enum": values} if all(isinstance(one, str) for one in values) else {}
    return next(({"type": word} for base, word in KINDS if issubclass(kind, base)), {})


def read_axolotl() -> dict[str, Any]:
    model = importlib.import_module("axolotl.utils.schemas.config").AxolotlInputConfig
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    return _write("axolotl", "axolotl.utils.schemas.config.AxolotlInputConfig", fields)


def read_llamafactory() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for module, name in LLAMAFACTORY:
        one = getattr(importlib.import_module(f"llamafactory.hparams.{module}"), name)
        hints = typing.get_type_hints(one)
        fields |= {field.name: hints.get(field.name) for field in dataclasses.fields(one) if field.init}
    return _write("llamafactory", "the dataclasses of llamafactory.hparams.parser", fields)


def _write(package: str, source: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: describe(fields[name]) for name in sorted(fields)}
    return {"version": importlib.metadata.version(package), "source": source, "properties": properties}


def main() -> None:
    schemas = {"axolotl": read_axolotl(), "llamafactory": read_llamafactory()}
    lines = []
    for package, one in schemas.items():
        keys = ",\n".join(f"   {json.dumps(name)}: {json.dumps(kind)}" for name, kind in one["properties"].items())
        head = f'  "version": {json.dumps(one["version"])},\n  "source": {json.dumps(one["source"])},'
        lines.append(f' "{package}": {{\n{head}\n  "properties": {{\n{keys}\n  }}\n }}')
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    counts = ", ".join(f"{len(one['properties'])} keys of {name}" for name, one in schemas.items())
    print(f"{OUT}: {counts}")


if __name__ == "__main__":
    main()
