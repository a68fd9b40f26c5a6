import inspect

import pytest
import typer
from typer.testing import CliRunner

from steward.cli.lazy import expand_option_sets
from steward.cli.load.options import (
    ClientOptions,
    LoadServerOptions,
    PromptOptions,
    SearchOptions,
    build_config,
    parse_body,
    parse_counts,
    parse_header,
    parse_numbers,
    parse_optional_duration_s,
)
from steward.cli.load.run import run
from steward.core.errors import InputError
from steward.loadtest.config import Arrival, LoadConfig

TARGET = LoadServerOptions(url="http://h:1", model="m")


def build(target=TARGET, prompt=PromptOptions(), **fields):
    return build_config(target, ClientOptions(), prompt, **({"arrival": Arrival(rate=1.0), "requests": 1} | fields))


def test_options_become_the_record_that_runs(tmp_path):
    target = LoadServerOptions(
        url="http://h:1", model="m", stream=False, header=["A: b: c"], body='{"k": 1}', timeout="2m", stall="500ms",
        drain="3s", insecure=True, ca_file=tmp_path / "ca",
    )  # fmt: skip
    found = build(target, PromptOptions(input_tokens="9", output_tokens="4", shared_prefix=3, prompts=tmp_path / "p"))
    assert (found.timeout_s, found.stall_s, found.drain_s, found.stream) == (120.0, 0.5, 3.0, False)
    assert found.headers == (("A", "b: c"),) and found.body == {"k": 1} and found.insecure
    assert found.ca_file == str(tmp_path / "ca") and found.prompts == str(tmp_path / "p")
    assert (found.input_tokens, found.output_tokens, found.shared_prefix_tokens) == ("9", "4", 3)


def test_l6_bare_numbers_are_refused_by_every_option():
    for option in ("timeout", "stall", "drain"):
        with pytest.raises(InputError, match=f"--{option} '5' has no unit"):
            build(LoadServerOptions(**{"url": "http://h", "model": "m", option: "5"}))


def test_an_unknown_endpoint_is_named():
    with pytest.raises(InputError, match="unknown endpoint 'chats'; did you mean 'chat'"):
        build(LoadServerOptions(url="http://h", model="m", endpoint="chats"))


@pytest.mark.parametrize("text", ["1,nan", "1,inf", "0", "1,,2", "two", "-1"])
def test_l2_lists_of_rates_are_finite_and_above_zero(text):
    with pytest.raises(InputError, match=r"--rates .*expected finite numbers above 0 with commas, such as 1,2,4"):
        parse_numbers(text, "--rates")


def test_lists_of_numbers():
    assert parse_numbers("1,2.5", "--rates") == [1.0, 2.5] and parse_numbers(None, "--rates") == []
    assert parse_counts("1,2", "--users") == [1, 2]
    with pytest.raises(InputError, match=r"--users '1\.5': expected whole numbers"):
        parse_counts("1.5", "--users")


def test_headers_and_bodies():
    assert parse_header(" A : b ") == ("A", "b") and parse_body(None) == {}
    for text in ("no colon", ": b"):
        with pytest.raises(InputError, match="expected NAME: VALUE"):
            parse_header(text)
    for text in ("{oops", "[1]"):
        with pytest.raises(InputError, match="expected a JSON object, such as"):
            parse_body(text)


def test_option_sets_of_a_command_do_not_collide():
    names = set(expand_option_sets(run).__annotations__)
    assert {"url", "model", "rate", "input_tokens", "processes", "slo", "json", "ray"} <= names


def test_the_library_and_the_command_have_the_same_defaults():
    found, library = build(), LoadConfig(url="http://h:1", model="m")
    for name in (
        "timeout_s",
        "stall_s",
        "drain_s",
        "input_tokens",
        "output_tokens",
        "late_budget_ms",
        "processes",
        "seed",
    ):
        assert getattr(found, name) == getattr(library, name)
    assert (library.turns, library.speed, library.max_in_flight) == (1, 1.0, 20_000)  # as docs/reference has them
    assert Arrival().burstiness == inspect.signature(run).parameters["burstiness"].default == 1.0


@pytest.mark.parametrize(("text", "seconds"), [(None, None), ("2m", 120.0), ("500ms", 0.5)])
def test_a_duration_may_be_left_out(text, seconds):
    assert parse_optional_duration_s(text, "--warmup") == seconds


@pytest.mark.parametrize(("processes", "allowed"), [(0, False), (1, True), (256, True), (257, False)])
def test_processes_are_1_to_256(processes, allowed):
    app = typer.Typer()
    app.command()(expand_option_sets(_count))
    ran = CliRunner().invoke(app, ["--processes", str(processes)])
    assert (ran.exit_code, ran.output) == (0, f"{processes}\n") if allowed else ran.exit_code == 2


def _count(client: ClientOptions) -> None:
    print(client.processes)


def test_a_search_sends_with_poissons_gaps_unless_told_otherwise():
    """docs/reference: `--burstiness` 1 is Poisson's."""
    assert (SearchOptions().arrival, SearchOptions().burstiness) == ("poisson", 1.0)
