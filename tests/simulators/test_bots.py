"""The bots: what they do to a market, and the books they keep of it."""

import asyncio
import random

import pytest

from matcher.phases import CONTINUOUS, HALT, NEW_AND_REPLACE_PHASES, PHASE_NAMES
from sessions.fix_text import parse
from simulators.bot_account import Account, LiveOrder, conservation
from simulators.bots import Floor, tradable_symbols
from simulators.load import new_run_tag
from simulators.order_messages import Answer, read_answer
from simulators.strategies import Issue, MarketMaker, MomentumTrader, NoiseTaker

# --- accounts


@pytest.fixture
def account(small_venue) -> Account:
    return Account(small_venue.config.instruments)


def report(exec_type: str, cl_ord_id: str = "o1", **fields: str) -> Answer:
    """An 8 about an AAPL order; OrderQty(38) 10 unless told."""
    values = {"38": "10", "14": "0", "151": "10", "32": "", "31": "", "41": "", "58": "", "55": "AAPL", "54": "1"}
    values |= {tag.removeprefix("t"): text for tag, text in fields.items()}
    body = "".join(f"{tag}={text}\x01" for tag, text in values.items() if text)
    answer = read_answer(parse(f"35=8\x0111={cl_ord_id}\x01150={exec_type}\x01{body}"))
    assert answer is not None
    return answer


def refusal(msg_type: str, **fields: str) -> Answer:
    body = "".join(f"{tag.removeprefix('t')}={text}\x01" for tag, text in fields.items())
    answer = read_answer(parse(f"35={msg_type}\x01{body}"))
    assert answer is not None
    return answer


def buy(account: Account, cl_ord_id: str = "o1", qty_lots: int = 10) -> LiveOrder:
    order = LiveOrder(cl_ord_id, "AAPL", "1", 18950, qty_lots)
    account.new(order, msg_seq_num=2, sent_ns=77)
    return order


def accepted(account: Account) -> LiveOrder:
    order = buy(account)
    assert account.on_answer(report("0")) == 77
    return order


async def test_an_order_is_followed_from_request_to_fill(account):
    order = accepted(account)

    assert account.on_answer(report("F", t32="4", t14="4", t151="6")) is None
    assert (order.cum_lots, order.leaves_lots, account.position_lots("AAPL")) == (4, 6, 4)

    account.on_answer(report("F", t32="6", t14="10", t151="0"))
    assert (account.orders, account.unanswered, account.violations) == ({}, 0, [])
    assert account.filled_lots["AAPL"] == account.ordered_lots["AAPL"] == 10


async def test_fix_42_fills_are_fills(account):
    accepted(account)

    account.on_answer(report("1", t32="4", t14="4", t151="6"))
    account.on_answer(report("2", t32="6", t14="10", t151="0"))

    assert (account.fills["1"], account.violations, account.orders) == (2, [], {})


def filled(account: Account) -> LiveOrder:
    """An order for 10 of which 4 were filled."""
    order = accepted(account)
    account.on_answer(report("F", t17="e1", t32="4", t14="4", t151="6"))
    return order


BUST = {"t17": "e2", "t19": "e1", "t32": "4", "t14": "0", "t151": "6"}


@pytest.mark.parametrize(
    ("revision", "left"),
    [
        (report("H", **BUST), 0),
        (report("0", **BUST, t20="1"), 0),
        (report("G", **BUST | {"t32": "3", "t14": "3"}), 3),
        (report("1", **BUST | {"t32": "3", "t14": "3"}, t20="2"), 3),
        (report("G", **BUST | {"t14": "4"}), 4),
    ],
    ids=["bust", "bust in FIX 4.2", "correction", "correction in FIX 4.2", "correction of the price"],
)
async def test_what_the_operator_takes_back_of_a_fill_is_not_open_again(account, revision, left):
    order = filled(account)

    assert account.on_answer(revision) is None
    assert (order.cum_lots, order.leaves_lots, account.position_lots("AAPL")) == (left, 6, left)

    account.on_answer(report("C", t14=str(left), t151="0"))
    assert (account.violations, account.orders) == ([], {})
    assert (account.filled_lots["AAPL"], account.canceled_lots["AAPL"]) == (left, 10 - left)


async def test_a_fill_of_a_finished_order_may_be_revised(account):
    filled(account)
    account.on_answer(report("F", t17="e3", t32="6", t14="10", t151="0"))

    account.on_answer(report("G", t19="e3", t32="5", t14="9", t151="0"))
    account.on_answer(report("H", t19="e3", t32="5", t14="4", t151="0"))

    assert (account.violations, account.position_lots("AAPL")) == ([], 4)
    assert (account.filled_lots["AAPL"], account.canceled_lots["AAPL"]) == (4, 6)


async def test_a_replace_makes_open_again_what_was_taken_back(account):
    order = filled(account)
    account.on_answer(report("H", **BUST))
    account.replace("r1", order, 18950, msg_seq_num=3, sent_ns=88)

    account.on_answer(report("5", "r1", t41="o1", t151="10"))

    assert (account.violations, order.leaves_lots) == ([], 10)


@pytest.mark.parametrize(
    "revision",
    [
        report("H", **BUST | {"t19": "e9"}),
        report("H", **BUST | {"t32": "3", "t14": "1"}),
        report("H", **BUST | {"t14": "1"}),
        report("H", **BUST | {"t151": "10"}),
        report("G", **BUST | {"t32": "5", "t14": "5"}),
    ],
    ids=["of no fill", "of less than the fill", "CumQty does not follow", "open again", "of more than the fill"],
)
async def test_a_revision_that_does_not_follow_is_a_violation(account, revision):
    filled(account)

    account.on_answer(revision)

    assert account.violation_count == 1


async def test_only_the_newest_fills_may_be_revised(account, monkeypatch):
    monkeypatch.setattr("simulators.bot_account.FILLS_REMEMBERED_MAX", 1)
    filled(account)
    account.on_answer(report("F", t17="e3", t32="1", t14="5", t151="5"))

    account.on_answer(report("H", **BUST | {"t151": "5", "t14": "1"}))

    assert account.violations == ["150=H of 4 lots of e1, which is no fill"]


async def test_what_a_cancel_takes_away_is_booked(account):
    order = accepted(account)
    account.on_answer(report("F", t32="4", t14="4", t151="6"))
    account.cancel("c1", order, msg_seq_num=3, sent_ns=88)

    assert account.on_answer(report("4", "c1", t41="o1", t14="4", t151="0")) == 88
    assert (account.canceled_lots["AAPL"], account.orders, account.violations) == (6, {}, [])


async def test_a_replace_renames_and_resizes(account):
    order = accepted(account)
    account.replace("r1", order, 18960, msg_seq_num=3, sent_ns=88)

    assert account.on_answer(report("5", "r1", t41="o1", t38="12", t151="12")) == 88
    assert (list(account.orders), order.price_ticks, order.qty_lots) == (["r1"], 18960, 12)
    assert account.violations == []


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (refusal("8", t150="8", t11="o1", t58="UNKNOWN_SYMBOL: no"), 0),
        (refusal("j", t45="2", t58="UNSUPPORTED_MESSAGE: no"), 0),
        (refusal("3", t45="2", t58="UNSUPPORTED_MESSAGE: no"), 0),
    ],
    ids=["8", "j", "3"],
)
async def test_a_refused_order_never_lived(account, answer, left):
    buy(account)

    assert account.on_answer(answer) == 77
    assert (len(account.orders), account.unanswered, account.violations) == (left, 0, [])
    assert account.rejects.total() == 1


async def test_a_refused_cancel_leaves_the_order_alone(account):
    order = accepted(account)
    account.cancel("c1", order, msg_seq_num=3, sent_ns=88)

    assert account.on_answer(refusal("9", t11="c1", t41="o1", t58="TOO_LATE: gone")) == 88
    assert (list(account.orders), order.is_changing, account.rejects) == (["o1"], False, {"TOO_LATE": 1})


@pytest.mark.parametrize(
    "answer",
    [
        report("0"),
        report("8"),
        report("F", "o2", t32="1", t14="1", t151="9"),
        report("F", t32="4", t14="5", t151="6"),
        report("F", t32="11", t14="11", t151="0"),
        report("F", t32="4", t14="4", t151="7"),
        report("4", "c1", t41="o1", t151="0"),
        report("4", t14="1", t151="0"),
        report("C", t151="3"),
        report("5", "r1", t41="o1"),
        report("D"),
        refusal("9", t11="o1"),
        refusal("j", t45="9"),
    ],
    ids=[
        "accepted twice",
        "rejected after it was accepted",
        "fill of an unknown order",
        "CumQty does not follow",
        "filled beyond its quantity",
        "LeavesQty does not follow",
        "cancel that nobody asked for",
        "canceled with another CumQty",
        "expired with LeavesQty left",
        "replace that nobody asked for",
        "ExecType that nobody asked for",
        "cancel reject for a new order",
        "business reject of nothing",
    ],
)
async def test_what_does_not_follow_is_a_violation(account, answer):
    accepted(account)

    account.on_answer(answer)

    assert account.violation_count == 1
    assert not conservation([account])["holds"]


async def test_conservation_needs_a_seller_for_each_buyer(small_venue):
    def trader(side: str, lots: str) -> Account:
        account = Account(small_venue.config.instruments)
        account.new(LiveOrder("o1", "AAPL", side, 18950, int(lots)), msg_seq_num=2, sent_ns=0)
        account.on_answer(report("0", t38=lots, t151=lots))
        account.on_answer(report("F", t38=lots, t32=lots, t14=lots, t151="0"))
        return account

    assert conservation([trader("1", "10"), trader("2", "10")])["holds"]
    assert not conservation([trader("1", "10"), trader("2", "9")])["holds"]
    assert not conservation([trader("1", "10")])["holds"]


async def test_an_unanswered_request_breaks_conservation(account):
    buy(account)

    told = conservation([account])

    assert (told["holds"], told["answered_exactly_once"], told["live_orders"]) == (False, False, 1)


# --- issues


async def test_units_are_worth_about_the_same_everywhere(small_venue):
    issues = {symbol: Issue.of(instrument) for symbol, instrument in small_venue.config.instruments.items()}

    assert {symbol: issues[symbol].unit_lots for symbol in ("AAPL", "BTC/USD", "EUR/USD")} == {
        "AAPL": 10,
        "BTC/USD": 10_000_000,
        "EUR/USD": 1,
    }


async def test_the_fair_value_wanders_but_stays_near_the_reference(small_venue):
    issue, rng = Issue.of(small_venue.config.instruments["AAPL"]), random.Random(5)
    seen = []
    for _ in range(20_000):
        issue.move(rng)
        seen.append(issue.fair_ticks)

    assert len(set(seen)) > 20
    assert max(abs(ticks - 18950) for ticks in seen) < 1900


async def test_certification_symbols_are_not_traded(small_venue):
    assert {"TEST1", "TEST2"}.isdisjoint(tradable_symbols(small_venue.config))


# --- phases


class RecordingDesk:
    """A strategy's desk with a tape that rises and nothing else on it; keeps what it sends."""

    def __init__(self, issue: Issue) -> None:
        self.account = Account({issue.instrument.symbol: issue.instrument})
        self.entered: list[tuple[object, ...]] = []

    def enter(self, *order: object) -> None:
        self.entered.append(order)


@pytest.mark.parametrize("strategy", [MarketMaker(), NoiseTaker(), MomentumTrader()], ids=lambda s: s.name)
@pytest.mark.parametrize("phase", PHASE_NAMES)
async def test_bots_quote_where_orders_are_taken_and_take_where_there_is_trading(small_venue, strategy, phase):
    issue = Issue.of(small_venue.config.instruments["AAPL"])
    issue.tape.extend(range(18900, 19220, 20))
    issue.phase = phase
    desk = RecordingDesk(issue)
    for _ in range(3):
        strategy.act(desk, issue, random.Random(1))

    acts = phase in (NEW_AND_REPLACE_PHASES if isinstance(strategy, MarketMaker) else (CONTINUOUS,))
    assert bool(desk.entered) == acts


async def test_a_floor_notes_the_phase_of_each_symbol(small_venue):
    bots = floor(small_venue)
    bots.enter_phase("AAPL", HALT)

    assert [symbol for symbol, issue in bots.issues.items() if issue.phase == HALT] == ["AAPL"]
    bots.enter_phase("AAPL", CONTINUOUS)
    assert all(issue.phase == CONTINUOUS for issue in bots.issues.values())


# --- the floor


def floor(small_venue, **changes) -> Floor:
    settings = {
        "host": "127.0.0.1",
        "port": small_venue.port,
        "symbols": tradable_symbols(small_venue.config)[:5],
        "rate": 3000,
        "seed": 7,
        "run_tag": new_run_tag(),
    }
    return Floor(small_venue.config, **{**settings, **changes})


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_bots_trade_every_symbol_and_conserve_everything(small_venue):
    bots = floor(small_venue)
    await bots.start()
    await until(lambda: bots.requests >= 4000 and all(len(issue.tape) == 16 for issue in bots.issues.values()))
    await bots.stop()

    summary = bots.summary()
    assert summary["conservation"]["holds"], summary["conservation"]
    assert set(summary["conservation"]["bought_lots"]) == set(bots.issues)
    assert summary["unanswered"] == 0
    assert summary["trades"] * 2 == summary["executions"] > 500
    assert summary["orders"] < summary["requests"] == len(small_venue.requests)
    assert small_venue.resting_levels() == 0


async def test_every_version_of_fix_trades(small_venue):
    bots = floor(small_venue)
    await bots.start()
    await until(lambda: all(bot.account.fills.total() for bot in bots.bots))
    await bots.stop()

    assert {bot.identity.begin_string for bot in bots.bots} == {"FIX.4.2", "FIX.4.4", "FIXT.1.1"}
    assert len(bots.bots) == 6


async def test_a_bot_waits_when_too_much_is_unanswered(small_venue):
    small_venue.is_mute = True
    bots = floor(small_venue, rate=50_000)
    await bots.start()
    await until(lambda: bots.postponed > 10_000)

    assert bots.requests <= 6 * 501
    for bot in bots.bots:
        assert bot.account.unanswered <= 501
    assert bots._pacer is not None
    bots._pacer.cancel()
    await asyncio.gather(*(bot.stop() for bot in bots.bots))


async def test_lost_sessions_are_taken_up_again_and_everything_still_adds_up(small_venue):
    bots = floor(small_venue)
    await bots.start()
    for lives in range(1, 4):
        await until(lambda target=1000 * lives: bots.requests > target)
        small_venue.cut()
        await until(lambda lives=lives: all(bot.reconnects == lives and bot.is_up for bot in bots.bots))
    await bots.stop()

    summary = bots.summary()
    assert (summary["reconnects"], summary["unanswered"]) == (18, 0)
    assert summary["conservation"]["holds"], summary["conservation"]
    assert summary["requests"] == len(small_venue.requests)
