"""``bells strategies promote|demote|gates|history`` and ``bells optimize holdout``, as people meet them."""

import pytest

WHO = ("--operator", "ann", "--reason", "because")
BOB = ("--operator", "bob", "--reason", "so say I")


def test_a_refused_promotion_leaves_with_five_and_lists_every_gate_with_measured_and_bound(bells):
    answer = bells("strategies", "promote", "EquityTrend", *WHO, "--json")
    assert (answer.code, answer.json["ok"], answer.json["exit_code"]) == (5, False, 5)
    gates = {each["name"]: each for each in answer.json["gates"]}
    assert len(gates) == 10
    assert gates["sharpe"]["bound"] == ">= 1"
    assert {each["measured"] for each in gates.values()} == {None}
    assert {each["verdict"] for each in gates.values()} == {"unknown"}
    shown = bells("strategies", "promote", "EquityTrend", *WHO)
    assert shown.code == 5
    for name in gates:
        assert name in shown.out
    assert "10 of 10 gates to candidate do not pass" in shown.err
    assert bells("strategies", "history", "EquityTrend", "--json").json["events"] == []


def test_a_life_by_force_with_two_operators_and_back(bells):
    def force(*words):
        return bells("strategies", "promote", "EquityTrend", "--force", *words, "--json")

    up = force(*WHO)
    assert (up.code, up.json["event"], up.json["state"], up.json["forced"]) == (
        0,
        "promoted",
        "candidate",
        True,
    )
    assert force(*WHO, "--to", "live").code == 5
    assert force(*WHO, "--to", "paper").json["state"] == "paper"
    first = force(*WHO, "--to", "live")
    assert (first.code, first.json["event"], first.json["state"]) == (0, "approved", "paper")
    assert first.json["approvals_missing"] == 1
    assert "1 more operator must approve" in first.err
    assert force(*WHO, "--to", "live").code == 5
    second = force(*BOB, "--to", "live")
    assert (second.code, second.json["event"], second.json["state"]) == (0, "promoted", "live")
    down = bells("strategies", "demote", "EquityTrend", *BOB, "--cause", "drawdown", "--json")
    assert (down.code, down.json["state"], down.json["cause"]) == (0, "research", "drawdown")
    assert bells("strategies", "demote", "EquityTrend", *BOB).code == 5
    events = bells("strategies", "history", "EquityTrend", "--json").json["events"]
    assert [each["event"] for each in events] == ["promoted", "promoted", "approved", "promoted", "demoted"]
    assert [each["forced"] for each in events] == [True, False, True, True, False]
    assert [each["seq"] for each in events] == [1, 2, 3, 4, 5]
    assert len(events[0]["gates"]) == 10
    assert "EquityTrend" in bells("strategies", "history", "EquityTrend").out


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "EquityTrnd", *WHO),
        ("promote", "EquityTrend", "--operator", "ann"),
        ("promote", "EquityTrend", "--reason", "because"),
        ("promote", "EquityTrend", "--operator", "ann", "--reason", " ", "--force"),
        ("promote", "EquityTrend", *WHO, "--to", "moon"),
        ("demote", "EquityTrnd", *WHO),
        ("gates", "EquityTrnd"),
    ],
)
def test_what_cannot_be_meant_leaves_with_one(bells, words):
    assert bells("strategies", *words).code == 1


def test_gates_say_where_a_strategy_stands_and_change_nothing(bells, home):
    answer = bells("strategies", "gates", "EquityTrend", "--json")
    assert answer.code == 0
    assert (answer.json["ok"], answer.json["state"], answer.json["to"]) == (False, "research", "candidate")
    assert answer.json["run_id"] is None
    assert not home.exists()
    live = bells("strategies", "gates", "EquityTrend", "--to", "live", "--json").json
    assert {each["verdict"] for each in live["gates"]} == {"unknown"}


def test_settings_that_claim_more_than_the_ledger_are_pointed_out(bells):
    claim = ("--set", "strategies.EquityTrend.status=live")
    answer = bells("strategies", "gates", "EquityTrend", "--json", *claim)
    assert (answer.json["state"], answer.json["configured"]) == ("research", "live")
    assert answer.json["configured_exceeds"]
    assert "the ledger counts" in answer.err


def test_other_parameters_begin_in_research(bells):
    assert bells("strategies", "promote", "EquityTrend", "--force", *WHO).code == 0
    changed = ("--set", "strategies.EquityTrend.parameters.sma_days=150")
    answer = bells("strategies", "gates", "EquityTrend", "--json", *changed)
    assert (answer.json["state"], answer.json["outdated"]) == ("research", "candidate")
    assert "was candidate in another version" in answer.err


def test_a_window_is_held_out_once_and_listed(bells):
    declare = ("optimize", "holdout", "declare", "EquityTrend", "--operator", "ann", "--json")
    window = ("--start", "2030-01-01", "--end", "2031-01-01")
    done = bells(*declare, *window)
    assert (done.code, done.json["event"]) == (0, "declared")
    assert bells(*declare, *window).code == 5
    assert bells("optimize", "holdout", "open", "EquityTrend", *WHO).code == 5
    assert bells("optimize", "holdout", "open", "CryptoMomentum", *WHO).code == 1
    listed = bells("optimize", "holdout", "list", "--json").json
    assert [row["event"] for row in listed["holdouts"]] == ["declared"]
    assert bells(*declare, "--start", "2031-01-01", "--end", "2030-01-01").code == 1


def test_a_backtest_into_held_out_days_leaves_with_five(bells, stored):
    first = bells("data", "status", "--json").json["series"][0]["first"][:10]
    window = ("--start", first, "--end", "2100-01-01")
    assert bells("optimize", "holdout", "declare", "EquityTrend", "--operator", "ann", *window).code == 0
    answer = bells("backtest", "run", "--strategy", "EquityTrend", "--json")
    assert (answer.code, answer.json["error"]) == (5, "RefusedError")
    assert "would see the hold-out window" in answer.json["what"]
