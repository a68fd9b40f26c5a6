from pathlib import Path

import pytest

from steward.gateway.limits import RequestLimits, Window


def test_exactly_the_limit_passes_in_any_sixty_seconds(tmp_path: Path) -> None:
    window = Window(tmp_path / "w", 3)
    assert [window.take(100.0 + at).allowed for at in (0, 10, 20, 30)] == [True, True, True, False]
    late = window.take(159.9)
    assert not late.allowed and late.retry_after_s == pytest.approx(0.1)
    assert window.take(160.0).allowed and not window.take(160.0).allowed
    window.close()


def test_remaining_counts_down(tmp_path: Path) -> None:
    window = Window(tmp_path / "w", 3)
    assert [window.take(100.0).remaining for _ in range(3)] == [2, 1, 0]
    assert window.take(161.0).remaining == 2
    window.close()


def test_two_openings_share_one_count(tmp_path: Path) -> None:
    one, two = Window(tmp_path / "w", 2), Window(tmp_path / "w", 2)
    assert one.take(100.0).allowed and two.take(100.0).allowed and not one.take(100.0).allowed
    one.close()
    two.close()


def test_the_key_limit_wins_over_the_default(tmp_path: Path) -> None:
    limits = RequestLimits(tmp_path / "limits", 1)
    assert limits.take("a", None, 100.0).limit == 1  # type: ignore[union-attr]
    assert limits.take("b", 5, 100.0).limit == 5  # type: ignore[union-attr]
    assert RequestLimits(tmp_path / "limits", None).take("c", None, 100.0) is None
