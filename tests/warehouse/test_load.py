"""The load bench in small: no errors, nobody starves, every row said to be written is there."""

import pytest

from benchmarks.warehouse_load import Load, Tally, figures, quantile, run


@pytest.mark.slow
def test_writers_readers_bulk_and_urgent_share_the_warehouse(tmp_path):
    load = Load(
        seconds=3.0, writers=2, readers=2, write_rows=100, read_rows=500, bulk_rows=6_000, chunk_rows=2_000
    )
    result = run(load, tmp_path)
    assert result["error_texts"] == []
    assert result["errors"] == 0
    assert result["min_operations"] >= 2
    assert set(result["operations"]) == {"writer0", "writer1", "reader0", "reader1", "bulk", "urgent"}
    assert result["rows_written"] >= 6_000
    assert result["ordinary_max_s"] < 5.0


def test_quantiles_are_observed_values():
    values = [float(v) for v in range(1, 101)]
    assert quantile(values, 0.5) == 50.0
    assert quantile(values, 0.99) == 99.0
    assert quantile([3.0], 0.99) == 3.0
    assert quantile([], 0.99) is None


def test_figures_keep_the_roles_apart():
    tallies = [
        Tally("writer0", latencies=[0.1, 0.2], sessions=2),
        Tally("reader0", latencies=[0.5], sessions=1),
        Tally("urgent", latencies=[0.9], sessions=7),
    ]
    result = figures(Load(), tallies, ["one error"], 10)
    assert (result["ordinary_max_s"], result["readers_p99_s"], result["urgent_p99_s"]) == (0.2, 0.5, 0.9)
    assert (result["errors"], result["min_operations"], result["rows_written"]) == (1, 1, 10)
