"""The runs of the kernel that judge a finished search: its best member again, controls, the walking account.

They serve the search and count as no trial; each leaves a control row in the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assets.backtest.population import in_ledger, ledger_row
from assets.backtest.rows import series_of
from pipeline.errors import TamperedError
from warehouse.tables import TRIALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from assets.backtest.context import MarketContext
    from assets.backtest.population import Member, Search
    from pipeline.arrays import Float1D, Float2D, Time1D
    from pipeline.backtest.rerun import Ran
    from pipeline.backtest.result import BacktestResult, Simulation
    from pipeline.backtest.robustness import Robustness
    from pipeline.optimization.out_of_sample import Fold
    from warehouse.table import Table


@dataclass(frozen=True, eq=False)
class Judges:
    """The kernel, for judging one search.

    Parameters
    ----------
    market, search
        What is judged.
    code
        Version of all code that runs.
    rows
        Ledger rows of the runs so far.
    """

    market: MarketContext
    search: Search
    code: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    def again(self, member: Member) -> tuple[BacktestResult, Time1D, Float1D]:
        """Run a member again, alone; return its run, the days of the population and what cash earned on them.

        Cash is as the ledger keeps it, rounded to 32 bits, and empty where it earns nothing.

        Raises
        ------
        TamperedError
            When it differs from what is stored of it.
        """
        from pipeline.backtest.engine import backtest
        from pipeline.backtest.population import digest_of, evaluate
        from pipeline.backtest.rerun import Ran

        market = self.market
        params = market.parameters(member.params)
        context, (start, end) = market.context([params]), market.window
        alone = evaluate(
            context, market.strategy, [params], rules=market.rules, assets=market.assets,
            initial_nav=market.initial_nav, start=start, end=end,
        )  # fmt: skip
        run = backtest(
            context, market.strategy, params, rules=market.rules, assets=market.assets,
            provenance=market.read.provenance, initial_nav=market.initial_nav, start=start, end=end,
        )  # fmt: skip
        now = digest_of(run.simulation, alone.days)
        if now != member.digest:
            raise TamperedError(
                "a member of the search, run alone, is not what is stored of it",
                field="optimization.results.digest",
                value=f"member {member.number}: stored {member.digest}, now {now}",
                constraint="bit-identical",
                fix="run the experiment again without --resume",
            )
        self.keep(f"best-{member.number:05d}", member.config_hash, Ran.of("best", run.simulation))
        return run, alone.days, in_ledger(alone.cash_returns)

    def asked(self, member: Member, run: BacktestResult, trials: int) -> Robustness:
        """Ask the best member's run what every research run is asked; ``trials`` is N."""
        import numpy as np

        from pipeline.backtest.configured import plan_of
        from pipeline.backtest.rerun import Account
        from pipeline.backtest.robustness import robustness_of
        from pipeline.backtest.weighing import weights_of

        market = self.market
        params, panel = market.parameters(member.params), market.read.traded
        first, last = np.searchsorted(panel.ts, np.array([run.start, run.end])).tolist()
        weights = weights_of(market.context([params]), market.strategy, params)
        account = Account(
            panel.upto(last - 1), weights[:last], market.assets, market.rules,
            initial_nav=market.initial_nav, start=first,
        )  # fmt: skip
        regimes = {name: codes[first:last] for name, codes in market.regimes.items()}
        robustness = robustness_of(run, account, plan_of(market.desk.loaded.settings.system, trials), regimes)
        for number, control in enumerate(robustness.runs):
            self.keep(f"{number:04}-{control.name}", member.config_hash, control)
        return robustness

    def followed(
        self, members: Sequence[Member], folds: Sequence[Fold], days: Time1D, config_hash: str
    ) -> Simulation | None:
        """Run the account that holds, in every walk-forward window, what the window before it chose.

        Switching costs what trading costs.  None where the window of the search is too short for any choice.
        """
        import numpy as np

        from pipeline.backtest.engine import simulate
        from pipeline.backtest.rerun import Ran
        from pipeline.backtest.weighing import weights_of
        from pipeline.optimization.out_of_sample import stitched

        market = self.market

        def weights(row: int) -> Float2D:
            params = market.parameters(members[row].params)
            return weights_of(market.context([params]), market.strategy, params)

        panel = market.read.traded
        stitch = stitched(folds, np.searchsorted(panel.ts, days), weights)
        if stitch is None:
            return None
        targets, first, end = stitch
        done = simulate(
            panel.upto(end - 1), targets[:end], rules=market.rules, assets=market.assets,
            initial_nav=market.initial_nav, start=first,
        )  # fmt: skip
        self.keep("walk_forward", config_hash, Ran.of("walk_forward", done))
        return done

    def keep(self, what: str, config_hash: str, ran: Ran) -> None:
        """Remember a run for the ledger."""
        trial_id = f"{self.search.experiment_id}-{what}"
        self.rows.append(
            ledger_row(self.market, self.search, trial_id, "control", config_hash, self.code) | series_of(ran)
        )

    def frame(self) -> tuple[Table, pl.DataFrame]:
        """Return the rows for the ledger."""
        import polars as pl

        typed: dict[str, Any] = {"run_id": pl.String, "digest": pl.String}
        typed |= dict.fromkeys(("daily_returns", "cash_returns"), pl.List(pl.Float64))
        return TRIALS, pl.DataFrame(self.rows, schema_overrides=typed, infer_schema_length=None)
