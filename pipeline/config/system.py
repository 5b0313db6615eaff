"""The desk's own settings: ``system.yaml``.

Every field has its default here, its value in ``configs/base/system.yaml`` and a reader somewhere.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.model import (
    BasisPoints,
    Fraction,
    Instant,
    Name,
    OneOrMore,
    PathText,
    Strict,
    broken_rule,
)


class Backtest(Strict):
    """Which run the main job makes."""

    strategy: OneOrMore = Field(
        "EquityTrend",
        description="Name in strategies.yaml; a list: a book of them; portfolio: of all with a budget",
    )
    initial_nav: float = Field(100_000.0, gt=0, le=1e12, description="USD at the start")
    start: Instant | None = Field(None, description="First decision; null: the source's own window")
    end: Instant | None = Field(
        None, description="End of the window, exclusive; null: the source's own window"
    )
    on_halt: Literal["stay", "resume_after_bars"] = Field(
        "stay", description="After the drawdown halt: stay flat, or resume after so many bars"
    )
    resume_after_bars: int | None = Field(
        None, ge=1, le=1_000_000, description="H4 bars flat before resuming"
    )
    carry_unfilled: bool = Field(
        default=False, description="Whether the rest above the volume cap is carried on"
    )

    kill_from: Instant | None = Field(
        None, description="A drill: the kill switch is on from this decision; null: never"
    )
    kill_until: Instant | None = Field(None, description="It is off again from this one; null: it stays on")

    @model_validator(mode="after")
    def _window_and_halt(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise broken_rule(
                "start < end", "give an end after the start", what="the window is empty", at="end"
            )
        if (self.on_halt == "resume_after_bars") != (self.resume_after_bars is not None):
            raise broken_rule(
                "resume_after_bars has a number exactly when on_halt is resume_after_bars",
                "set on_halt: resume_after_bars together with resume_after_bars: 42, or stay with null",
                what="the rule for resuming after a halt is incomplete",
                at="resume_after_bars",
            )
        if self.kill_until is not None and (self.kill_from is None or self.kill_until <= self.kill_from):
            raise broken_rule(
                "kill_from < kill_until",
                "give a later kill_until, or null",
                what="the kill switch would go off before it is on",
                at="kill_until",
            )
        return self


class Risk(Strict):
    """Limits on target weights, as fractions of NAV."""

    max_leverage: float = Field(1.2, gt=0, le=10, description="Sum of absolute weights")
    per_asset_cap: float = Field(0.40, gt=0, le=10, description="Absolute weight of one asset")
    crypto_class_cap: float = Field(0.20, gt=0, le=10, description="Sum of absolute crypto weights")
    drawdown_trigger: Fraction = Field(0.15, gt=0, description="Drawdown from which targets are scaled down")
    drawdown_release: Fraction = Field(0.12, description="Drawdown at or below which scaling down ends")
    drawdown_halt: Fraction = Field(0.20, gt=0, description="Drawdown from which the book is flattened")
    derisking_factor: Fraction = Field(0.5, description="Factor on targets while scaled down")

    @model_validator(mode="after")
    def _steps_in_order(self) -> Self:
        if not self.drawdown_release < self.drawdown_trigger:
            raise broken_rule(
                f"drawdown_release < drawdown_trigger {self.drawdown_trigger}",
                "lower drawdown_release, or raise drawdown_trigger",
                what="de-risking would end before it starts",
                at="drawdown_release",
            )
        if not self.drawdown_trigger < self.drawdown_halt:
            raise broken_rule(
                f"drawdown_trigger < drawdown_halt {self.drawdown_halt}",
                "lower drawdown_trigger, or raise drawdown_halt",
                what="the halt would come before de-risking",
                at="drawdown_trigger",
            )
        return self


class Trading(Strict):
    """When a target becomes an order, and how large an order may be."""

    rebalance_band_nav: Fraction = Field(0.01, description="Drift tolerated, as a share of NAV")
    rebalance_band_target: Fraction = Field(0.10, description="Drift tolerated, as a share of the target")
    min_trade_nav: Fraction = Field(0.001, description="Smallest order, as a share of NAV")
    min_trade_usd: float = Field(10.0, ge=0, le=1e9, description="Smallest order, USD")
    volume_share: Fraction = Field(0.10, gt=0, description="Share of the median volume that one bar may take")
    volume_lookback: int = Field(20, ge=1, le=1000, description="Bars of the same cell in that median")


class Cost(Strict):
    """Costs per side of one asset class."""

    slippage_bps: BasisPoints = Field(5.0, description="Slippage, basis points per side")
    fee_bps: BasisPoints = Field(1.0, description="Fee, basis points per side")


class Cash(Strict):
    """What cash earns and what borrowed cash costs, per year."""

    rate: Fraction = Field(0.0, description="Rate per year where no series is named")
    series: Name | None = Field(
        None,
        description="Macro series of the rate, a fraction per year, as known; null: the fixed rate",
    )
    keeps: Fraction = Field(0.005, description="What the broker keeps of the rate on cash held")
    borrow: Fraction = Field(0.015, description="What the broker adds to the rate on cash owed")


class Costs(Strict):
    """Costs by asset class, and of cash."""

    equity: Cost = Cost()
    crypto: Cost = Cost(fee_bps=10.0)
    cash: Cash = Cash()


Crisis = Annotated[str, Field(pattern=r"^\w+ \d{4}-\d{2}-\d{2} \d{4}-\d{2}-\d{2}$")]


class Controls(Strict):
    """What every research run is asked beside its numbers."""

    random: int = Field(
        200,
        ge=0,
        le=100_000,
        description="Random strategies a run is compared with; 0: none, and no percentile",
    )
    seed: int = Field(8, ge=0, le=2**62, description="Seed of random strategies and of bootstrap intervals")
    crises: Annotated[tuple[Crisis, ...], Field(strict=False)] = Field(
        ("covid_2020 2020-02-01 2020-05-01", "bear_2022 2022-01-01 2023-01-01"),
        description="Windows shown by themselves: NAME FIRST END, days of UTC, the end not included",
    )

    @model_validator(mode="after")
    def _windows(self) -> Self:
        names = [crisis.split()[0] for crisis in self.crises]
        for crisis in self.crises:
            name, first, end = crisis.split()
            try:
                in_order = date.fromisoformat(first) < date.fromisoformat(end)
            except ValueError:
                in_order = False
            if not in_order or names.count(name) > 1:
                raise broken_rule(
                    "NAME FIRST END: every name once, two dates, FIRST < END",
                    "write it as bear_2022 2022-01-01 2023-01-01",
                    what=f"{crisis} is not a window of its own",
                    at="crises",
                )
        return self


class Retention(Strict):
    """What is kept of what piles up."""

    snapshots: int = Field(3, ge=1, le=1000, description="Published read-only copies kept")
    runs_days: int | None = Field(
        None, ge=1, le=36_500, description="Days backtest runs are kept; null: for ever"
    )


class WarehouseSettings(Strict):
    """The DuckDB file and how long anybody waits for it."""

    path: PathText | None = Field(None, description="The file; null: warehouse.duckdb in the home directory")
    timeout_s: float = Field(30.0, gt=0, le=3600, description="Longest wait for a session, seconds")
    urgent_wait_s: float = Field(
        2.0, gt=0, le=60, description="Longest wait of an urgent write before the spool"
    )
    memory_limit: Annotated[str, Field(pattern=r"^[1-9]\d{0,5}(\.\d+)?(MB|GB|TB|MiB|GiB|TiB)$")] = Field(
        "2GB", description="DuckDB's memory, such as 2GB"
    )
    threads: int = Field(2, ge=1, le=256, description="DuckDB's threads")
    chunk_rows: int = Field(
        200_000, ge=1000, le=10_000_000, description="Rows written in one session at most"
    )
    retention: Retention = Retention()


class Logging(Strict):
    """The JSON-line streams under the home directory's ``logs``."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level written to files"
    )
    console_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="Least level shown on stderr"
    )
    rotate_mb: float = Field(10.0, gt=0, le=10_000, description="Size at which a file is rotated, MB")
    keep: int = Field(5, ge=1, le=1000, description="Rotated files kept per stream")


class Freshness(Strict):
    """Age at which a materialisation counts as late, hours."""

    h4_hours: float = Field(5.0, gt=0, le=8760, description="Four-hour bars and features")
    daily_hours: float = Field(28.0, gt=0, le=8760, description="Daily bars")
    macro_hours: float = Field(28.0, gt=0, le=8760, description="Macro series")


class Axis(Strict):
    """The months by which Dagster materialises history."""

    first_month: Instant = Field(
        default=datetime(2015, 1, 1, tzinfo=UTC),
        description="First month of market assets; what a source has before comes with it",
    )


Accepted = Annotated[str, Field(pattern=r"^[a-z_]+ \S+( \d{4}-\d{2}-\d{2})?$")]


class Checks(Strict):
    """Where a blocking check draws the line, and what is done about a short gap."""

    max_missing_share: Fraction = Field(
        0.05,
        description="Share of a symbol's expected bars that may be missing before the no_gaps check blocks",
    )
    allow_stale: bool = Field(
        default=False, description="Whether to go on with what is stored where a venue is out of reach"
    )
    accepted: Annotated[tuple[Accepted, ...], Field(strict=False)] = Field(
        (), description="Findings that are true and do not block: RULE SYMBOL, or RULE SYMBOL YYYY-MM-DD"
    )
    imputation: Literal["none", "last"] = Field(
        "none", description="What is put into a short gap: nothing, or the last close, marked as imputed"
    )
    imputation_max_bars: int = Field(
        3, ge=1, le=100, description="Missing bars in a row up to which imputation fills; a longer gap stays"
    )


class System(Strict):
    """All of ``system.yaml``."""

    source: Name = Field(
        "sample", description="Market source: sample, files, ccxt, alpaca, yahoo, fred, venues"
    )
    files_mapping: PathText = Field(
        "configs/sources/example.yaml", description="Mapping read by the files source, from the project root"
    )
    venues_settings: PathText = Field(
        "configs/sources/venues.yaml", description="Settings read by the venues source, from the project root"
    )
    data_dir: PathText | None = Field(
        None,
        description="Folder of the files source; null: ../shared/data beside the project where it exists",
    )
    backtest: Backtest = Backtest()
    risk: Risk = Risk()
    trading: Trading = Trading()
    costs: Costs = Costs()
    controls: Controls = Controls()
    warehouse: WarehouseSettings = WarehouseSettings()
    logging: Logging = Logging()
    freshness: Freshness = Freshness()
    axis: Axis = Axis()
    checks: Checks = Checks()
