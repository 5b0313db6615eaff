"""The ``optimization`` schema: searches over parameters, their members, and the folds that judged them."""

from warehouse.table import Column, Table, Type, key_column

_EXPERIMENT = key_column("experiment_id", "VARCHAR", "id", "One run of an experiment file.")
_HASH = "SHA-256"


def _told(name: str, type_: Type, unit: str, description: str) -> Column:
    return Column(name, type_, unit, description)


def _double(name: str, unit: str, description: str) -> Column:
    return Column(name, "DOUBLE", unit, description)


METRICS: tuple[Column, ...] = (
    _double("bps", "score", "Balanced performance score."),
    _double("sharpe", "per square-root year", "Annualised Sharpe ratio of daily NAV returns."),
    _double("sharpe_se", "per square-root year", "Standard error of the Sharpe ratio."),
    _double("cagr", "fraction per year", "Compound annual growth."),
    _double("total_return", "fraction", "Return over the window."),
    _double("volatility", "per square-root year", "Annualised standard deviation of daily returns."),
    _double("max_drawdown", "fraction", "Largest fall from a peak of NAV, positive."),
    _double("sortino", "per square-root year", "Sortino ratio."),
    _double("calmar", "ratio", "CAGR by maximal drawdown."),
    _double("win_rate", "fraction", "Share of round trips with a profit after costs."),
    _double("profit_factor", "ratio", "Gross profit by gross loss of round trips."),
    _double("turnover", "per year", "Traded notional by mean NAV and year."),
    _double("cost_drag", "fraction per year", "Costs by mean NAV and year."),
    _double("mean_exposure", "fraction", "Mean gross exposure."),
    _double("round_trips", "trips", "Closed round trips, flat to flat."),
    _double("trades", "fills", "Number of fills."),
)
"""Numbers of a member, as `pipeline.backtest.metrics.Metrics` names them."""

RESULTS = Table(
    schema="optimization",
    name="results",
    description="One member of a search: its parameters and numbers; the rank comes when the search ends.",
    columns=(
        _EXPERIMENT,
        key_column("member", "BIGINT", "count", "Place in the order of evaluation, from 0."),
        _told("name", "VARCHAR", "name", "Name of the experiment."),
        _told(
            "search_hash",
            "VARCHAR",
            _HASH,
            "Experiment, settings, data and code: what a resumption must share.",
        ),
        _told("stage", "VARCHAR", "text", "Part of the search that asked for it, such as generation 3."),
        _told("trial_id", "VARCHAR", "id", "Its row in the trial ledger."),
        _told("config_hash", "VARCHAR", _HASH, "Hash of the whole configuration with these parameters."),
        _told("params_json", "VARCHAR", "JSON", "The parameters that the search chose."),
        _double("score", "as the metric", "What ranked it; NULL when unknown."),
        _told("rank", "BIGINT", "count", "1 is best; NULL while the search is unfinished."),
        _told("on_front", "BOOLEAN", "flag", "No other member dominates it in the goals of the search."),
        *METRICS,
        _told("digest", "VARCHAR", _HASH, "Digest of the full series."),
    ),
    key=("experiment_id", "member"),
    block=("experiment_id",),
    known_at="recorded",
)

EXPERIMENTS = Table(
    schema="optimization",
    name="experiments",
    description="One finished search: what was searched, what is best, and how much of it is luck.",
    columns=(
        _EXPERIMENT,
        Column("name", "VARCHAR", "name", "Name in the experiment file.", nullable=False),
        Column("method", "VARCHAR", "name", "How it searched.", nullable=False),
        Column("strategy", "VARCHAR", "name", "Strategy.", nullable=False),
        _told("strategy_version", "VARCHAR", "version", "Version of the strategy."),
        _told("family", "VARCHAR", "id", "Strategy and universe, for counting trials."),
        _told("source", "VARCHAR", "name", "Feed the bars came from."),
        Column("simulated", "BOOLEAN", "flag", "True when run on simulated bars.", nullable=False),
        Column("started_at", "TIMESTAMPTZ", "UTC", "When it started.", compared=False),
        _told("window_start", "TIMESTAMPTZ", "UTC", "First decision cell."),
        _told("window_end", "TIMESTAMPTZ", "UTC", "End of the window, not included."),
        _told("members", "BIGINT", "members", "Parameter sets that were run."),
        _told(
            "trials",
            "BIGINT",
            "trials",
            "N: distinct trials of the family in the ledger, at least the members.",
        ),
        _told("metric", "VARCHAR", "name", "What ranked the members."),
        _told("best_json", "VARCHAR", "JSON", "Parameters of the best member."),
        _told("best_config_hash", "VARCHAR", _HASH, "Its configuration."),
        *METRICS,
        _double(
            "deflated_sharpe",
            "probability",
            "Probability that the best has skill, luck of N trials deducted.",
        ),
        _double("reality_check_p", "probability", "White's Reality Check."),
        _double("spa_p", "probability", "Hansen's test of superior predictive ability."),
        _double("pbo", "probability", "Probability of backtest overfitting."),
        _double("effective_trials", "trials", "Independent trials that the members amount to; shown only."),
        _double("walk_forward_sharpe", "per square-root year", "Sharpe ratio of the walk-forward path."),
        _double("cpcv_sharpe", "per square-root year", "Median Sharpe ratio of the cross-validation paths."),
        _double("benchmark_sharpe", "per square-root year", "Sharpe ratio of buy-and-hold."),
        _double("benchmark_cagr", "fraction per year", "CAGR of buy-and-hold."),
        _told("verdict", "VARCHAR", "skill | luck | undecided", "What the luck statistics say."),
        _told("evidence_json", "VARCHAR", "JSON", "Every statistic of the search."),
        _told("guards_json", "VARCHAR", "JSON", "Guard rails and whether they held."),
        _told("digest", "VARCHAR", _HASH, "Digest over all members and the out-of-sample path."),
        _told("search_hash", "VARCHAR", _HASH, "Experiment, settings, data and code."),
        _told("data_hash", "VARCHAR", _HASH, "Digest of the bars that were read."),
        _told("config_hash", "VARCHAR", _HASH, "Hash of the settings."),
        _told("code_version", "VARCHAR", "version", "Version of the code."),
        _told("experiment_json", "VARCHAR", "JSON", "The experiment file."),
        Column("seconds", "DOUBLE", "seconds", "How long it took.", compared=False),
    ),
    key=("experiment_id",),
    policy="once",
    known_at="recorded",
)

FOLDS = Table(
    schema="optimization",
    name="folds",
    description="One out-of-sample judgement: what a window or split chose, and how that did on other days.",
    columns=(
        _EXPERIMENT,
        key_column("kind", "VARCHAR", "walk_forward | cpcv", "Kind of split."),
        key_column("fold", "BIGINT", "count", "Number of the window or split, from 0."),
        _told("train_start", "TIMESTAMPTZ", "UTC", "First day that chose."),
        _told("train_end", "TIMESTAMPTZ", "UTC", "Last day that chose."),
        _told("test_start", "TIMESTAMPTZ", "UTC", "First day that judged."),
        _told("test_end", "TIMESTAMPTZ", "UTC", "Last day that judged."),
        _told("member", "BIGINT", "count", "The chosen member."),
        _told("params_json", "VARCHAR", "JSON", "Its parameters."),
        _double("in_sample", "as the metric", "Its number on the days that chose."),
        _double("out_of_sample", "as the metric", "The same number on the days that judged."),
    ),
    key=("experiment_id", "kind", "fold"),
    policy="once",
    block=("experiment_id",),
    known_at="recorded",
)

OPTIMIZATION_TABLES = (EXPERIMENTS, RESULTS, FOLDS)
