"""``bells serve`` as a process: it answers, stops as told, and refuses what would be unsafe."""

import json
import os
import signal
import socket

import httpx
import pytest


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def started(process, port, *more):
    running = process("serve", "--port", str(port), "--json", *more)
    told = json.loads(running.stdout.readline())
    assert told["ok"]
    return running, told["url"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_answers_until_it_is_told_to_stop(home, process, port, number, code):
    running, url = started(process, port)
    assert url == f"http://127.0.0.1:{port}"
    assert httpx.get(f"{url}/health", timeout=30).json()["status"] == "empty"
    assert httpx.get(f"{url}/api/v1/models/power-law", timeout=30).status_code == 503
    running.send_signal(number)
    _, said = running.communicate(timeout=30)
    assert running.returncode == code
    assert "Traceback" not in said


def test_people_are_told_the_process_as_a_name_and_that_there_is_no_warehouse_yet(home, process, port):
    running = process("serve", "--port", str(port))
    first = [running.stdout.readline().split() for _ in range(4)]
    assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=30).json()["status"] == "empty"
    running.terminate()
    _, said = running.communicate(timeout=30)
    assert ["pid", str(running.pid)] in first
    assert "there is no warehouse yet" in said
    assert "picked up" in said


def test_a_port_that_is_taken_is_told_with_a_fix(bells, port):
    with socket.create_server(("127.0.0.1", port)):
        told = bells("serve", "--port", str(port), "--json")
    assert told.code == 4
    assert told.json["fix"].endswith("--port")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - it is refused
def test_an_address_that_others_reach_needs_keys(bells, host):
    told = bells("serve", "--host", host, "--json")
    assert told.code == 5
    assert "keys" in told.json["what"]


def test_a_name_that_is_no_address_is_refused(bells):
    assert bells("serve", "--host", "127.0.0.1.x y", "--set", "service.api_key_env=KEYS", "--json").code == 1


def test_keys_are_asked_for_and_never_shown(home, process, port, monkeypatch):
    key = "a-key-of-this-test-0123"
    monkeypatch.setenv("DESK_KEYS", key)
    running, url = started(process, port, "--set", "service.api_key_env=DESK_KEYS")
    assert httpx.get(f"{url}/api/v1/models", timeout=30).status_code == 401
    assert httpx.get(f"{url}/api/v1/models", headers={"X-API-Key": key}, timeout=30).status_code == 200
    assert httpx.get(f"{url}/api/v1/models", headers={"X-API-Key": "wrong-key-9876543210"}).status_code == 401
    running.terminate()
    out, said = running.communicate(timeout=30)
    logged = "".join(each.read_text() for each in (home / "logs").rglob("*") if each.is_file())
    assert running.returncode == 0
    for text in (out, said, logged):
        assert key not in text
        assert "wrong-key" not in text
    assert os.environ["DESK_KEYS"] == key
