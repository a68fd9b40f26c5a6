import pytest

from steward.loadtest.servermetrics import build_gpu_tracks, build_tracks, parse_metrics

VLLM = """# HELP vllm:num_requests_running Number of requests
vllm:num_requests_running{{engine="0",model_name="m"}} {running}
vllm:num_requests_running{{engine="1",model_name="m"}} 2.0
vllm:{cache}{{engine="0"}} 0.25
vllm:generation_tokens_total{{engine="0"}} {tokens}
vllm:time_to_first_token_seconds_bucket{{le="+Inf"}} 3
broken line
nan_value NaN
"""


@pytest.mark.parametrize("cache", ["kv_cache_usage_perc", "gpu_cache_usage_perc"])
def test_vllm_of_two_versions(cache):
    pages = [(at, VLLM.format(running=at, cache=cache, tokens=1000 + 50 * at)) for at in (0.0, 1.0, 3.0)]
    found = {track.name: track for track in build_tracks(pages)}
    assert found["requests running"].values == (2.0, 3.0, 5.0) and found["KV cache in use"].values == (0.25,) * 3
    assert found["generated tokens"].values == (50.0, 50.0) and found["generated tokens"].at_s == (1.0, 3.0)


@pytest.mark.parametrize(
    "line, name",
    [
        ("sglang:num_queue_reqs 4", "requests waiting"),
        ("sglang_num_queue_reqs 4", "requests waiting"),
        ("llamacpp:requests_deferred 4", "requests waiting"),
        ('steward_open_requests{process="worker-0"} 4', "requests running"),
    ],
)
def test_other_engines(line, name):
    (found,) = build_tracks([(0.0, line)])
    assert (found.name, found.values) == (name, (4.0,))


def test_a_counter_that_starts_anew_does_not_fall_below_nothing():
    pages = [(0.0, "vllm:prompt_tokens_total 100"), (1.0, "vllm:prompt_tokens_total 5")]
    assert build_tracks(pages)[0].values == (0.0,)


def test_a_page_that_is_none_gives_nothing():
    assert build_tracks([(0.0, "<html><body>404</body></html>")]) == () and parse_metrics("") == {}


def test_gpus():
    found = build_gpu_tracks(
        [(0.0, "0, 93, 71000, 301.5, 64\n1, 0, 500, [N/A], 30\n"), (1.0, "0, 95, 71000, 310.0, 65\n")]
    )
    named = {track.name: track.values for track in found}
    assert named["GPU 0 utilisation"] == (93.0, 95.0) and named["GPU 0 power"] == (301.5, 310.0)
    assert "GPU 1 power" not in named and named["GPU 1 memory"] == (500.0,)
