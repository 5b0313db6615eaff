"""Cuts through real materialisation: an honest graph differs nowhere, a leak inside an asset shows."""

import dagster as dg
import pytest

from assets.lookahead import proof as lookahead
from assets.lookahead.cuts import Cuts, cut_through, shortened_stretches, split_by_cuts
from pipeline.calendar.grid import CELL64
from pipeline.errors import RefusedError
from pipeline.lookahead.proof import Proof
from service.cli.lookahead_tables import graph_of
from tests.support.desk import QUIET, compose
from tests.support.small_graph import small_graph
from warehouse.tables import ATTESTATIONS

pytestmark = pytest.mark.slow

SEARCHED = ("experiments", "results", "folds")
"""Assets that are listed with a reason."""


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return small_graph(tmp_path_factory.mktemp("home"))


def cut(graph, folder, cuts):
    desk, sources, _, stretch = graph
    chosen = shortened_stretches([stretch])
    *_, seen = cut_through(graph_of(desk), desk, sources, chosen, cuts=cuts, seed=8, folder=folder)
    return seen


def test_a_leak_inside_an_asset_shows_in_what_is_materialised(graph, tmp_path, monkeypatch):
    from pipeline.features import compute

    honest = compute._carried
    monkeypatch.setattr(
        compute, "_carried", lambda days, specs, decisions: honest(days, specs, decisions + 6 * CELL64)
    )
    seen = cut(graph, tmp_path, 1)
    assert seen.changed["features/h4"] > 0
    assert seen.changed["market/ohlcv_daily"] == 0
    assert seen.places[0]["what"] == "features/h4"
    assert list(tmp_path.iterdir()) == []


def test_checks_that_stop_every_future_stop_the_proof(graph, tmp_path, monkeypatch):
    from assets.lookahead import cuts as lookahead_cuts

    made = lookahead_cuts._Scratch.materialised
    answers = iter([True, *[False] * lookahead_cuts.TRIES])

    def stopped(scratch, world):
        return made(scratch, world) if next(answers) else {}

    monkeypatch.setattr(lookahead_cuts._Scratch, "materialised", stopped)
    with pytest.raises(RefusedError, match="was stopped before"):
        cut(graph, tmp_path, 1)


def test_where_a_check_stops_one_kind_of_future_another_kind_is_tried(graph, tmp_path, monkeypatch):
    from assets.lookahead import cuts as lookahead_cuts
    from pipeline.lookahead import perturb

    made, tried = lookahead_cuts._Scratch.materialised, []
    honest = perturb.perturbed
    monkeypatch.setattr(perturb, "perturbed", lambda *how: tried.append(how[2]) or honest(*how))
    monkeypatch.setattr(
        lookahead_cuts._Scratch,
        "materialised",
        lambda scratch, world: {} if len(tried) == 1 else made(scratch, world),
    )
    seen = cut(graph, tmp_path, 1)
    assert (seen.cuts, seen.stopped) == (1, 1)
    assert tried == list(perturb.MODES[:2])


def test_the_job_proves_the_graph_it_lives_in_and_leaves_attestations(graph):
    desk, *_ = graph
    job = compose(desk).resolve_job_def("lookahead")
    config = {"ops": {"prove": {"config": {"perturbations": 3, "cuts": 1, "seed": 8}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(run_config=QUIET | config, instance=instance).success
    stored = desk.warehouse.as_of(ATTESTATIONS)
    assert stored["changed"].sum() == 0
    assert (stored["cells"] > 0).all()
    assert set(stored["what"]) == {"asset", "strategy", "book"}
    driven = set(stored.filter(stored["what"] == "asset")["name"])
    keys = {"/".join(key.path) for asset in graph_of(desk) for key in asset.keys}
    empty = {"market/corporate_actions", "chain/blocks"}
    judged = {"valuation/backtests", "valuation/board"}
    assert keys - driven == empty | judged | {f"optimization/{name}" for name in SEARCHED}
    trend = stored.filter(stored["name"] == "EquityTrend").row(0, named=True)
    assert (trend["version"], trend["perturbations"], trend["caught"]) == ("1.0.0", 3, 12)


def test_an_asset_that_nobody_drives_is_named_and_the_proof_does_not_hold(graph, monkeypatch):
    @dg.asset(key=["weather", "rain"])
    def rain():
        """Nobody knows when this was known."""

    desk, _, bench, _ = graph
    sisters = {"start_changed": 0}
    assets = [*graph_of(desk), rain]
    whole = {"/".join(key.path): 1 for asset in graph_of(desk) for key in asset.keys}
    verdict = lookahead._judged(assets, bench, Proof(), Cuts(cuts=1, cells=whole), sisters)
    assert verdict.undriven == ["weather/rain"]
    assert not verdict.holds
    monkeypatch.setattr(lookahead, "EXEMPT", {"weather/rain": "nothing is decided by rain"})
    excused = lookahead._judged(assets, bench, Proof(), Cuts(cuts=1, cells=whole), sisters)
    assert excused.undriven == []
    assert excused.exempt["weather/rain"] == "nothing is decided by rain"
    assert excused.holds


def test_only_tables_that_say_when_a_row_was_known_are_split_by_a_cut():
    assert split_by_cuts("features/h4")
    assert split_by_cuts("backtest/equity")
    assert not split_by_cuts("backtest/runs")
    assert not split_by_cuts("weather/rain")


@pytest.mark.realdata
def test_nothing_of_the_real_folder_looks_ahead(real_data, tmp_path):
    from assets.lookahead.drivers import Bench, drivers
    from assets.lookahead.sources import read_sources, stretches
    from pipeline.lookahead.proof import prove
    from resources.desk import open_desk

    environ = {
        "EIGHTBELLS_HOME": str(tmp_path), "EIGHTBELLS_SOURCE": "files", "EIGHTBELLS_DATA": str(real_data),
    }  # fmt: skip
    desk = open_desk(environ)
    sources = read_sources(desk)
    bench = Bench(desk, sources, desk.clock.now())
    first = next(iter(stretches(sources, bench.symbols())))
    *_, proof = prove([first], drivers(bench), bench.open, perturbations=6, seed=8, plants=())
    assert proof.changed == 0
    assert proof.cells > 100_000
