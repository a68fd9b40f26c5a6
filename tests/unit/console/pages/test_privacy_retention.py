from __future__ import annotations

from pathlib import Path

import msgspec

from console_home import NOW, HomeConsole, read_text
from served_home import SETTINGS, serve_home
from steward.console.pages.privacy_retention import find_state, make_rows
from steward.core.identity import Right
from steward.workflows.rights.retained_classes import RetainedClass
from steward.workflows.rights.retention import SweptClass, describe_sweep

READS: frozenset[Right] = frozenset({"console.read", "privacy.read"})
PAGE = "/privacy/retention"
KEPT = """\
retention: {feedback_text_days: 90}
capture: {rules: [{purpose: support, keep_days: 12, text: as_sent}]}
personal_files: [{name: Study, path: study, keep_days: 30}]
"""


def read_rows(page: str) -> dict[str, str]:
    """The text of each row of the table, by its first cell."""
    rows = [row.split("</tr>")[0] for row in page.split("<tbody>")[1].split("<tr ")[1:]]
    return {read_text("<td" + row.split("<td", 2)[1]): read_text("<" + row) for row in rows}


def test_before_anything_is_served_it_says_what_will_stand_there(tmp_path: Path) -> None:
    page = HomeConsole(tmp_path).get(PAGE)
    assert "Nothing is served yet" in page and "steward up" in page


def test_each_class_stands_there_with_its_time_and_where_that_comes_from(tmp_path: Path) -> None:
    with serve_home(tmp_path, SETTINGS + KEPT) as home:
        rows = read_rows(HomeConsole(home).get(PAGE))
        first = (tmp_path / "steward.yaml").read_text().splitlines().index(KEPT.splitlines()[0]) + 1
    texts, people = rows["feedback texts"], rows["people in requests"]
    assert "90 d in force not yet" in texts and f"retention.feedback_text_days steward.yaml:{first}" in texts
    assert "no end" in people and "retention.request_people_days default" in people
    assert "12 d in force" in rows["captured exchanges for support, all routes"]
    assert "30 d in force every 5 min" in rows["Study"] and "personal_files.0.keep_days" in rows["Study"]
    assert "not kept" in rows["stored responses"] and "8 d in force" in rows["series of minutes"]


def test_the_last_look_and_its_proof_stand_there(tmp_path: Path) -> None:
    with serve_home(tmp_path, SETTINGS + KEPT) as home:
        console = HomeConsole(home)
        swept = SweptClass(name="feedback texts", deleted=3, held=2, left=0)
        for at, deleted in ((NOW - 90.0, 7), (NOW - 30.0, 3)):
            proof = describe_sweep(SweptClass(name=swept.name, deleted=deleted, held=2, left=0), at)
            console.store.evidence.add(proof, tenant="default")
        console.store.evidence.add(
            describe_sweep(SweptClass(name="Old study", deleted=4, held=0, left=0), NOW), tenant="default"
        )
        page = console.get(PAGE)
        hidden = console.get(PAGE, rights=READS)
        file = console.get(f"{PAGE}.csv")
    rows = read_rows(page)
    assert "3 deleted, 2 under a legal hold or an open appeal, 0 left" in rows["feedback texts"]
    assert "no setting" in rows["Old study"] and "4 deleted, 0 left none any more" in rows["Old study"]
    assert "3 deleted" not in hidden and "evidence.read" in hidden
    assert "feedback texts,7776000.0,retention.feedback_text_days,steward.yaml:" in file
    assert '"3 deleted, 2 under a legal hold or an open appeal, 0 left"' in file


def test_what_is_held_is_said(tmp_path: Path) -> None:
    with serve_home(tmp_path, SETTINGS + KEPT) as home:
        console = HomeConsole(home)
        assert "keeps anything longer" in console.get(PAGE)
        console.post("/privacy/rights/hold", {"why": "matter 9"})
        console.source.answers.expire()
        assert "its time is over. A legal hold of everybody is in force" in read_text(console.get(PAGE))


def test_a_sweep_that_does_not_come_or_leaves_something_is_seen() -> None:
    one = RetainedClass(data="traces", setting="s", keep_s=9.0, swept="traces", job="forget")
    left = describe_sweep(SweptClass(name="traces", deleted=1, held=0, left=1), 5.0)
    hour = 3600.0
    assert find_state(one, NOW - 2 * hour, None, NOW) == "in force"
    assert find_state(one, NOW - 4 * hour, None, NOW) == "late"
    assert find_state(one, NOW - 4 * hour, left, NOW) == "left over"
    assert find_state(one, NOW - 3 * hour, None, NOW) == "in force"  # three of its periods
    assert find_state(one, NOW - 3 * hour - 1.0, None, NOW) == "late"
    often = msgspec.structs.replace(one, job="retention")  # each minute, so ten minutes are late
    assert find_state(often, NOW - 600.0, None, NOW) == "in force"
    assert find_state(often, NOW - 601.0, None, NOW) == "late"
    for keep_s, state in ((None, "no end"), (0.0, "nothing kept"), (1.0, "in force")):
        kept = msgspec.structs.replace(one, keep_s=keep_s)
        assert find_state(kept, None, None, NOW) == state


def test_the_last_look_is_a_period_before_the_next_one_is_due() -> None:
    one = RetainedClass(data="traces", setting="s", keep_s=9.0, swept="traces", job="forget")
    files = RetainedClass(data="batches", setting="b", keep_s=9.0, swept="batches", job="responses")
    never, _ = make_rows([one, files], {}, {}, [], NOW)
    looked, own = make_rows([one, files], None, {"forget": NOW + 1800.0, "responses": NOW}, [], NOW)
    assert (never.looked_at, never.origin, looked.looked_at, looked.origin) == (None, "default", NOW - 1800.0, "–")
    assert own.looked_at is None and own.each_machine
