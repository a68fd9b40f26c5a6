from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.loadtest.prompt_files import read_prompt_rows


def read(tmp_path, name, text, trace=True):
    (tmp_path / name).write_text(text)
    return read_prompt_rows(tmp_path / name, trace=trace)


AZURE = (  # the first rows of AzureLLMInferenceTrace_conv.csv, 2023
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n"
)
BURST = (  # BurstGPT_1.csv: seconds
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n"
    "45,ChatGPT,1087,230,1317,Conversation log\n"
)
MOONCAKE = 'timestamp,input_length,output_length,hash_ids\n0,6758,500,"[0, 1, 2]"\n3052,7322,490,"[0, 14]"\n'


@pytest.mark.parametrize(
    "text, times, inputs, outputs",
    [
        (AZURE, [0.0, pytest.approx(4.314579)], [374, 396], [44, 109]),
        (BURST, [5.0, 45.0], [472, 1087], [18, 230]),
        (MOONCAKE, [0.0, 3.052], [6758, 7322], [500, 490]),
        ("at_s,input_tokens,output_tokens\n0.5,10,2\n", [0.5], [10], [2]),
        ("arrived_at,num_prefill_tokens,num_decode_tokens\n1,10,2\n", [1.0], [10], [2]),
    ],
)
def test_l5_public_traces_in_csv(tmp_path, text, times, inputs, outputs):
    rows = read(tmp_path, "trace.csv", text)
    assert [row.at_s for row in rows] == times
    assert [row.input_tokens for row in rows] == inputs and [row.output_tokens for row in rows] == outputs


def test_l5_a_csv_trace_keeps_the_blocks_of_mooncake(tmp_path):
    assert [row.blocks for row in read(tmp_path, "trace.csv", MOONCAKE)] == [(0, 1, 2), (0, 14)]


def test_l5_times_of_azure_may_have_a_zone(tmp_path):
    """AzureLLMInferenceTrace_conv_1week.csv, 2024."""
    times = ("2024-05-10 00:00:00.009930+00:00", "2024-05-10 00:00:01.5099301+00:00")
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(f"{at},374,44\n" for at in times)
    assert [row.at_s for row in read(tmp_path, "t.csv", text)] == [0.0, 1.5]


def test_a_byte_order_mark_and_carriage_returns(tmp_path):
    assert len(read(tmp_path, "trace.csv", "\ufeff" + AZURE.replace("\n", "\r\n"))) == 2


def test_an_answer_of_no_tokens_asks_for_one(tmp_path):
    assert read(tmp_path, "t.csv", BURST.replace(",18,", ",0,"))[0].output_tokens == 1


@pytest.mark.parametrize(
    "text, said",
    [
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n",
            r"csv:2: .*expected the columns of a",
        ),
        ("Timestamp,Request tokens\n1,many\n", r"trace.csv:2: could not convert"),
        ("a,b\n1,2\n", "trace.csv:2: no time"),
        ("at_s,b\n1,2\n", "trace.csv:2: no prompt and no length"),
        ("at_s,input_tokens\n2,1\n1,1\n", "trace.csv:3: 1 s comes after 2 s"),
        ("at_s,input_tokens\nnan,1\n", "trace.csv:2: no time"),
        ("", "no rows"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read(tmp_path, "trace.csv", text)


def test_traces_of_three_kinds(tmp_path):
    rows = read(
        tmp_path, "trace.jsonl",
        '{"timestamp": 1500, "input_length": 10, "output_length": 5, "hash_ids": [0]}\n'
        '{"at_s": 2, "input_tokens": 20, "output_tokens": 6}\n\n{"at_s": 2.5, "prompt": "hi"}\n',
    )  # fmt: skip
    assert [row.at_s for row in rows] == [1.5, 2.0, 2.5] and rows[0].blocks == (0,) and rows[1].output_tokens == 6


@pytest.mark.parametrize(
    "line, said",
    [
        ('{"at_s": 1, "prompt": "x"}', r":2: 1 s comes after 5 s.*sort"),
        ('{"prompt": "x"}', ":2: no time"),
        ('{"at_s": -1, "prompt": "x"}', ":2: no time"),
        ('{"at_s": 6}', ":2: no prompt and no length; expected a JSON object with prompt"),
        ("{oops", ":2: "),
        ("[1]", ":2: not an object"),
        ('{"at_s": "soon", "prompt": "x"}', ":2: could not convert"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line, said):
    with pytest.raises(InputError, match=said):
        read(tmp_path, "trace.jsonl", '{"at_s": 5, "prompt": "a"}\n' + line + "\n")


def test_a_text_file_holds_a_prompt_a_line(tmp_path):
    rows = read(tmp_path, "prompts.txt", "one\n\ntwo\n", trace=False)
    assert [row.messages[0]["content"] for row in rows] == ["one", "two"]
    with pytest.raises(InputError, match="no rows"):
        read(tmp_path, "empty.jsonl", "\n")
    with pytest.raises(InputError, match="No such file"):
        read_prompt_rows(tmp_path / "nothing.jsonl")


def test_requests_of_the_same_time_and_far_apart(tmp_path):
    rows = read(tmp_path, "t.jsonl", '{"at_s": 5, "prompt": "a"}\n' * 2)
    assert [row.at_s for row in rows] == [5, 5]
    with pytest.raises(InputError, match=r"t\.jsonl:1: no time"):
        read(tmp_path, "t.jsonl", '{"at_s": 1e10, "prompt": "a"}\n')


def test_the_line_of_a_text_file_is_counted_from_one(tmp_path):
    with pytest.raises(InputError, match=r"t\.jsonl:3: "):
        read(tmp_path, "t.jsonl", '{"at_s": 5, "prompt": "a"}\n\n{oops\n')


def test_prompts_need_no_time(tmp_path):
    rows = read(
        tmp_path, "p.jsonl", '{"messages": [{"role": "user", "content": "hi"}], "output_tokens": 3}\n', trace=False
    )
    assert (
        rows[0].messages == ({"role": "user", "content": "hi"},) and rows[0].at_s is None and rows[0].output_tokens == 3
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_l5_a_trace_may_be_separated_otherwise(tmp_path, separator):
    """Azure's columns (AzurePublicDataset), as spreadsheets of other countries and exports write them."""
    rows = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"], ["2023-11-16 18:15:46.68", "374", "44"]
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(separator.join(row) for row in rows))
    (row,) = read_prompt_rows(path, trace=True)
    assert (row.at_s, row.input_tokens, row.output_tokens) == (0.0, 374, 44)


@pytest.mark.parametrize("tokens", ["-5", "inf", "nan", "1e9", "1e300", "many"])
def test_l5_counts_that_are_none_are_named_by_their_line(tmp_path, tokens):
    path = tmp_path / "trace.csv"
    path.write_text(f"at_s,input_tokens,output_tokens\n0,5,5\n1,{tokens},5\n")
    with pytest.raises(InputError, match=r"trace\.csv:3: "):
        read_prompt_rows(path, trace=True)
    path.write_text("at_s,input_tokens,output_tokens\n0,0,0\n")  # a request that failed
    assert read_prompt_rows(path, trace=True)[0].input_tokens == 1


def test_l5_a_trace_may_be_one_array(tmp_path):
    path = tmp_path / "trace.json"
    path.write_text(
        '[{"timestamp": 0, "input_length": 6, "output_length": 5},\n {"timestamp": 3052, "input_length": 7}]'
    )
    assert [(row.at_s, row.input_tokens) for row in read_prompt_rows(path, trace=True)] == [(0.0, 6), (3.052, 7)]
    for text, said in (("[1]", "row 1: not an object"), ("[{", "expected JSON lines, or one JSON array")):
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            read_prompt_rows(path, trace=True)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_e08_line_ends_and_marks_change_nothing(tmp_path: Path, ends: str, mark: str) -> None:
    """A line separator (U+2028) inside a prompt is no line end; a quoted cell keeps its line end (RFC 4180)."""
    files = {
        "p.txt": ["one\u2028two", "three"],
        "p.jsonl": ['{"prompt": "one\u2028two"}', '{"prompt": "three"}'],
        "p.csv": ["prompt,output_tokens", "one\u2028two,5", "three,6"],
    }
    for name, lines in files.items():
        (tmp_path / name).write_bytes((mark + ends.join([*lines, ""])).encode())
        assert [row.messages[0]["content"] for row in read_prompt_rows(tmp_path / name)] == ["one\u2028two", "three"]
    (tmp_path / "q.csv").write_bytes((mark + ends.join(["prompt", '"one', 'two"', ""])).encode())
    assert read_prompt_rows(tmp_path / "q.csv")[0].messages[0]["content"] == "one\ntwo"


SPLITWISE = (  # Mutinifni/splitwise-sim, traces/test_trace.csv
    "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n0,2,0,0.5,1,374,44\n"
)


@pytest.mark.parametrize(
    ("name", "data", "row"),
    [
        ("t.csv", SPLITWISE.encode(), (0.5, 374, 44)),
        ("t.tsv", b"at_s\tinput_tokens\toutput_tokens\n1\t5\t6\n", (1.0, 5, 6)),
        ("t.csv", b"AT_S,Input_Tokens,OUTPUT_TOKENS\n1,5,6\n", (1.0, 5, 6)),
        ("t.csv", "at_s,input_tokens,output_tokens\n1,5,6\n".encode("utf-16"), (1.0, 5, 6)),
    ],
)
def test_l5_other_tables_of_requests(tmp_path, name, data, row):
    (tmp_path / name).write_bytes(data)
    (found,) = read_prompt_rows(tmp_path / name, trace=True)
    assert (found.at_s, found.input_tokens, found.output_tokens) == row


def test_l5_a_table_without_a_time_names_its_columns(tmp_path):
    (tmp_path / "t.csv").write_text("when,input_tokens\n1,5\n")
    with pytest.raises(InputError, match=r"no time; .*the row has when, input_tokens"):
        read_prompt_rows(tmp_path / "t.csv", trace=True)
