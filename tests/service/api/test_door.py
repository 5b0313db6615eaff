"""The connection: a client that sends no request, or an endless head, does not hold it."""

import asyncio
import socket
import threading

import pytest
import uvicorn

from service.api import door


async def app(scope, receive, send):
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(0.6)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def connect(monkeypatch):
    monkeypatch.setattr(door, "PATIENCE_S", 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=door.Door, lifespan="off", log_level="critical"))
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    opened = []

    def client(sent):
        made = socket.create_connection(listening.getsockname(), timeout=10)
        opened.append(made)
        made.sendall(sent)
        return made

    yield client
    for each in opened:
        each.close()
    server.should_exit = True
    thread.join(timeout=30)
    listening.close()


HALF = b"GET / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("sent", [b"", HALF, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"])
def test_a_request_that_never_comes_whole_is_not_waited_for(connect, sent):
    assert connect(sent).recv(100) == b""


def test_a_request_that_is_whole_has_the_time_that_its_answer_takes(connect):
    held = connect(HALF + b"\r\n")
    assert held.recv(100).startswith(b"HTTP/1.1 200")
    held.sendall(HALF + b"\r\n")
    assert held.recv(100).startswith(b"HTTP/1.1 200"), "the connection is kept"


def test_a_second_request_on_a_connection_is_not_waited_for_either(connect):
    held = connect(HALF + b"\r\n")
    assert held.recv(100).startswith(b"HTTP/1.1 200")
    held.sendall(HALF)
    assert held.recv(100) == b""


def test_an_empty_line_after_an_answer_is_no_request_and_is_not_waited_for(connect):
    held = connect(HALF + b"\r\n")
    assert held.recv(100).startswith(b"HTTP/1.1 200")
    held.sendall(b"\r\n")
    assert held.recv(100) == b""


def test_a_head_that_is_too_long_is_refused_also_when_it_comes_at_once(connect):
    held = connect(HALF + b"X: " + b"x" * 100_000 + b"\r\n\r\n")
    assert held.recv(100).startswith(b"HTTP/1.1 400")


def test_a_head_without_an_end_is_cut_off(connect, monkeypatch):
    monkeypatch.setattr(door, "PATIENCE_S", 60.0)
    held = connect(HALF + b"X: ")
    with pytest.raises(OSError, match=r"reset|pipe"):
        held.sendall(b"x" * 30_000_000)
