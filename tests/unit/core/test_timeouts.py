"""The defaults that stand in docs/reference: OpenAI's and Anthropic's SDKs wait 600 s for an answer."""

from steward.core.timeouts import ClientTimeouts, Timeouts


def test_an_upstreams_times() -> None:
    assert Timeouts() == Timeouts(connect_s=5.0, first_byte_s=120.0, idle_s=60.0, whole_s=600.0)


def test_a_clients_times() -> None:
    assert ClientTimeouts() == ClientTimeouts(receive_s=20.0, send_s=60.0)
