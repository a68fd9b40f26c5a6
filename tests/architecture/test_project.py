"""What the project says of itself agrees: version, changelog, lock file, decisions."""

import importlib
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

import steward
from conftest import LONGEST
from steward.adapters.stores.database import NEWEST_TABLES, create_newest_tables, run_migrations
from steward.adapters.stores.tables import REVISION

ROOT = Path(__file__).parent.parent.parent
SCHEMA = importlib.import_module("schema")  # of scripts/
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def test_the_newest_release_in_the_changelog_is_the_version() -> None:
    releases = re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert releases[0][0] == steward.__version__
    assert [date for _, date in releases] == sorted((date for _, date in releases), reverse=True)


def test_the_lock_file_pins_each_package_with_a_hash_and_names_no_host() -> None:
    lines = [line for line in (ROOT / "requirements" / "ci.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 50
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==\S+( --hash=sha256:[0-9a-f]{64})+", line), line
    assert not [line for line in lines if line.startswith("torch==")], "its builds differ; the Makefile pins it"


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_a_date_a_status_and_its_options(path: Path) -> None:
    text = path.read_text()
    assert re.search(r"^Date: \d{4}-\d{2}-\d{2} · Status: (accepted|superseded by \d{4})$", text, re.M)
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert headings[:4] == ["Context", "Decision", "Options refused", "Consequences"]
    number = path.stem.partition("-")[0]
    assert text.startswith(f"# {int(number)}. ")


def test_k14_make_up_shows_what_it_installs() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("$(VENV)/.embedded: ")[2].partition("\n\n")[0]
    assert '@echo "Installing' in recipe and "--progress-bar on" in recipe and "--quiet" not in recipe


def test_k12_feedback_tls_and_upgrades_are_documented() -> None:
    page = (ROOT / "docs" / "how-to" / "serve-other-machines.md").read_text()
    assert all(words in page for words in ("/v1/feedback", "## Upgrade", "proxy_pass", "over TLS"))


def test_migrations_form_one_chain_and_the_newest_is_the_revision_of_this_release() -> None:
    folder = ROOT / "src" / "steward" / "adapters" / "stores" / "migrations" / "versions"
    chain = [
        (path.name[:4], *re.findall(r'^(?:down_)?revision = (?:"(\d{4})"|None)$', path.read_text(), re.M))
        for path in sorted(folder.glob("[0-9]*.py"))
    ]
    assert chain == [
        (f"{number:04d}", f"{number:04d}", f"{number - 1:04d}" if number > 1 else "")
        for number in range(1, len(chain) + 1)
    ]
    assert chain[-1][0] == REVISION


def test_a_new_home_begins_with_what_all_migrations_leave() -> None:
    """Where it is out of date: python scripts/schema.py."""
    written = NEWEST_TABLES.read_text(encoding="utf-8")
    assert written == SCHEMA.write_schema()
    for fill in (create_newest_tables, run_migrations):
        engine = sa.create_engine("sqlite://")
        with engine.begin() as connection:
            fill(connection)
            assert "".join(f"{one};\n" for one in SCHEMA.read_statements(connection)) == written.rpartition("INSERT")[0]
            tables = map(sa.table, sa.inspect(connection).get_table_names())
            rows = {
                table.name: connection.execute(sa.select(sa.text("*")).select_from(table)).all() for table in tables
            }
            assert {name: found for name, found in rows.items() if found} == {"alembic_version": [(REVISION,)]}
        engine.dispose()


def test_files_that_begin_first_exist() -> None:
    """A renamed one would begin late, and the suite would wait for it alone."""
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
