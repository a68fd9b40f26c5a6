"""Real sockets on the loopback, and TLS is left to tests/functional/test_load.py."""

import asyncio
import socket

import pytest

from steward.core.errors import Unavailable
from steward.loadtest.config import LoadConfig
from steward.loadtest.connection_pool import ClientConnectionPool


def pool(port, scheme="http", host="127.0.0.1"):
    return ClientConnectionPool(
        LoadConfig(url=f"{scheme}://{host}:{port}", model="m"), lambda *_: None, lambda job: job()
    )


def run(test):
    async def go():
        with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
            made = pool(server.getsockname()[1])
            try:
                await test(made, server)
            finally:
                if made.poller is not None:
                    await made.close()

    asyncio.run(asyncio.wait_for(go(), 20))


@pytest.mark.parametrize("expected", [1, 3, 100])
def test_as_many_connections_as_expected_are_open_before_the_start(expected):
    async def test(made, server):
        await made.open(expected)
        assert made.opened == len(made.connections) == expected
        assert len({made.take() for _ in range(expected)} - {None}) == expected and made.take() is None

    run(test)


def test_a_connection_that_the_server_closed_is_not_handed_out():
    async def test(made, server):
        await made.open(1)
        server.accept()[0].close()
        while made.connections:
            await asyncio.sleep(0.001)
        assert made.take() is None
        (one,) = [await made.connect()]
        made.put(one)
        assert made.take() is one and made.opened == 2

    run(test)


def test_spares_are_opened_four_at_a_time():
    async def test(made, server):
        await made.open(1)
        assert made.take() is not None
        tasks = [asyncio.create_task(made.open_spare()) for _ in range(4)]
        await asyncio.sleep(0)
        assert not made.wants_spare()
        await asyncio.gather(*tasks)
        assert made.wants_spare() and made.opened == 5 and made.take() is not None

    run(test)


def test_after_closing_nothing_is_open():
    async def test(made, server):
        closed, inner = [], made.poller

        class Poller:
            def __init__(self):
                self.add = None if inner is None else inner.add

            def close(self):
                closed.append(True)
                if inner is not None:
                    inner.close()

        await made.open(2)
        made.poller = Poller()
        await made.close()
        made.poller = None
        assert not made.connections and closed == [True]

    run(test)


@pytest.mark.parametrize(
    "made, said",
    [
        (pool(9, host="nobody.invalid"), "nobody.invalid: no such host"),
        (pool(9), "127.0.0.1:9: no connection (.*running"),
    ],
)
def test_a_server_that_is_not_there(made, said):
    with pytest.raises(Unavailable, match=said.replace("(", r"\(")):
        asyncio.run(made.open(1))


@pytest.mark.parametrize(
    "failed, said",
    [
        (ConnectionRefusedError(111, "Connection refused"), "(Connection refused)"),
        (OSError("no route"), "(no route)"),
        (TimeoutError(), "(TimeoutError)"),
    ],
)
def test_a_failed_connection_says_why(failed, said):
    async def connect():
        raise failed

    made = pool(9)
    made.connect = connect
    with pytest.raises(Unavailable) as caught:
        asyncio.run(made.open(1))
    assert said in str(caught.value)


def test_ports_are_those_of_the_scheme():
    https = LoadConfig(url="https://h", model="m", insecure=True)
    assert ClientConnectionPool(https, lambda *_: None, lambda job: job()).port == 443
    assert ClientConnectionPool(LoadConfig(url="http://h", model="m"), lambda *_: None, lambda job: job()).port == 80
