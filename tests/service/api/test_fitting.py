"""Models that are fitted in a process of their own are those that are fitted here."""

import os
import signal

import pytest

from pipeline.errors import ResourceError
from service.api.copy import build_copy
from service.api.fitting import Fitting
from tests.service.api.conftest import NOW, SETTINGS

pytestmark = pytest.mark.slow


@pytest.fixture
def fitting():
    made = Fitting()
    yield made
    made.close()


def test_the_process_returns_the_same_models_and_is_started_anew_when_it_was_killed(fitting, source):
    inputs = source.read(NOW)
    here, there = (
        build_copy(inputs, SETTINGS.valuation, NOW),
        fitting(inputs, SETTINGS.valuation, NOW),
    )
    assert there.reasons == here.reasons
    assert there.name == here.name
    for name in ("power_law", "thermocap", "ensemble"):
        said = [copy.models[name].predict(NOW.date()).to_dict() for copy in (here, there)]
        assert said[0] == said[1]
    (worker,) = fitting._pool._processes
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(ResourceError, match="has ended"):
        fitting(inputs, SETTINGS.valuation, NOW)
    assert fitting(inputs, SETTINGS.valuation, NOW).reasons == here.reasons


def test_what_was_closed_leaves_no_thread_that_the_exit_could_meet(fitting, source):
    fitting(source.read(NOW), SETTINGS.valuation, NOW)
    manager = fitting._pool._executor_manager_thread
    fitting.close()
    assert not manager.is_alive()
