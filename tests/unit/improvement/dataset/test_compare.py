from improvement_manifests import make_manifest
from steward.improvement.dataset.compare import ParameterChange, compare_datasets
from steward.improvement.dataset.manifest import DatasetMember


def member(name, split="train", commitment="x"):
    return DatasetMember(
        id=name, split=split, commitment=commitment, origin="file", source="f", basis="public", consent="not asked"
    )


def test_rows_that_came_went_changed_and_moved():
    first = make_manifest(subjects=("a", "b"), rows={"train": 3}, parameters={"cap": {"rows": 20}, "name": "s"})
    second = make_manifest(
        subjects=("b", "c"), rows={"train": 2, "judge": 1}, parameters={"cap": {"rows": 10}, "name": "s"}
    )
    before = [member("1"), member("2"), member("3")]
    after = [member("2", commitment="y"), member("3", split="judge"), member("4")]
    diff = compare_datasets(first, second, before, after)
    assert (diff.added, diff.removed, diff.changed, diff.moved) == (1, 1, 1, 1)
    assert (diff.subjects_added, diff.subjects_removed) == (1, 1)
    assert diff.rows == {"train": (3, 2), "judge": (0, 1)}
    assert diff.parameters == (ParameterChange("cap.rows", 20, 10),)
    assert diff.examples == {"added": ("4",), "removed": ("1",), "changed": ("2",), "moved": ("3",)}
    assert not diff.same


def test_the_same_rows_asked_for_in_the_same_way_are_the_same():
    one = make_manifest(created_at=1.0)
    assert compare_datasets(one, make_manifest(created_at=2.0), [member("1")], [member("1")]).same
    assert not compare_datasets(one, make_manifest(parameters={"floor": 1}), [member("1")], [member("1")]).same
