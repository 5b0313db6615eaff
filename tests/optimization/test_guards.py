"""Guard rails hold or do not, and say nothing where a number is unknown."""

import dataclasses

import pytest

from pipeline.backtest.metrics import Metrics
from pipeline.optimization.guards import Judged, degradation, guards_of, variation
from pipeline.optimization.out_of_sample import Fold

NUMBERS = Metrics(
    **{field.name: 0.0 for field in dataclasses.fields(Metrics)}
    | {"sharpe": 1.2, "cagr": 0.10, "max_drawdown": 0.1}
)


def fold(number: int, member: int | None, inside: float, outside: float) -> Fold:
    return Fold("walk_forward", number, (0, 9), (10, 19), member, inside, outside)


def judged(**changes) -> Judged:
    plain = {
        "free": 4,
        "best": NUMBERS,
        "benchmark": dataclasses.replace(NUMBERS, cagr=0.05),
        "path": dataclasses.replace(NUMBERS, cagr=0.06, sharpe=0.8),
        "same_days": 0.10,
        "folds": [fold(0, 0, 1.0, 0.8), fold(1, 1, 1.2, 0.9)],
        "points": [{"n": 100, "word": "x"}, {"n": 110, "word": "y"}],
        "leverage": 1.2,
        "beaten": 0.95,
    }
    return Judged(**plain | changes)


def held(**changes) -> dict[str, bool | None]:
    return {guard.name: guard.held for guard in guards_of(judged(**changes))}


def test_a_sound_search_passes_every_rail_that_is_known():
    assert {name for name, holds in held().items() if holds is not True} == {"crisis_drawdown"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"free": 6}, "free_parameters"),
        ({"best": dataclasses.replace(NUMBERS, sharpe=2.6)}, "sharpe_plausible"),
        ({"same_days": 0.2}, "out_of_sample_cagr_share"),
        ({"path": dataclasses.replace(NUMBERS, sharpe=0.4)}, "out_of_sample_sharpe"),
        ({"path": dataclasses.replace(NUMBERS, max_drawdown=0.31)}, "out_of_sample_drawdown"),
        ({"benchmark": dataclasses.replace(NUMBERS, cagr=0.09)}, "beats_buy_and_hold"),
        ({"beaten": 0.89}, "beats_random"),
        ({"leverage": 1.6}, "leverage"),
        ({"folds": [fold(0, 0, 3.0, 0.5)]}, "walk_forward_degradation"),
        ({"points": [{"n": 10}, {"n": 100}]}, "parameter_variation"),
    ],
)
def test_each_rail_gives_way_at_its_limit(changes, name):
    assert held()[name] is True
    assert held(**changes)[name] is False


def test_what_is_unknown_is_not_held_against_a_search():
    unknown = held(path=None, same_days=None, folds=[], beaten=None)
    for name in (
        "out_of_sample_sharpe",
        "out_of_sample_cagr_share",
        "walk_forward_degradation",
        "beats_random",
    ):
        assert unknown[name] is None
    texts = {guard.name: guard.text for guard in guards_of(judged(path=None))}
    assert texts["out_of_sample_sharpe"].startswith("unknown")


def test_variation_looks_at_chosen_numbers_only():
    points = [
        {"n": 100, "word": "x", "on": True},
        {"n": 300, "word": "y", "on": False},
        {"n": 999, "word": "z", "on": True},
    ]
    folds = [fold(0, 0, 1, 1), fold(1, 1, 1, 1), fold(2, None, 1, 1)]
    assert variation(folds, points) == pytest.approx(141.4213562 / 200.0)
    assert variation(folds[:1], points) is None


def test_degradation_is_the_mean_loss_of_known_folds():
    folds = [fold(0, 0, 2.0, 1.0), fold(1, 0, 1.0, float("nan")), fold(2, 0, 3.0, 0.0)]
    assert degradation(folds) == pytest.approx(2.0)
