"""Pages as the engines' documentation shows them, and pages that lie."""

import pytest

from steward.core.gauges import EngineState, GaugeSample
from steward.monitoring.engine_metrics import (
    ENGINE_METRICS,
    MOST_LINES,
    MOST_VALUE,
    fail_scrape,
    find_engine,
    list_missing,
    normalise_name,
    observe_engine,
    parse_metrics,
)

VLLM = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.5
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 10.0
vllm:num_preemptions_total{engine="0",model_name="m"} 7.0
vllm:prompt_tokens_total{engine="0",model_name="m"} 1000.0
vllm:generation_tokens_total{engine="0",model_name="m"} 8.128902e+06
process_resident_memory_bytes 2.5e+09
"""


def states(text: str) -> dict[str, tuple[str, float | None]]:
    state, _ = observe_engine("m", None, text, 60.0)
    return {name: (one.state, one.value) for name, one in state.metrics.items()}


def test_a_page_of_vllm() -> None:
    assert states(VLLM) == {
        "running": ("ok", 5.0),
        "waiting": ("ok", 1.0),
        "kv_cache": ("ok", 0.5),  # the fullest replica
        "prefix_cache_hit_rate": ("missing", None),  # removed in V1
        "prefix_cache_hits": ("ok", 10.0),
        "preemptions": ("ok", 7.0),
        "engine_prompt_tokens": ("ok", 1000.0),
        "engine_generated_tokens": ("ok", 8128902.0),
    }


@pytest.mark.parametrize(
    ("line", "engine", "metric", "value"),
    [
        ("vllm:gpu_cache_usage_perc 0.3", "vllm", "kv_cache", 0.3),  # up to 0.9
        ("vllm:num_preemptions 4", "vllm", "preemptions", 4.0),  # without _total
        ("vllm:gpu_prefix_cache_hits_total 4", "vllm", "prefix_cache_hits", 4.0),
        ("sglang:token_usage{model_name=\"m\"} 0.28", "sglang", "kv_cache", 0.28),
        ("sglang_token_usage 0.28", "sglang", "kv_cache", 0.28),  # its rename
        ("sglang:num_queue_reqs 2", "sglang", "waiting", 2.0),
        ("sglang:num_running_reqs 2", "sglang", "running", 2.0),
        ("sglang:cache_hit_rate 0.0075", "sglang", "prefix_cache_hit_rate", 0.0075),
        ("sglang:gen_tokens_total 5", "sglang", "engine_generated_tokens", 5.0),
        ("tgi_queue_size 6", "tgi", "waiting", 6.0),
        ("tgi_batch_current_size 6", "tgi", "running", 6.0),
        ("tgi_request_generated_tokens_sum 60", "tgi", "engine_generated_tokens", 60.0),
        ("llamacpp:requests_deferred 1", "llama.cpp", "waiting", 1.0),
        ("llamacpp:kv_cache_usage_ratio 1", "llama.cpp", "kv_cache", 1.0),
        ("llamacpp:tokens_predicted_total 9", "llama.cpp", "engine_generated_tokens", 9.0),
        ("nv_inference_pending_request_count{model=\"m\",version=\"1\"} 3", "triton", "waiting", 3.0),
        (
            'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="used",model="m"} 90\n'
            'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction",model="m"} 0.9',
            "triton", "kv_cache", 0.9,
        ),
    ],
)  # fmt: skip
def test_names_that_releases_have_given(line: str, engine: str, metric: str, value: float) -> None:
    state, _ = observe_engine("m", None, line, 60.0)
    assert state.engine == engine
    assert (state.metrics[metric].state, state.metrics[metric].value) == ("ok", value)


def test_what_an_engine_never_tells_is_not_missing() -> None:
    told = states("tgi_queue_size 6")
    assert told["kv_cache"] == ("not offered", None) and told["running"] == ("missing", None)


@pytest.mark.parametrize(
    "value",
    ["-1", "NaN", "+Inf", "-Inf", "1e308", "1000000000000001", "1e309", "-0.0001"],
)
def test_values_that_no_engine_can_have_are_rejected_and_counted(value: str) -> None:
    state, samples = observe_engine("m", None, f"vllm:num_requests_running {value}", 60.0)
    assert (state.metrics["running"].state, state.metrics["running"].value, state.rejected) == ("rejected", None, 1)
    assert samples == []


@pytest.mark.parametrize(
    ("value", "state"), [("1", "ok"), ("1.0000005", "ok"), ("1.001", "rejected"), ("87", "rejected")]
)
def test_a_share_is_at_most_one(value: str, state: str) -> None:
    seen, _ = observe_engine("m", None, f"vllm:kv_cache_usage_perc {value}", 60.0)
    assert seen.metrics["kv_cache"].state == state
    assert seen.metrics["kv_cache"].value == (1.0 if state == "ok" else None)


def test_one_bad_value_leaves_the_others() -> None:
    state, samples = observe_engine(
        "m", None, 'vllm:num_requests_running{e="0"} -1\nvllm:num_requests_running{e="1"} 2', 60.0
    )
    assert (state.metrics["running"].value, state.rejected) == (2.0, 1)
    assert samples == [GaugeSample(60.0, "m", "running", 2.0)]
    assert observe_engine("m", None, f"vllm:num_requests_running {MOST_VALUE}", 60.0)[0].rejected == 0


def test_lines_that_are_none_cost_themselves() -> None:
    parsed = parse_metrics('<html>\nvllm:a 1 2 3\nvllm:b x\nvllm:c 1\nvllm:d{x="}"} 2 1700000000\n\n# text')
    assert parsed.series == {"vllm_c": [("", 1.0)], "vllm_d": [('x="}"', 2.0)]}
    assert parsed.rejected == 3


def test_a_page_is_read_up_to_a_bound() -> None:
    parsed = parse_metrics("vllm:c 1\n" * (MOST_LINES + 5))
    assert (len(parsed.series["vllm_c"]), parsed.rejected) == (MOST_LINES, 1)


def test_the_engine_is_whose_names_there_are_most_of() -> None:
    assert find_engine(parse_metrics("nv_gpu_utilization 0.1\nvllm:a 1\nvllm:b 1")) == "vllm"
    assert find_engine(parse_metrics("up 1")) is None


def test_counters_tell_their_increase_and_begin_anew() -> None:
    def look(before: EngineState | None, total: float, at: float) -> tuple[EngineState, list[float]]:
        state, samples = observe_engine("m", before, f"vllm:prompt_tokens_total {total}", at)
        return state, [sample.value for sample in samples]

    first, told = look(None, 1000, 60.0)
    assert told == []  # what came before is not of this minute
    second, told = look(first, 1500, 75.0)
    assert told == [500.0]
    third, told = look(second, 1500, 90.0)
    assert told == [0.0]
    _, told = look(third, 40, 105.0)  # the engine was restarted
    assert told == [40.0]


def test_counters_go_on_after_an_engine_could_not_be_reached() -> None:
    state, _ = observe_engine("m", None, "vllm:prompt_tokens_total 10", 60.0)
    gone = fail_scrape("m", state, 75.0, "unreachable", "it answered HTTP 500")
    assert (gone.state, gone.since, gone.error, gone.at) == ("unreachable", 75.0, "it answered HTTP 500", 75.0)
    assert fail_scrape("m", gone, 90.0, "unreachable", "x").since == 75.0
    back, samples = observe_engine("m", gone, "vllm:prompt_tokens_total 25", 105.0)
    assert [sample.value for sample in samples] == [15.0] and (back.state, back.since) == ("ok", 105.0)
    assert observe_engine("m", back, "vllm:prompt_tokens_total 25", 120.0)[0].since == 105.0


def test_a_metric_that_goes_is_missing_and_not_zero() -> None:
    state, _ = observe_engine("m", None, VLLM, 60.0)
    assert list_missing(state) == []
    later, samples = observe_engine("m", state, VLLM.replace("kv_cache_usage_perc", "cache_fill"), 75.0)
    assert list_missing(later) == ["kv_cache"]
    assert "kv_cache" not in {sample.metric for sample in samples}
    lying, _ = observe_engine("m", later, VLLM.replace("} 1.0\n", "} -1.0\n"), 90.0)
    assert list_missing(lying) == ["waiting"] and lying.rejected == 1


def test_a_page_of_something_else_is_no_engine() -> None:
    state, samples = observe_engine("m", None, "up 1", 60.0)
    assert (state.state, samples, state.metrics) == ("unknown engine", [], {})


def test_every_metric_has_normal_names() -> None:
    for metric in ENGINE_METRICS:
        for names in metric.names.values():
            assert all(name.partition("{")[0] == normalise_name(name.partition("{")[0]) for name in names)


def test_a_counter_of_a_million_a_second_for_31_years_is_believed() -> None:
    state, _ = observe_engine("m", None, "vllm:num_requests_running 1e15", 60.0)
    assert state.metrics["running"].value == 1e15


def test_a_page_has_at_most_100_000_lines() -> None:
    assert MOST_LINES == 100_000
