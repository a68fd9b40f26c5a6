"""A reasoning model may take half an hour for one answer: 32,000 tokens at 20 a second are 1,600 s."""

from steward.workflows.evaluate.target import ModelTarget


def test_an_answer_that_is_not_streamed_sends_its_first_byte_when_it_is_complete() -> None:
    target = ModelTarget("http://a", "m")
    assert (target.timeout_s, target.concurrency, target.retries) == (1_800.0, 16, 3)
    times = ModelTarget("http://a", "m", timeout_s=7.0).timeouts
    assert (times.first_byte_s, times.idle_s, times.whole_s, times.connect_s) == (7.0, 7.0, 7.0, 5.0)
