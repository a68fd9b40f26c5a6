import hmac

import msgspec
import pytest

from improvement_manifests import make_manifest as make
from steward.core.errors import Contradiction, InputError
from steward.improvement.dataset import manifest
from steward.improvement.dataset.manifest import DatasetStep
from steward.improvement.dataset.rows import TrainingRow, commit_row


def row(**fields):
    given = {"id": "a", "origin": "file", "source": "f", "prompt": (), "completion": ()}
    return TrainingRow(**{**given, **fields})


def test_the_digest_is_of_everything_but_itself_and_the_seal():
    bare = manifest.digest_manifest(make())
    assert bare.startswith("sha256:") and len(bare) == 71
    assert manifest.digest_manifest(make(digest="sha256:00", seal="11")) == bare
    for change in ({"rows": {"train": 3}}, {"subjects": ()}, {"created_at": 2.0}, {"parent": "sha256:00"}):
        assert manifest.digest_manifest(make(**change)) != bare


def test_the_seal_is_an_hmac_of_the_digest_under_the_homes_key():
    sealed = manifest.seal_manifest(make(), b"k" * 32)
    assert sealed.digest == manifest.digest_manifest(make())
    assert sealed.seal == hmac.new(b"k" * 32, b"manifest " + sealed.digest.encode(), "sha256").hexdigest()
    assert manifest.seal_manifest(make(), b"x" * 32).seal != sealed.seal
    assert manifest.fingerprint_key(b"k" * 32) != manifest.fingerprint_key(b"x" * 32)
    assert len(manifest.fingerprint_key(b"k" * 32)) == 16


def test_a_manifest_is_read_back_and_nothing_else_is():
    sealed = manifest.seal_manifest(make(), b"k")
    assert manifest.parse_manifest(msgspec.json.encode(sealed), "m") == sealed
    for data in (b"{}", b"[", b"\xff"):
        with pytest.raises(InputError, match="m: not the manifest"):
            manifest.parse_manifest(data, "m")
    with pytest.raises(InputError, match="format 2, expected 1; a newer steward wrote it"):
        manifest.parse_manifest(msgspec.json.encode(make(format=2)), "m")


def step(name, rows_in, rows_out, **reasons):
    removed = rows_in - rows_out
    return DatasetStep(name=name, rows_in=rows_in, rows_out=rows_out, removed=removed, reasons=reasons)


def test_every_row_is_accounted_for():
    manifest.check_steps([step("consent", 9, 7, no=2), step("cap", 7, 7)], 7)
    with pytest.raises(Contradiction, match="step consent"):
        manifest.check_steps([step("consent", 9, 7, no=1)], 7)
    with pytest.raises(Contradiction, match="consent left 7 rows, cap took 6"):
        manifest.check_steps([step("consent", 9, 7, no=2), step("cap", 6, 6)], 6)
    with pytest.raises(Contradiction, match="7 rows were left, 8 were written"):
        manifest.check_steps([step("consent", 9, 7, no=2)], 8)


def test_a_member_says_whose_a_row_is_and_none_of_its_words():
    one = row(subject="5f", basis="consent", consent="given", at=2.0, prompt=({"role": "user", "content": "secret"},))
    member = manifest.make_member(one, "train")
    assert (member.subject, member.basis, member.consent, member.at) == ("5f", "consent", "given", 2.0)
    assert member.commitment == commit_row(one)
    assert b"secret" not in msgspec.json.encode(member)


def test_rows_are_counted_by_slice_origin_consent_and_group():
    slices = {
        "train": [row(group="x"), row(origin="replay")],
        "select": [],
        "judge": [row(basis="public")],
        "newest": [],
    }
    assert manifest.count_rows(slices) == {
        "rows": {"train": 2, "select": 0, "judge": 1, "newest": 0},
        "origins": {"file": 2, "replay": 1},
        "consents": {"own data, not asked": 2, "public, not asked": 1},
        "groups": {"x": 1},
    }


def test_distinct_runs_of_three_words():
    assert manifest.measure_diversity(["a b c", "a b c", "a b c"]) == pytest.approx(1 / 3)
    assert manifest.measure_diversity(["a b c d"]) == 1.0
    assert manifest.measure_diversity(["a b", ""]) is None
