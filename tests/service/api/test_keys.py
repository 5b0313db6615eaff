"""Who may ask: keys where configured, this machine alone for changes where not."""

import pytest

from pipeline.errors import ConfigError
from service.api.keys import Keys, is_loopback, keys_from

BASE = "/api/v1/models"
KEY, OTHER = "k" * 20, "o" * 20


def test_without_a_key_nothing_of_the_models_is_told_and_the_rest_is_open(ready, client_of):
    client = client_of(ready, KEY, OTHER)
    for given in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": KEY + "x"}):
        told = client.get(BASE, headers=given)
        assert (told.status_code, told.json()["code"]) == (401, "key_required")
    for path in ("/health", "/metrics", "/openapi.json", "/"):
        assert client.get(path).status_code == 200
    for key in (KEY, OTHER):
        assert client.get(BASE, headers={"X-API-Key": key}).status_code == 200


def test_a_key_is_asked_for_before_an_input_is_looked_at(ready, client_of):
    assert client_of(ready, KEY).get(f"{BASE}/nothing/predict?date=x").status_code == 401


def test_the_schema_says_that_keys_are_asked_for_only_where_they_are(ready, client_of):
    assert "securitySchemes" in client_of(ready, KEY).get("/openapi.json").json()["components"]
    assert "securitySchemes" not in client_of(ready).get("/openapi.json").json()["components"]


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1", 200), ("::1", 200), ("10.0.0.9", 403), ("evil", 403)]
)
def test_without_keys_only_this_machine_recalibrates(keeper, client_of, host, status):
    keeper.look()
    assert client_of(keeper, host=host).post(f"{BASE}/power-law/recalibrate").status_code == status


def test_with_a_key_another_machine_recalibrates(keeper, client_of):
    keeper.look()
    client = client_of(keeper, KEY, host="10.0.0.9")
    assert client.post(f"{BASE}/power-law/recalibrate", headers={"X-API-Key": KEY}).status_code == 200


def test_a_page_of_another_site_cannot_recalibrate(keeper, client_of):
    keeper.look()
    ask = client_of(keeper).post
    for origin, status in (
        ("http://evil.example", 403), ("null", 403), ("http://[", 403), ("", 403), ("http://127.0.0.1", 200),
    ):  # fmt: skip
        told = ask(f"{BASE}/power-law/recalibrate", headers={"Origin": origin})
        assert told.status_code == status, origin


def test_without_keys_a_name_that_was_bent_to_this_machine_is_not_answered(ready, client_of):
    """A page whose name resolves to 127.0.0.1 (DNS rebinding) sends its own name as host and as origin."""
    for host in ("evil.example", "evil.example:4500", "[", "127.0.0.1.evil.example"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        for method, path in (("POST", f"{BASE}/power-law/recalibrate"), ("GET", BASE)):
            assert client_of(ready)(method, path, headers=headers).status_code == 403, host
    for host in ("localhost:4500", "[::1]:4500", "127.0.0.1"):
        assert client_of(ready).get(BASE, headers={"Host": host}).status_code == 200, host
    named = {"Host": "desk.example", "X-API-Key": KEY}
    assert client_of(ready, KEY).get(BASE, headers=named).status_code == 200


def test_keys_come_from_the_variable_that_is_named():
    keys = keys_from({"DESK_KEYS": f" {KEY}, {OTHER} "}, "DESK_KEYS")
    assert keys.opens(KEY)
    assert keys.opens(OTHER)
    assert not keys.opens(None)
    assert KEY not in repr(vars(keys))
    assert not keys_from({}, None).configured
    assert Keys().opens(None)


@pytest.mark.parametrize("value", ["", " , ", "short", f"{KEY},short", "schlüssel-nicht-ascii"])
def test_a_variable_without_good_keys_is_refused_without_showing_it(value):
    with pytest.raises(ConfigError) as refused:
        keys_from({"DESK_KEYS": value}, "DESK_KEYS")
    assert "short" not in str(refused.value).replace("too short", "")
    assert "schlüssel" not in str(refused.value)


def test_addresses_of_this_machine_are_known():
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "", None, "desk.example")))  # noqa: S104 - a test
