"""What is signed of a version, against the formats' own examples."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
import yaml

from steward.core.errors import InputError
from steward.core.releases import ArtefactFile, ModelVersion
from steward.improvement.attestation import (
    compare_statement,
    encode_for_signing,
    make_bundle,
    make_provenance,
    make_signature_statement,
    open_bundle,
    write_card,
)

FILES = (ArtefactFile("b.json", "bb" * 32, 2), ArtefactFile("a.bin", "aa" * 32, 1))


def version(**fields: Any) -> ModelVersion:
    usual: dict[str, Any] = {
        "name": "support", "digest": "sha256:" + "3f" * 32, "kind": "adapter", "files": FILES, "created_at": 0.0,
        "created_by": "operator:1",
    }  # fmt: skip
    return ModelVersion(**{**usual, **fields})


def test_the_encoding_that_is_signed_is_the_specifications_example() -> None:
    # github.com/secure-systems-lab/dsse, protocol.md: PAE("http://example.com/HelloWorld", "hello world")
    assert encode_for_signing(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_statement_names_each_file_and_the_digest_over_all() -> None:
    statement = json.loads(make_signature_statement(version()))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://model_signing/signature/v1.0"
    assert [one["name"] for one in statement["predicate"]["resources"]] == ["a.bin", "b.json"]
    root = hashlib.sha256(b"\xaa" * 32 + b"\xbb" * 32).hexdigest()
    assert statement["subject"] == [{"name": "support@3f3f3f3f3f3f", "digest": {"sha256": root}}]


def sign(message: bytes) -> bytes:
    return hashlib.sha256(b"key" + message).digest()


def is_signed(signature: bytes, message: bytes) -> bool:
    return signature == sign(message)


def test_a_bundle_opens_to_its_statement_and_only_to_its_own() -> None:
    statement = make_signature_statement(version())
    bundle = make_bundle(statement, sign, "hint")
    assert open_bundle(bundle, is_signed) == json.loads(statement)
    tree = json.loads(bundle)
    tree["dsseEnvelope"]["payload"] = base64.b64encode(statement.replace(b"a.bin", b"c.bin")).decode()
    with pytest.raises(InputError, match="has changed"):
        open_bundle(json.dumps(tree).encode(), is_signed)
    with pytest.raises(InputError, match="not a signed statement"):
        open_bundle(b"{}", is_signed)


def test_what_differs_from_the_signed_files_is_named() -> None:
    statement = json.loads(make_signature_statement(version()))
    assert compare_statement(statement, version()) == []
    changed = (ArtefactFile("a.bin", "cc" * 32, 1), ArtefactFile("new", "dd" * 32, 1))
    assert compare_statement(statement, version(files=changed)) == [
        "a.bin: cccccccccccc…, signed was aaaaaaaaaaaa…",
        "b.json: signed, and not there",
        "new: there, and not signed",
    ]


def test_provenance_says_what_went_in() -> None:
    details = {
        "dataset": {"name": "talks", "digest": "sha256:12"},
        "base": {"name": "starter", "digest": "34"},  # SHA-256 where it does not say
        "code": {"name": "repository", "digest": "sha1:56"},
        "parameters": {"epochs": 3},
        "trainer": "trl",
        "gate": {"verdict": "pass"},
    }
    statement = json.loads(make_provenance(version(details=details)))
    definition = statement["predicate"]["buildDefinition"]
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert definition["externalParameters"] == {"epochs": 3}
    assert definition["resolvedDependencies"] == [
        {"name": "data set", "digest": {"sha256": "12"}},
        {"name": "base model", "digest": {"sha256": "34"}},
        {"name": "code", "digest": {"sha1": "56"}},
    ]
    assert statement["predicate"]["runDetails"]["metadata"]["finishedOn"] == "1970-01-01T00:00:00+00:00"


def test_provenance_of_what_nobody_described_leaves_out_what_is_not_known() -> None:
    definition = json.loads(make_provenance(version()))["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"] == [] and definition["externalParameters"] == {}


def test_the_card_is_read_by_the_hub() -> None:
    details = {"base": {"name": "org/base"}, "dataset": {"name": "talks"}, "license": "apache-2.0"}
    card = write_card(version(details=details, tainted="someone was erased"))
    head = yaml.safe_load(card.split("---")[1])
    assert head == {
        "library_name": "peft", "base_model": "org/base", "base_model_relation": "adapter", "datasets": ["talks"],
        "license": "apache-2.0",
    }  # fmt: skip
    assert "**Tainted:** someone was erased" in card


@pytest.mark.parametrize(("length", "shown"), [(200, "x" * 200), (201, "x" * 199 + "…")])
def test_a_card_shows_two_hundred_characters_of_a_detail(length: int, shown: str) -> None:
    version = ModelVersion(
        name="m", digest="sha256:1", kind="gguf", files=(), created_at=0.0, created_by="a",
        details={"note": "x" * length, "steps": [1, 2]},
    )  # fmt: skip
    card = write_card(version)
    assert f"- note: `{shown}`\n" in card and "- steps: `[1,2]`\n" in card
