import pytest

from data_batches import batch
from steward.core.errors import InputError, UnknownName
from steward.data.stages.sources import Sources, parse_domain


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "sources.csv"
    path.write_text("domain,reputation,group\nexample.org,0.9,quality\nblog.example.org,0.2,blog\nother.net,,\n")
    return str(path)


def test_sources_go_by_the_closest_domain(listed):
    urls = ["https://www.example.org/x", "news.example.org", "http://me.blog.example.org:80/", "https://new.com/", None]
    result = Sources(file=listed).apply(batch(*"abcde", url=urls))
    assert result.batch["source_group"].to_pylist() == ["quality", "quality", "unknown", "unknown"]
    assert [(e.id, e.rule, e.value, e.threshold) for e in result.entries] == [("d2", "reputation", 0.2, 0.5)]


def test_sources_can_drop_the_unknown(listed):
    result = Sources(file=listed, unknown="drop").apply(batch("a", "b", url=["other.net", "http://[bad"]))
    assert [(e.id, e.rule) for e in result.entries] == [("d1", "unknown_source")]
    assert parse_domain("EXAMPLE.org.") == "example.org"


def test_sources_name_what_is_wrong_with_the_list(tmp_path, listed):
    bad = tmp_path / "bad.csv"
    bad.write_text("domain,reputation\nexample.org,high\n")
    with pytest.raises(InputError, match=r"bad.csv:2: reputation 'high'"):
        Sources(file=str(bad)).apply(batch("a", url=["x.org"]))
    with pytest.raises(UnknownName, match="column 'link'"):
        Sources(file=listed, column="link").apply(batch("a", url=["x.org"]))


def test_a_source_of_just_the_reputation_stays(listed):
    urls = ["example.org", "other.net"]
    assert Sources(file=listed, min_reputation=0.9).apply(batch("a", "b", url=urls)).entries == ()
    assert len(Sources(file=listed, min_reputation=0.91).apply(batch("a", "b", url=urls)).entries) == 1


@pytest.mark.parametrize(("reputation", "allowed"), [("0", True), ("1", True), ("1.01", False), ("-0.1", False)])
def test_a_reputation_is_from_0_to_1(tmp_path, reputation, allowed):
    path = tmp_path / "list.csv"
    path.write_text(f"domain,reputation\nx.org,{reputation}\n")
    stage = Sources(file=str(path), min_reputation=0.0)
    if allowed:
        assert stage.apply(batch("a", url=["x.org"])).entries == ()
    else:
        with pytest.raises(InputError, match=r"list\.csv:2: reputation"):
            stage.apply(batch("a", url=["x.org"]))
