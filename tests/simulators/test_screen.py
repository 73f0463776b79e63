"""The demo's screen, as the text that a terminal of 80 columns shows."""

import io
import re

import msgspec
import pytest
from rich.console import Console

from marketdata.messages import IndicativePrice, Level, Trade
from matcher.phases import CLOSING_AUCTION, CONTINUOUS, HALT
from simulators.screen import View, chosen, draw, read_keys


def level(price_ticks: int, qty_lots: int, orders: int) -> Level:
    return Level(f"{price_ticks / 100:.2f}", str(qty_lots), price_ticks, qty_lots, orders)


def trade(match_id: int) -> Trade:
    price_ticks = 18950 + match_id
    noon_ns = 1_790_000_000_000_000_000
    return Trade(match_id, f"{price_ticks / 100:.2f}", "10", price_ticks, 10, "1", noon_ns + match_id * 1_000_000_000)


VIEW = View(
    symbols=("AAPL", "MSFT", "BRK.B", "SAP", "BTC/USD"),
    symbol="AAPL",
    is_current=True,
    phase=CONTINUOUS,
    indicative=None,
    bids=tuple(level(18949 - n, 10 * (n + 1), n + 1) for n in range(7)),
    asks=tuple(level(18952 + n, 100 * (n + 1), n + 3) for n in range(7)),
    trades=tuple(trade(n) for n in range(1, 16)),
    elapsed_s=83,
    requests_per_s=1234,
    trades_per_s=567,
    requests=98765,
    trade_count=2222,
    rejects=17,
    unanswered=3,
    latency_us={"p50": 610.0, "p90": 900.0, "p99": 2340.0, "p99.9": 5000.0, "max": 12345.0},
    sessions_up=5,
    sessions=6,
    processes_up=4,
    processes=5,
    fix_port=9876,
)


def shown(view: View, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, height=24, color_system=None, legacy_windows=False)
    console.print(draw(view))
    return console.file.getvalue()  # type: ignore[attr-defined]


def changed(**fields) -> View:
    return msgspec.structs.replace(VIEW, **fields)


def test_the_screen_fits_a_terminal_of_80_by_24():
    lines = shown(VIEW).splitlines()

    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines)


def test_five_levels_of_each_side_stand_with_the_best_ones_in_the_middle():
    prices = re.findall(r"│ +\d+ +\d+ +(\d+\.\d\d)", shown(VIEW))

    assert prices == [
        *("189.56", "189.55", "189.54", "189.53", "189.52"),
        *("189.49", "189.48", "189.47", "189.46", "189.45"),
    ]
    assert "3 ticks" in shown(VIEW)


def test_a_level_is_told_with_its_orders_quantity_and_a_bar_to_scale():
    line = next(line for line in shown(VIEW).splitlines() if "189.56" in line)

    assert re.search(r"│ +7 +500 +189\.56 +█{10}", line)
    assert re.search(r"189\.52 +█{2} ", shown(VIEW))


def test_the_last_trades_stand_newest_first():
    trades = re.findall(r"(\d\d:\d\d:\d\d) +(\d+\.\d\d) +10 ", shown(VIEW))

    assert trades[0] == ("14:13:35", "189.65")
    assert [price for _, price in trades] == [f"{189.50 + n / 100:.2f}" for n in range(15, 4, -1)]


@pytest.mark.parametrize(
    "words",
    [
        "1,234 requests/s",
        "567 trades/s",
        "98,765 requests",
        "2,222 trades",
        "17 rejects",
        "3 unanswered",
        "round trip, ms p50 0.61 p90 0.90 p99 2.34 max 12.35",
        "sessions up 5/6",
        "processes up 4/5",
        "FIX port 9876",
        "all symbols, 1:23",
        "q: quit",
    ],
)
def test_the_figures_of_the_run_are_shown(words):
    assert words in " ".join(shown(VIEW).split())


@pytest.mark.parametrize(("rejects", "words"), [(0, "0 rejects"), (1, "1 reject"), (2, "2 rejects")])
def test_one_reject_is_no_plural(rejects, words):
    assert f" {words} FIX port" in " ".join(shown(changed(rejects=rejects)).split())


def test_symbols_are_numbered_and_the_chosen_one_heads_its_book():
    text = shown(changed(symbol="BTC/USD"))

    assert "1 AAPL" in text.splitlines()[0]
    assert "5 BTC/USD" in text.splitlines()[0]
    assert re.search(r"╭─+ BTC/USD ─+╮", text)


def test_a_book_that_is_not_current_says_so():
    assert "AAPL (waiting for the book)" in shown(changed(is_current=False))


def test_a_phase_stands_beside_the_symbol_when_it_is_not_continuous_trading():
    assert "AAPL (halt)" in shown(changed(phase=HALT))
    assert "continuous" not in shown(VIEW)
    assert "waiting" in shown(changed(phase=HALT, is_current=False))


def test_an_auction_shows_what_it_would_give_where_the_spread_is():
    price = IndicativePrice("189.51", "70", 18951, 70, "1", "5", 5)
    auction = shown(changed(bids=(), asks=(), phase=CLOSING_AUCTION, indicative=price))

    assert "AAPL (closing auction)" in auction
    assert re.search(r"│ +70 +189\.51 +│", auction)
    assert len(auction.splitlines()) == len(shown(VIEW).splitlines())


def test_a_trade_of_an_auction_stands_among_the_others():
    auctioned = msgspec.structs.replace(trade(16), aggressor_side="")

    assert "189.66" in shown(changed(trades=(*VIEW.trades, auctioned)))


def test_an_empty_venue_has_an_empty_screen_of_the_same_height():
    empty = changed(bids=(), asks=(), trades=())

    assert len(shown(empty).splitlines()) == len(shown(VIEW).splitlines())


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("n", ["next"]),
        ("p", ["previous"]),
        ("\x1b[C\x1b[D", ["next", "previous"]),
        ("\x1bOC", ["next"]),
        ("3", [3]),
        ("0x\x1b[Aq", ["quit"]),
        ("", []),
    ],
)
def test_keys(typed, keys):
    assert read_keys(typed) == keys


@pytest.mark.parametrize(
    ("key", "symbol"),
    [("next", "MSFT"), ("previous", "BTC/USD"), (3, "BRK.B"), (9, "AAPL"), ("quit", "AAPL")],
)
def test_a_key_chooses_the_symbol(key, symbol):
    assert chosen(VIEW.symbols, "AAPL", key) == symbol
