"""The Croissant file of a training set: what a catalogue of data sets reads (MLCommons, Croissant 1.0).

Only the slices that lie there in clear are described; the sealed one stands among the files with its digest.
`check_croissant` holds the file against what the specification requires; mlcroissant 1.1.1 accepts what stands here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from steward.core.errors import Contradiction
from steward.improvement.dataset.manifest import DatasetManifest

CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.0"
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet", "samplingRate": "cr:samplingRate",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip
_FIELDS: Final = {
    "id": ("sc:Text", "the exchange, or file and line"),
    "origin": ("sc:Text", "correction, file, rating, exchange or replay"),
    "prompt": ("sc:Text", "messages before the answer"),
    "completion": ("sc:Text", "the answer to learn"),
}
_REQUIRED: Final = ("@context", "@type", "conformsTo", "name", "description", "license", "url", "datePublished")
_OF_FILES: Final = ("@id", "@type", "name", "contentUrl", "encodingFormat", "sha256")


def make_croissant(manifest: DatasetManifest) -> dict[str, Any]:
    """:raises Contradiction: what was made does not meet the specification"""
    files = [
        {
            "@type": "cr:FileObject", "@id": one.name, "name": one.name, "contentUrl": one.name,
            "contentSize": f"{one.bytes} B", "sha256": one.sha256,
            "encodingFormat": "application/octet-stream" if one.name.endswith(".sealed") else "application/jsonlines",
        }
        for one in manifest.files
    ]  # fmt: skip
    clear = [one.name for one in manifest.files if one.name in ("train.jsonl", "select.jsonl") and one.rows]
    parameters = manifest.parameters
    croissant = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": manifest.name,
        "description": parameters.get("description") or f"Training set {manifest.name}, built by steward.",
        "license": parameters.get("license") or "https://llm-steward.example/licenses/internal-use-only",
        "url": f"urn:steward:dataset:{manifest.name}",
        "version": "1.0.0",
        "datePublished": datetime.fromtimestamp(manifest.created_at, UTC).date().isoformat(),
        "citeAs": f"{manifest.name}, steward {manifest.version}",
        "distribution": files,
        "recordSet": [_describe_records(name) for name in clear],
    }
    if problems := check_croissant(croissant):
        raise Contradiction(f"the Croissant file of {manifest.name}: {problems[0]}")
    return croissant


def _describe_records(file: str) -> dict[str, Any]:
    name = file.partition(".")[0]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {
                "@type": "cr:Field", "@id": f"{name}/{field}", "name": f"{name}/{field}", "description": meaning,
                "dataType": kind, "source": {"fileObject": {"@id": file}, "extract": {"column": field}},
            }
            for field, (kind, meaning) in _FIELDS.items()
        ],
    }  # fmt: skip


def check_croissant(croissant: dict[str, Any]) -> list[str]:
    """What the specification requires and the file lacks: properties, digests, sources that are files of the set."""
    problems = [f"{name} is missing" for name in _REQUIRED if not croissant.get(name)]
    if croissant.get("conformsTo") != CONFORMS_TO:
        problems.append(f"conformsTo is {croissant.get('conformsTo')!r}; expected {CONFORMS_TO!r}")
    names = set()
    for file in croissant.get("distribution", []):
        problems += [f"file {file.get('@id')}: {name} is missing" for name in _OF_FILES if not file.get(name)]
        names.add(file.get("@id"))
    for records in croissant.get("recordSet", []):
        for field in records.get("field", []):
            if not field.get("dataType"):
                problems.append(f"field {field.get('@id')}: dataType is missing")
            if field.get("source", {}).get("fileObject", {}).get("@id") not in names:
                problems.append(f"field {field.get('@id')}: its source is no file of the set")
    return problems
