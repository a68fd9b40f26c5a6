"""The defaults that docs/reference/settings.md tells: `gateway.concurrency`, `queue` and `queue_wait_s`."""

from steward.gateway.queue_records import QueueDecision, QueueDepth, QueuedRequest, QueuePlan


def test_defaults() -> None:
    assert QueuePlan() == QueuePlan(concurrency=1024, queue=1024, wait_s=30.0)
    assert QueuedRequest(1, "k").priority == "normal"
    assert QueueDecision("run") == QueueDecision("run", "", 0.0, None) and QueueDepth() == QueueDepth(0, 0)
