import msgspec
import pytest

from steward.core.errors import InputError
from steward.loadtest.config import LoadConfig
from steward.loadtest.prompt_files import PromptRow, read_prompt_rows
from steward.loadtest.prompts import PromptSource


def config(**given):
    return LoadConfig(url="http://h", model="m", **given)


def texts(prompts, count=50):
    return [prompts.first_messages(number)[0]["content"] for number in range(count)]


def test_a_prompt_has_as_many_words_as_tokens_asked_for_and_no_prefix_in_common():
    found = texts(PromptSource(config(input_tokens="100")))
    assert {len(text.split()) for text in found} == {100}
    assert len({" ".join(text.split()[:6]) for text in found}) == 50


def test_the_same_number_gives_the_same_text_in_any_process():
    assert texts(PromptSource(config())) == texts(PromptSource(config())) != texts(PromptSource(config(seed=1)))


def test_a_shared_prefix_is_shared_and_counts():
    found = texts(PromptSource(config(input_tokens="100", shared_prefix_tokens=60)))
    assert len({" ".join(text.split()[:60]) for text in found}) == 1 and len(set(found)) == 50
    assert {len(text.split()) for text in found} == {100}


def test_long_prompts_are_longer_than_the_pool():
    assert len(PromptSource(config(input_tokens="100000")).first_messages(0)[0]["content"].split()) == 100_000


@pytest.mark.parametrize("endpoint, field", [("chat", "messages"), ("completions", "prompt"), ("embeddings", "input")])
def test_bodies(endpoint, field):
    prompts = PromptSource(config(endpoint=endpoint, body={"top_k": 1}, output_tokens="9"))
    found = msgspec.json.decode(prompts.encode_body(0, prompts.first_messages(0)))
    assert found["model"] == "m" and field in found and found["top_k"] == 1
    assert found.get("max_tokens") == (None if endpoint == "embeddings" else 9)
    assert ("stream_options" in found) == (endpoint != "embeddings")


def test_a_conversation_carries_its_turns_and_ends():
    prompts = PromptSource(config(turns=2))
    first = prompts.first_messages(3)
    second = prompts.next_messages(3, 1, first, "An answer.")
    assert [message["role"] for message in second] == ["user", "assistant", "user"] and second[:1] == first
    assert prompts.next_messages(3, 2, second, "Another.") is None


def test_a_files_conversation_takes_the_users_turns_and_the_servers_answers():
    messages = ({"role": "system", "content": "s"}, {"role": "user", "content": "a"})
    row = PromptRow(messages=(*messages, {"role": "assistant", "content": "old"}, {"role": "user", "content": "b"}))
    prompts = PromptSource(config(), [row])
    first = prompts.first_messages(0)
    assert [message["content"] for message in prompts.next_messages(0, 1, first, "new")] == ["s", "a", "new", "b"]
    assert prompts.next_messages(0, 2, first, "") is None


def test_blocks_of_a_trace_are_the_same_text_wherever_they_come():
    rows = [PromptRow(input_tokens=1100, blocks=(7, 8)), PromptRow(input_tokens=1100, blocks=(7, 9))]
    one, other = texts(PromptSource(config(), rows), 2)
    assert one.split()[:512] == other.split()[:512] and one.split()[512:1024] != other.split()[512:1024]


def test_traces_of_three_kinds(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text(
        '{"timestamp": 1500, "input_length": 10, "output_length": 5, "hash_ids": [0]}\n'
        '{"at_s": 2, "input_tokens": 20, "output_tokens": 6}\n\n{"at_s": 2.5, "prompt": "hi"}\n'
    )
    rows = read_prompt_rows(path, trace=True)
    assert [row.at_s for row in rows] == [1.5, 2.0, 2.5] and rows[0].blocks == (0,) and rows[1].output_tokens == 6


@pytest.mark.parametrize(
    "line, said",
    [
        ('{"at_s": 1, "prompt": "x"}', r":2: 1 s comes after 5 s.*sort"),
        ('{"prompt": "x"}', ":2: no time"),
        ('{"at_s": 6}', ":2: no prompt and no length; expected a JSON object with prompt"),
        ("{oops", ":2: "),
        ('{"at_s": "soon", "prompt": "x"}', ":2: could not convert"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line, said):
    (tmp_path / "trace.jsonl").write_text('{"at_s": 5, "prompt": "a"}\n' + line + "\n")
    with pytest.raises(InputError, match=said):
        read_prompt_rows(tmp_path / "trace.jsonl", trace=True)


def test_a_text_file_holds_a_prompt_a_line(tmp_path):
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    assert [row.messages[0]["content"] for row in read_prompt_rows(tmp_path / "prompts.txt")] == ["one", "two"]
    with pytest.raises(InputError, match="no rows"):
        (tmp_path / "empty.jsonl").write_text("\n")
        read_prompt_rows(tmp_path / "empty.jsonl")
