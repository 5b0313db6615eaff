"""Every answer says whether a simulator made its data, and of which copy it was made."""

import pytest

BASE = "/api/v1/models"
ORIGIN = {
    "x-source": "sample",
    "x-simulated": "true",
    "x-latest-revision": "false",
    "x-data-through": "2014-08-25",
}
PATHS = (
    "", "/thermocap/predict", "/power-law", "/power-law/predict", "/power-law/history",
    "/backtest/thermocap?train_pct=0.8", "/compare?models=power_law", "/board", "/nothing/predict",
    "/compare?models=",
)  # fmt: skip


def origin(answer):
    return {name: answer.headers.get(name) for name in ORIGIN}


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_says_where_its_data_come_from(client, path):
    assert origin(client.get(BASE + path)) == ORIGIN


def test_an_answer_without_a_body_says_it_too(client):
    tag = client.get(f"{BASE}/power-law").headers["etag"]
    unchanged = client.get(f"{BASE}/power-law", headers={"If-None-Match": tag})
    assert unchanged.status_code == 304
    assert origin(unchanged) == ORIGIN
    assert origin(client("HEAD", f"{BASE}/power-law")) == ORIGIN


@pytest.mark.parametrize("path", ["backtest/thermocap?train_pct=0.8", "compare?models=power_law"])
def test_backtests_and_comparisons_say_it_in_their_bodies(client, path):
    told = client.get(f"{BASE}/{path}").json()
    assert (told["source"], told["simulated"], told["latest_revision"]) == ("sample", True, False)
    assert told["data_through"] == "2014-08-25"


def test_an_answer_says_what_its_own_copy_was_made_of(keeper, source, client_of, chain, monkeypatch):
    """The copy is swapped while the answer is made: neither mixes with the other."""
    from service.api import valuation

    keeper.look()
    make = valuation.predicted

    def while_the_copy_is_swapped(*asked):
        shorter = {name: each[:-1] for name, each in chain.columns.items()}
        source.number, source.history = 1, type(chain)(chain.date[:-1], chain.known_at[:-1], shorter)
        keeper.look()
        return make(*asked)

    monkeypatch.setattr(valuation, "predicted", while_the_copy_is_swapped)
    client = client_of(keeper)
    told = client.get(f"{BASE}/thermocap/predict")
    assert told.json()["metadata"]["data_through"] == told.headers["x-data-through"] == "2014-08-25"
    assert client.get(f"{BASE}/power-law").headers["x-data-through"] == "2014-08-24"


def test_a_fit_on_request_says_it(keeper, client_of):
    keeper.look()
    assert origin(client_of(keeper).post(f"{BASE}/power-law/recalibrate")) == ORIGIN


def test_the_schema_names_the_headers_of_the_interface_and_of_nothing_else(client):
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        for operation in operations.values():
            for answer in operation["responses"].values():
                assert ("X-Simulated" in answer["headers"]) == path.startswith("/api/v1/"), path
