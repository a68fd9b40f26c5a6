"""What is signed of a model's version, in the formats that others read: in-toto statements in DSSE envelopes.

Pure: whoever calls holds the key. Sources: in-toto attestation v1 (Statement), SLSA provenance v1, the OpenSSF model
signing predicate https://model_signing/signature/v1.0, DSSE v1.0.2 (pre-authentication encoding), Sigstore bundle v0.3.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from steward.core.errors import InputError
from steward.core.excerpts import cut_digest, cut_reason
from steward.core.releases import ModelVersion

STATEMENT: Final = "https://in-toto.io/Statement/v1"
SIGNATURE: Final = "https://model_signing/signature/v1.0"
PROVENANCE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "https://github.com/llm-steward/llm-steward/train/v1"
PAYLOAD: Final = "application/vnd.in-toto+json"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


def make_signature_statement(version: ModelVersion, ignored: Iterable[str] = ()) -> bytes:
    """The statement that names each file and its digest.

    As OpenSSF model signing: the one subject is the digest over all files' digests, in the order of their paths.
    `ignored`: paths beside them that are not signed.
    """
    files = sorted(version.files, key=lambda file: file.path)
    root = hashlib.sha256(b"".join(bytes.fromhex(file.sha256) for file in files)).hexdigest()
    predicate = {
        "serialization": {
            "method": "files",
            "hash_type": "sha256",
            "allow_symlinks": False,
            "ignore_paths": sorted(set(ignored) - {file.path for file in files}),
        },
        "resources": [{"name": file.path, "algorithm": "sha256", "digest": file.sha256} for file in files],
    }
    return _encode_statement(SIGNATURE, [{"name": version.served, "digest": {"sha256": root}}], predicate)


def make_provenance(version: ModelVersion) -> bytes:
    """SLSA provenance: what the version was made of, by what, when. What is not known is left out."""
    details = version.details
    dependencies = [
        {"name": name, "digest": _read_digest(details[key])}
        for name, key in (("data set", "dataset"), ("base model", "base"), ("code", "code"))
        if isinstance(details.get(key), dict) and details[key].get("digest")
    ]
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": details.get("parameters", {}),
            "internalParameters": {"trainer": details.get("trainer", ""), "seed": details.get("seed")},
            "resolvedDependencies": dependencies,
        },
        "runDetails": {
            "builder": {"id": str(details.get("builder", version.created_by))},
            "metadata": {
                "invocationId": str(details.get("run", version.digest)),
                "finishedOn": datetime.fromtimestamp(version.created_at, UTC).isoformat(timespec="seconds"),
            },
            "byproducts": [{"name": "gate", "content": _to_base64(details["gate"])}] if "gate" in details else [],
        },
    }
    subjects = [{"name": file.path, "digest": {"sha256": file.sha256}} for file in version.files]
    return _encode_statement(PROVENANCE, subjects, predicate)


def _encode_statement(predicate_type: str, subjects: list[dict[str, Any]], predicate: dict[str, Any]) -> bytes:
    statement = {"_type": STATEMENT, "subject": subjects, "predicateType": predicate_type, "predicate": predicate}
    return msgspec.json.encode(statement)


def _read_digest(part: dict[str, Any]) -> dict[str, str]:
    algorithm, _, value = str(part["digest"]).rpartition(":")
    return {algorithm or "sha256": value}


def _to_base64(value: object) -> str:
    return base64.b64encode(msgspec.json.encode(value)).decode()


def encode_for_signing(payload: bytes, payload_type: str = PAYLOAD) -> bytes:
    """What is signed: DSSE's pre-authentication encoding.

    >>> encode_for_signing(b"hello world", "http://example.com/HelloWorld")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def make_bundle(statement: bytes, sign: Callable[[bytes], bytes], key_hint: str) -> bytes:
    """A statement, signed, as a Sigstore bundle that names its key by a hint and needs no network."""
    signature = base64.b64encode(sign(encode_for_signing(statement))).decode()
    bundle = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key_hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": PAYLOAD,
            "signatures": [{"sig": signature, "keyid": key_hint}],
        },
    }
    return msgspec.json.format(msgspec.json.encode(bundle))


def open_bundle(bundle: bytes, verify: Callable[[bytes, bytes], bool]) -> dict[str, Any]:
    """The statement of a bundle that `verify` (signature, message) accepts.

    :raises InputError: no bundle, or no signature that is accepted
    """
    try:
        envelope = msgspec.json.decode(bundle)["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
        kind = str(envelope["payloadType"])
        statement: dict[str, Any] = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, KeyError, TypeError, binascii.Error, ValueError) as error:
        raise InputError(f"not a signed statement ({type(error).__name__}); `steward model sign` writes one") from error
    if not any(verify(signature, encode_for_signing(payload, kind)) for signature in signatures):
        raise InputError("the signature is another key's, or what was signed has changed")
    return statement


def compare_statement(statement: dict[str, Any], version: ModelVersion) -> list[str]:
    """What the version's files say otherwise than the signed statement; nothing: they are what was signed."""
    signed = {
        str(one.get("name")): str(one.get("digest"))
        for one in statement.get("predicate", {}).get("resources", ())
        if isinstance(one, dict)
    }
    own = {file.path: file.sha256 for file in version.files}
    changed = [
        f"{path}: {cut_digest(own[path])}…, signed was {cut_digest(signed[path])}…"
        for path in sorted(set(own) & set(signed))
        if own[path] != signed[path]
    ]
    missing = [f"{path}: signed, and not there" for path in sorted(set(signed) - set(own))]
    return [*changed, *missing, *(f"{path}: there, and not signed" for path in sorted(set(own) - set(signed)))]


def hub_fields(version: ModelVersion) -> dict[str, Any]:
    """The YAML at the top of a model card, as the Hugging Face Hub reads it."""
    details = version.details
    base, data = details.get("base"), details.get("dataset")
    fields: dict[str, Any] = {"library_name": "gguf" if version.kind == "gguf" else "peft"}
    if isinstance(base, dict) and base.get("name"):
        fields |= {"base_model": base["name"]}
        fields |= {"base_model_relation": "adapter" if version.kind == "adapter" else "finetune"}
    if isinstance(data, dict) and data.get("name"):
        fields["datasets"] = [data["name"]]
    if details.get("license"):
        fields["license"] = details["license"]
    return fields


def write_card(version: ModelVersion) -> str:
    """A model card as the Hugging Face Hub reads it: YAML between dashes, then what people read."""
    details = version.details
    head = msgspec.yaml.encode(hub_fields(version)).decode()
    lines = [f"# {version.served}", "", f"Digest: `{version.digest}`", ""]
    lines += [f"- {name}: `{_shorten(value)}`" for name, value in sorted(details.items())]
    if version.tainted:
        lines += ["", f"**Tainted:** {version.tainted}"]
    return f"---\n{head}---\n\n" + "\n".join(lines) + "\n"


def _shorten(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return cut_reason(text)
