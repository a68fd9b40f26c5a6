"""Exports as OpenAI, Anthropic and others write them, against sums worked out by hand."""

import pytest

from steward.core.errors import InputError
from steward.core.records import UsageSum
from steward.gateway.reconcile import compare_by_day, compare_by_request, match_model, read_export

# The head of an export of OpenAI's usage page (names as in its API reference, "Completions usage object").
OPENAI = (
    "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,"
    "service_tier,input_tokens,output_tokens,input_cached_tokens\n"
    "1764028800,1764115200,2025-11-25T00:00:00+00:00,2025-11-26T00:00:00+00:00,p,3,,k,gpt-4o-2024-08-06,False,,21,6,20\n"
)
# The head of an export of Anthropic's console.
ANTHROPIC = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
    "usage_output_tokens,web_search_count,inference_geo,speed\n"
    "2025-11-25,claude-sonnet-4-20250514,k,Default,standard,≤ 200k,10,5,3,100,40,0,global,\n"
)


def usage(day: str, model: str, requests: int = 0, tokens: tuple[int, int] = (0, 0), usd: float = 0.0) -> UsageSum:
    return UsageSum(day=day, model=model, requests=requests, input_tokens=tokens[0], output_tokens=tokens[1], usd=usd)


def test_openai_counts_cached_tokens_as_input() -> None:
    (row,) = read_export(OPENAI, "x.csv")
    assert (row.day, row.requests, row.input_tokens, row.output_tokens, row.usd) == ("2025-11-25", 3, 21, 6, None)


def test_anthropic_counts_cached_tokens_apart() -> None:
    (row,) = read_export(ANTHROPIC, "x.csv")
    assert (row.day, row.model, row.requests) == ("2025-11-25", "claude-sonnet-4-20250514", None)
    assert (row.input_tokens, row.output_tokens) == (118, 40)  # 10 + 5 + 3 + 100


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("Date;Model;Prompt Tokens;Completion Tokens", "2025-11-25;m;1,234;2"),
        ("day\tmodel\tinput tokens\toutput tokens", "2025-11-25T23:30:00-01:00\tm\t1234.0\t2"),
        ("\ufefftimestamp,model,input_tokens,output_tokens", '1764028800,m,"1,234",2'),
    ],
)
def test_other_tables_are_read_too(head: str, line: str) -> None:
    (row,) = read_export(f"{head}\r\n{line}\r\n", "x.csv")
    day = "2025-11-26" if "23:30" in line else "2025-11-25"
    assert (row.day, row.model, row.input_tokens, row.output_tokens) == (day, "m", 1234, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("day,model,input_tokens,output_tokens\n", "no rows below the header"),
        ("day,model,input_tokens\n1,2,3\n", "row 1: no column for output tokens; expected one of output_tokens"),
        ("model,input_tokens,output_tokens\nm,1,2\n", "row 1: no column for the day"),
        (
            "day,model,input_tokens,output_tokens\n2025-11-25,m,1,2\n2025-11-25,m,many,2\n",
            "row 3, column 'input_tokens'",
        ),
        ("day,model,input_tokens,output_tokens\n2025-11-25,m,-1,2\n", "'-1'; expected a whole number"),
        ("day,model,input_tokens,output_tokens\n25.11.25,m,1,2\n", "row 2, column 'day': '25.11.25'"),
        ("day,model,input_tokens,output_tokens\n2025-11-25,m,1\n", "row 2, column 'output_tokens': nothing"),
        ("day,model,input_tokens,output_tokens,cost\n2025-11-25,m,1,1,EUR 3\n", "column 'cost'"),
        ('day,model\n"2025', "not a CSV file"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, says: str) -> None:
    with pytest.raises(InputError, match=r"x\.csv") as error:
        read_export(text, "x.csv")
    assert says in str(error.value)


def test_a_snapshot_is_its_model_and_a_sibling_is_not() -> None:
    names = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4"]
    assert match_model("gpt-4o-mini-2024-07-18", names) == "gpt-4o-mini"
    assert match_model("claude-sonnet-4-20250514", names) == "claude-sonnet-4"
    assert match_model("gpt-4o-audio", names) == "gpt-4o-audio"


def test_equal_numbers_agree_and_others_are_listed_with_both() -> None:
    sums = [usage("2025-11-25", "gpt-4o", 3, (21, 6))]
    found = compare_by_day(read_export(OPENAI, "x"), sums, {"gpt-4o": "u"}, 0.0, lost=0)
    assert found.agrees and (found.compared, found.ledger.input_tokens, found.provider.input_tokens) == (1, 21, 21)
    found = compare_by_day(read_export(OPENAI, "x"), [usage("2025-11-25", "gpt-4o", 2, (20, 6))], {}, 0.0, lost=0)
    seen = [(item.what, item.ledger, item.provider) for item in found.differences]
    assert not found.agrees and seen == [("requests", 2, 3), ("input_tokens", 20, 21)]


def test_the_tolerance_is_a_share_of_the_larger_number() -> None:
    sums = [usage("2025-11-25", "gpt-4o", 3, (20, 6))]  # 20 of 21: 4.8 % less
    assert compare_by_day(read_export(OPENAI, "x"), sums, {}, 0.05, lost=0).agrees
    assert not compare_by_day(read_export(OPENAI, "x"), sums, {}, 0.04, lost=0).agrees


def test_what_only_one_side_has_is_a_difference_and_another_server_is_none() -> None:
    sums = [
        usage("2025-11-25", "gpt-4o", 3, (21, 6)),
        usage("2025-11-25", "gpt-5", 1, (5, 5)),  # at the same server: the export should have it
        usage("2025-11-25", "claude", 9, (9, 9)),  # somebody else's export has it
        usage("2025-11-24", "gpt-4o", 1, (1, 1)),  # before the export's span
    ]
    servers = {"gpt-4o": "openai", "gpt-5": "openai", "claude": "anthropic"}
    found = compare_by_day(read_export(OPENAI, "x"), sums, servers, 0.0, lost=2)
    assert {(item.model, item.what) for item in found.differences} == {
        ("gpt-5", what) for what in ("requests", "input_tokens", "output_tokens")
    }
    assert found.lost == 2


def test_requests_are_compared_by_their_id() -> None:
    text = "response_id,model,input_tokens,output_tokens,cost_usd\na,m,7,2,0.5\nb,m,7,3,0.5\nd,m,1,1,0\n"
    sums = {name: usage("2025-11-25", "m", 1, (7, 2), 0.5) for name in ("a", "b", "c")}
    found = compare_by_request(read_export(text, "x"), sums, 0.0, lost=0)
    seen = {(item.request, item.what): (item.ledger, item.provider) for item in found.differences}
    assert seen[("b", "output_tokens")] == (2, 3) and seen[("c", "requests")] == (1, 0)
    assert seen[("d", "requests")] == (0, 1) and not [key for key in seen if key[0] == "a"]


def test_money_is_compared_where_the_export_has_it() -> None:
    head = "day,model,input_tokens,output_tokens"
    sums = [usage("2025-11-25", "m", 1, (1, 2), usd=5.0)]
    assert compare_by_day(read_export(f"{head}\n2025-11-25,m,1,2\n", "x"), sums, {}, 0.0, lost=0).agrees
    found = compare_by_day(read_export(f"{head},cost\n2025-11-25,m,1,2,$4.5\n", "x"), sums, {}, 0.0, lost=0)
    assert [(item.what, item.ledger, item.provider) for item in found.differences] == [("usd", 5.0, 4.5)]


def test_each_line_of_an_export_by_request_is_one_request() -> None:
    text = "response_id,model,input_tokens,output_tokens\na,m,7,2\nb,m,7,3\n"
    found = compare_by_request(read_export(text, "x"), {}, 0.0, lost=0)
    assert (found.provider.requests, found.provider.input_tokens, found.compared) == (2, 14, 2)


@pytest.mark.parametrize("line", ["{},m,1,2,3", "2025-11-25,m,{},2,3", "2025-11-25,m,1,2,{}"])
def test_a_long_cell_is_repeated_in_part(line: str) -> None:
    with pytest.raises(InputError) as caught:
        read_export("day,model,input_tokens,output_tokens,cost\n" + line.format("y" * 101), "x.csv")
    assert f"'{'y' * 99}…'" in str(caught.value)


def test_an_export_by_request_needs_no_day() -> None:
    [row] = read_export("response_id,model,input_tokens,output_tokens\na,m,7,2\n", "x")
    assert row.day == ""
