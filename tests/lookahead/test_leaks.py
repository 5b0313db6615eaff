"""Each of the twelve planted leaks is caught, and none of their honest twins is flagged."""

import pytest

from pipeline.lookahead.leaks import PLANTS
from pipeline.lookahead.proof import prove
from tests.support.small_graph import small_graph

TWELVE = {
    "shift(-1)", "centred window", "full-sample z-score", "daily bar joined before its close", "backfill",
    "label overlap", "revised metric", "forming bar", "time-zone slip", "target encoding",
    "scaler fitted on all", "universe chosen by future volume",
}  # fmt: skip
PERTURBATIONS = 36


@pytest.fixture(scope="module")
def proof(tmp_path_factory):
    *_, _, stretch = small_graph(tmp_path_factory.mktemp("home"))
    *_, done = prove(
        [stretch], [], lambda world, _end: world, perturbations=PERTURBATIONS, seed=8, plants_every=1
    )
    return done


def test_the_twelve_are_planted():
    assert {plant.name for plant in PLANTS} == TWELVE


@pytest.mark.parametrize("name", sorted(TWELVE))
def test_a_planted_leak_is_caught(proof, name):
    assert proof.caught[name] > 0


@pytest.mark.parametrize("name", sorted(TWELVE))
def test_the_honest_twin_of_a_leak_is_never_flagged(proof, name):
    assert proof.planted_perturbations == PERTURBATIONS
    assert proof.false_alarms[name] == 0
