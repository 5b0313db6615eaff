"""``bells optimize`` and ``bells experiment``: answers, interruption and death in the middle of a search."""

import json
import shutil
import signal
from pathlib import Path

import pytest

from service.cli.main import invoke
from service.cli.opening import open_for
from warehouse.tables import RESULTS, TRIALS

GRID = """\
experiment:
  name: small_grid
  description: A small grid
  method: grid
  target_model: EquityTrend
  parameter_grid: {sma_days: [50, 100, 150], momentum_short_days: [21, 63]}
"""
LONG = """\
experiment:
  name: long_evolution
  description: A search with many generations
  method: evolutionary
  target_model: EquityTrend
  parameter_ranges: {sma_days: {min: 20, max: 180}, momentum_short_days: {min: 5, max: 120}}
  evolutionary: {population_size: 8, num_generations: 90}
"""
QUIET = ("--set", "controls.random=20")


@pytest.fixture
def experiment(tmp_path):
    """Write an experiment file and return its path."""

    def written(text: str) -> Path:
        path = tmp_path / f"{text.split()[2]}.yaml"
        path.write_text(text)
        return path

    return written


@pytest.fixture(scope="module")
def searched(tmp_path_factory, updated, folder) -> Path:
    """A home in which the small grid was searched, and the long evolution to its end."""
    from tests.service.conftest import point_to

    path = tmp_path_factory.mktemp("searched") / "home"
    shutil.copytree(updated, path)
    with pytest.MonkeyPatch.context() as patch:
        point_to(patch, path, folder)
        for name, text in (("small_grid", GRID), ("long_evolution", LONG)):
            file = path.parent / f"{name}.yaml"
            file.write_text(text)
            assert invoke(["optimize", "run", str(file), *QUIET, "--json"]) == 0
    return path


@pytest.fixture
def finished(home, searched) -> Path:
    """The home of this test with both searches in its warehouse."""
    shutil.copytree(searched, home)
    return home


def test_the_answer_leads_with_the_best_and_with_what_is_luck(bells, stored, experiment):
    answer = bells("optimize", "run", experiment(GRID), *QUIET, "--threads", "2", "--json")
    assert answer.code == 0, answer.err
    said = answer.json
    assert list(said)[:6] == ["experiment", "trials", "best", "pbo", "digest", "seconds"]
    assert said["experiment"] == "small_grid"
    assert said["trials"] == said["members"] == 6
    assert set(said["best"]) >= {"params", "bps", "sharpe", "deflated_sharpe", "reality_check_p", "spa_p"}
    assert set(said["best"]["params"]) == {"sma_days", "momentum_short_days"}
    assert 0.0 <= said["best"]["deflated_sharpe"] <= 1.0
    assert {guard["name"] for guard in said["guards"]} >= {
        "free_parameters",
        "sharpe_plausible",
        "out_of_sample_cagr_share",
        "beats_buy_and_hold",
        "parameter_variation",
    }
    report = (Path(said["folder"]) / "report.html").read_text()
    assert (
        report.index("Skill or luck") < report.index("The best member") < report.index("Settings and hashes")
    )
    assert report.index("Skill or luck") < report.index("What it means") < report.index("Guard rails")
    assert "grid, 0 of 6 members" in answer.err


def test_people_read_luck_first_then_the_best_member(bells, stored, experiment):
    answer = bells("optimize", "run", experiment(GRID), *QUIET)
    assert answer.code == 0, answer.err
    words = (
        "means",
        "verdict",
        "deflated Sharpe",
        "without skill",
        "the best member",
        "guard rails",
        "best members",
        "digest",
    )
    places = [answer.out.index(word) for word in words]
    assert places == sorted(places)


def test_a_search_updates_first_where_nothing_is_stored(bells, home, experiment):
    answer = bells("optimize", "run", experiment(GRID), *QUIET, "--json")
    assert answer.code == 0, answer.err
    assert "updating first" in answer.err


def test_all_searches_are_listed_newest_first(bells, finished):
    listed = bells("optimize", "list", "--json").json
    assert [record["experiment"] for record in listed["experiments"]] == ["long_evolution", "small_grid"]
    assert listed["unfinished"] == []
    assert "small_grid" in bells("optimize", "list").out


def test_two_searches_stand_side_by_side(bells, finished):
    compared = bells("optimize", "compare", "small_grid", "long_evolution", "--json").json
    assert compared["same_data"]
    assert compared["same_code"]
    assert not compared["same_digest"]
    numbers = compared["numbers"]["bps"]
    assert numbers["difference"] == numbers["b"] - numbers["a"]
    told = bells("optimize", "compare", "small_grid", "long_evolution")
    assert "parameters of the best" in told.out
    unknown = bells("optimize", "compare", "small_grid", "nobody", "--json")
    assert unknown.code == 1
    assert unknown.json["value"] == "'nobody'"


def begun(process, file: Path, *more: str):
    """Start the long search and wait until some generations are stored."""
    running = process("optimize", "run", str(file), *QUIET, *more)
    for line in running.stderr:
        if "generation 5" in line:
            return running
    raise AssertionError(running.stdout.read())


@pytest.mark.slow
def test_an_interrupted_search_leaves_with_130_and_goes_on_to_the_same_digest(
    bells, stored, searched, process, experiment
):
    file = experiment(LONG)
    running = begun(process, file, "--json")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert json.loads(out)["error"] == "Interrupted"
    assert "--resume" in err
    resumed_to_the_same(bells, searched, file)


@pytest.mark.slow
def test_a_killed_search_leaves_whole_blocks_and_goes_on_to_the_same_digest(
    bells, stored, searched, process, experiment
):
    file = experiment(LONG)
    running = begun(process, file)
    running.kill()
    running.communicate(timeout=60)
    assert running.returncode == -signal.SIGKILL
    resumed_to_the_same(bells, searched, file)


@pytest.mark.slow
def test_of_two_that_resume_one_search_the_second_is_refused_and_the_first_loses_nothing(
    bells, stored, searched, process, experiment
):
    file = experiment(LONG)
    interrupted = begun(process, file)
    interrupted.send_signal(signal.SIGINT)
    interrupted.communicate(timeout=60)
    first = begun(process, file, "--resume", "--json")
    first.send_signal(signal.SIGSTOP)  # it holds its search for as long as the second takes
    second = bells("optimize", "run", file, *QUIET, "--resume", "--json")
    first.send_signal(signal.SIGCONT)
    assert second.code == 4, second.out
    assert second.json["what"].startswith("another process is at this search (long_evolution")
    assert second.json["value"] == repr(f"PID {first.pid}")
    assert "wait until it has ended" in second.json["fix"]
    out, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    wholes = [json.loads(path.read_text()) for path in (searched / "artifacts").rglob("result.json")]
    (whole,) = [record for record in wholes if record["experiment"] == "long_evolution"]
    assert json.loads(out)["digest"] == whole["digest"]
    warehouse = open_for(None).warehouse
    assert warehouse.duplicates(RESULTS) == warehouse.duplicates(TRIALS) == 0


def resumed_to_the_same(bells, searched: Path, file: Path) -> None:
    """Check what an ended search left, resume it, and compare with the search that nobody stopped."""
    warehouse = open_for(None).warehouse
    results, trials = warehouse.as_of(RESULTS), warehouse.as_of(TRIALS)
    assert results.height >= 8 + 6 * 3
    assert results["trial_id"].to_list() == trials["trial_id"].to_list(), "a result without its trial"
    assert results["rank"].is_null().all()
    (kept,) = bells("optimize", "list", "--json").json["unfinished"]
    assert kept["members"] == results.height
    answer = bells("optimize", "run", file, *QUIET, "--resume", "--json")
    assert answer.code == 0, answer.err
    stored = json.loads(next((searched / "artifacts" / "experiments").glob("*/result.json")).read_text())
    wholes = [json.loads(path.read_text()) for path in (searched / "artifacts").rglob("result.json")]
    (whole,) = [record for record in wholes if record["experiment"] == "long_evolution"]
    assert answer.json["digest"] == whole["digest"]
    assert answer.json["best"]["params"] == whole["best"]["params"]
    assert answer.json["members"] == whole["members"]
    assert answer.json["trials"] == whole["members"], "N is this search's alone here"
    assert stored["digest"]
    assert bells("optimize", "list", "--json").json["unfinished"] == []


@pytest.mark.parametrize("method", ["grid", "random", "evolutionary", "hybrid", "pareto", "walk_forward"])
def test_a_new_experiment_file_runs_as_it_is(bells, stored, tmp_path, method):
    made = bells(
        "experiment",
        "new",
        "mine",
        "--strategy",
        "EquityTrend",
        "--method",
        method,
        "--to",
        tmp_path,
        "--json",
    )
    assert made.code == 0, made.err
    file = Path(made.json["file"])
    assert file.read_text().count("#") >= 4, "commented"
    text = file.read_text()
    for slow, quick in (("num_generations: 10", "num_generations: 2"), ("n_samples: 100", "n_samples: 9")):
        text = text.replace(slow, quick)
    file.write_text(text)
    answer = bells("optimize", "run", file, *QUIET, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["method"] == method


def test_an_existing_file_a_bad_name_and_an_unknown_word_are_refused(bells, home, tmp_path):
    new = ("experiment", "new", "mine", "--to", tmp_path, "--json")
    assert bells(*new, "--strategy", "EquityTrend").code == 0
    assert bells(*new, "--strategy", "EquityTrend").json["what"] == "the experiment file exists"
    assert bells(*new, "--strategy", "EquityTrendd").json["fix"] == "did you mean EquityTrend?"
    assert bells(*new, "--strategy", "EquityTrend", "--method", "gird").json["fix"] == "did you mean grid?"
    named = bells("experiment", "new", "../mine", "--strategy", "EquityTrend", "--json")
    assert named.code == 1
    assert named.json["field"] == "NAME"
