"""A port is opened, or the error says what is in the way and what to do."""

import socket
from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError
from steward.processes.ports import check_ports, listen
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan


def test_port_0_takes_a_free_one_that_can_be_reached() -> None:
    with listen("127.0.0.1", 0, "gateway", "--port") as listener:
        assert not listener.getblocking()
        with socket.create_connection(listener.getsockname(), timeout=60) as client:
            assert client.getpeername() == listener.getsockname()


def test_a_port_that_is_taken_is_said_with_the_option_that_changes_it() -> None:
    with listen("127.0.0.1", 0, "gateway", "--port") as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=rf"gateway: 127.0.0.1:{port} is taken.*--port"):
            listen("127.0.0.1", port, "gateway", "--port")


def test_an_address_that_is_not_ours_is_no_taken_port() -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        listen("203.0.113.1", 0, "console", "--console-port")  # TEST-NET-3, RFC 5737


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_address_with_colons_is_ipv6() -> None:
    with pytest.raises(InputError, match="2001:db8::1"):
        listen("2001:db8::1", 0, "gateway", "--port")  # RFC 3849


def test_a_port_is_free_again_at_once_and_answers_leave_at_once() -> None:
    """socket(7): SO_REUSEADDR; tcp(7): TCP_NODELAY."""
    with listen("127.0.0.1", 0, "gateway", "--port") as listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_ports_are_checked_without_listening() -> None:
    settings = Settings.model_validate({"models": [{"name": "m", "backend": "openai", "url": "http://127.0.0.1:9"}]})
    free = msgspec.structs.replace(make_plan(settings, Path("/none"), "1"), port=0, console_port=0)
    check_ports(free)
    with listen("127.0.0.1", 0, "gateway", "--port") as listener:
        port = listener.getsockname()[1]
        for changed, what in (({"port": port}, "gateway"), ({"console_port": port}, "console")):
            with pytest.raises(InputError, match=f"{what}: 127.0.0.1:{port} is taken"):
                check_ports(msgspec.structs.replace(free, **changed))
    check_ports(msgspec.structs.replace(free, port=port))
