"""The check that writers of strategies get: it passes what ships, and catches what it is there for."""

from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.strategies.port import Parameters
from pipeline.strategies.practice import faults, idle_parameters
from pipeline.strategies.registry import STRATEGIES, strategy


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_ships_has_no_fault(name):
    assert faults(strategy(name), cuts=3) == []


class Weight(Parameters):
    much: float = 0.4
    idle: int = 3


@dataclass(frozen=True)
class Base:
    name = "Base"
    version = "1.0.0"
    params_model = Weight
    regimes = ()
    universe: tuple[str, ...] = ("A", "B")

    def features(self, params):
        return ("close", "sma_5")

    def weights(self, context, params):
        close, mean = context.feature("close"), context.feature("sma_5")
        return np.where(close > mean, params.much, 0.0)


class ReadsTheNextBar(Base):
    def weights(self, context, params):
        close = context.panel.close
        return np.where(np.vstack([close[1:], close[-1:]]) > close, 0.5, 0.0)


class NormalisesOverAllTime(Base):
    def weights(self, context, params):
        close = context.feature("close")
        return np.where(close > np.nanmean(close, axis=0), 0.5, 0.0)


class ReadsBarsBeforeTheyAreKnown(Base):
    def weights(self, context, params):
        return np.where(context.panel.close > 100.0, 0.5, 0.0)


class ReadsTheNextRegime(Base):
    def weights(self, context, params):
        mood = np.roll(context.regime("equity"), -1)
        return np.where(mood[:, None] == 1, 0.5, 0.0) * np.ones(context.shape)


class Sure(Base):
    def confidence(self, context, params):
        close = context.panel.close
        return np.where(np.vstack([close[1:], close[-1:]]) > close, 0.5, 0.0)


@pytest.mark.parametrize("kind", [ReadsTheNextBar, NormalisesOverAllTime, ReadsTheNextRegime, Sure])
def test_a_look_into_the_future_is_caught(kind):
    found = faults(kind(), days=60, cuts=20)
    assert found
    what = "confidence" if kind is Sure else "weights"
    assert all(text.startswith(f"{what} at bar ") for text in found)


def test_a_bar_that_is_read_before_it_is_known_is_caught():
    assert faults(ReadsBarsBeforeTheyAreKnown(), days=120, cuts=250) != []


def test_an_honest_strategy_has_no_fault_but_a_parameter_without_use_is_told():
    assert faults(Base(), days=60, cuts=20) == []
    assert idle_parameters(Base(), {"much": 0.3, "idle": 4}, days=60) == ["idle"]
    assert idle_parameters(Base(), {"much": 0.3}, days=60) == ["idle"]


def test_a_strategy_that_never_does_anything_is_told():
    (text,) = faults(Base(), Weight(much=0.0), days=60)
    assert "never change" in text


def test_an_answer_that_does_not_fit_is_told():
    (text,) = faults(Base(), Weight(much=0.7), days=60)
    assert "more than its budget" in text
