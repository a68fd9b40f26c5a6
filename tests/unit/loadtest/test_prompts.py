import statistics

import msgspec
import pytest

from steward.loadtest.config import LoadConfig
from steward.loadtest.prompt_files import PromptRow
from steward.loadtest.prompts import WORDS, PromptSource, Vocabulary, build_vocabulary


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


def test_the_same_prompts_come_from_every_version():
    """Runs of two versions of steward are only comparable if they send the same texts for the same seed."""
    found = texts(PromptSource(config(input_tokens="9", shared_prefix_tokens=3, seed=7)), 3)
    assert found == [
        "are here they hand big time little page after",
        "are here they now three back land only boy",
        "are here they just have such take many had",
    ]


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


def test_l6_prompts_are_exact_with_a_tokenizer():
    """A tokenizer of one token a word of up to four letters, and two tokens for longer ones."""

    def count(text):
        return sum(1 if len(word) <= 4 else 2 for word in text.split())

    source = PromptSource(config(input_tokens="40", shared_prefix_tokens=7), count=count)
    assert source.vocabulary.is_exact and {count(text) for text in texts(source)} == {40}
    assert all(len(word) <= 4 for word in source.vocabulary.words)


def test_l6_where_words_are_not_tokens_their_mean_is_used():
    characters = build_vocabulary(len)
    assert not characters.is_exact and characters.per_token == pytest.approx(len(WORDS) / len(" ".join(WORDS)))
    source = PromptSource(config(input_tokens="1000"), count=len)
    assert statistics.mean(map(len, texts(source))) == pytest.approx(1000, rel=0.1)
    assert build_vocabulary(None) == Vocabulary() and not Vocabulary().is_exact


def test_words_that_join_with_their_neighbours_are_not_exact():
    assert not build_vocabulary(lambda text: 1 if len(text.split()) > 2 else len(text.split())).is_exact


@pytest.mark.parametrize(
    "row, asked, tokens",
    [
        (None, (40, 8), 40),
        (PromptRow(input_tokens=5, output_tokens=6), (5, 6), 5),
        (PromptRow(input_tokens=5), (5, 8), 5),
        (PromptRow(messages=({"role": "user", "content": "x" * 20},)), (None, None), 5),
        (PromptRow(messages=({"role": "user", "content": "x"},), input_tokens=9, output_tokens=2), (9, 2), 9),
        (PromptRow(messages=({"role": "user", "content": "x"},)), (None, None), 1),  # at least one
    ],
)
def test_l6_what_is_asked_for_is_the_rows_own(row, asked, tokens):
    source = PromptSource(config(input_tokens="40", output_tokens="8"), [row] if row else [])
    assert source.find_asked_tokens(3) == asked and source.estimate_input_tokens(3) == tokens
    assert source.max_tokens(3) == (asked[1] or 8)


def test_a_given_text_is_counted_by_the_tokenizer():
    rows = [PromptRow(messages=({"role": "user", "content": "one two three"},))]
    assert PromptSource(config(), rows, count=lambda text: len(text.split())).estimate_input_tokens(0) == 3


@pytest.mark.parametrize("singles, exact", [(63, False), (64, True)])
def test_sixty_four_words_of_one_token_make_prompts_varied_enough(singles, exact):
    one_token = set(list(dict.fromkeys(WORDS))[:singles])

    def count(text):
        return sum(1 if word in one_token else 2 for word in text.split())

    assert "the" in one_token and build_vocabulary(count).is_exact == exact


def test_a_shared_prefix_is_as_long_in_tokens_as_asked_for():
    source = PromptSource(
        config(input_tokens="4000", shared_prefix_tokens=2000), count=lambda text: len(text.split()) // 2
    )
    first, second = (text.split() for text in texts(source, 2))
    same = next(place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    assert same == pytest.approx(4000, rel=0.01)  # two words a token


def test_lengths_vary_from_request_to_request_only_where_asked_for():
    varied = PromptSource(config(input_tokens="uniform:10:500", output_tokens="uniform:10:500"))
    assert len({varied.find_asked_tokens(number) for number in range(50)}) > 40
    assert {PromptSource(config()).find_asked_tokens(number) for number in range(50)} == {(512, 128)}


def test_which_runs_are_conversations():
    user = {"role": "user", "content": "a"}
    assert PromptSource(config(turns=2)).is_conversation() and not PromptSource(config()).is_conversation()
    assert PromptSource(config(), [PromptRow(messages=(user, user))]).is_conversation()
    assert not PromptSource(config(), [PromptRow(messages=(user,))]).is_conversation()


def test_a_later_turn_is_as_long_as_the_first():
    source = PromptSource(config(turns=3, input_tokens="25"))
    turn = source.next_messages(0, 1, source.first_messages(0), "An answer.")
    assert len(turn[-1]["content"].split()) == 25


@pytest.mark.parametrize("tokens", [1, 3, 4, 5, 40])
def test_short_prompts_have_their_length(tokens):
    assert {len(text.split()) for text in texts(PromptSource(config(input_tokens=str(tokens))))} == {tokens}


def words_of(prompts, number):
    return prompts.first_messages(number)[0]["content"].split(" ")


def test_blocks_of_512_tokens_are_shared_as_far_as_the_prompt_goes():
    """1,100 tokens hold two of three blocks and 76 of their own; 1,024 just the two, and a word."""
    for tokens, blocks in ((1100, 2), (1024, 2), (1023, 1)):
        rows = [PromptRow(input_tokens=tokens, output_tokens=1, blocks=(7, 8, 9))] * 2
        prompts = PromptSource(LoadConfig(url="http://h", model="m"), rows)
        one, other = words_of(prompts, 0), words_of(prompts, 1)
        assert len(one) == max(tokens, 512 * blocks + 1)
        assert one[: 512 * blocks] == other[: 512 * blocks] and one[512 * blocks :] != other[512 * blocks :]


@pytest.mark.parametrize("tokens", [1, 3, 4, 5, 6])
def test_the_shortest_prompts_have_no_blank_at_their_end(tokens):
    prompts = PromptSource(LoadConfig(url="http://h", model="m", input_tokens=str(tokens)))
    text = prompts.first_messages(3)[0]["content"]
    assert len(text.split(" ")) == tokens and text == text.strip()


def test_a_later_turn_has_the_words_of_its_tokens():
    words = Vocabulary(tuple(WORDS), 0.5)
    config = LoadConfig(url="http://h", model="m", input_tokens="10", turns=2)
    prompts = PromptSource(config, vocabulary=words)
    turns = [prompts.next_messages(number, 1, [], "a")[-1]["content"] for number in range(3)]
    assert [len(text.split(" ")) for text in turns] == [5, 5, 5] and len(set(turns)) == 3
    short = PromptSource(LoadConfig(url="http://h", model="m", input_tokens="1", turns=2), vocabulary=words)
    assert len(short.next_messages(0, 1, [], "a")[-1]["content"].split(" ")) == 1
