"""Groups, hours, trading rules and limits: what they mean, and every way in which they cannot be, in one sentence."""

import re
from datetime import UTC, date, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from configs.loader import ONE_MACHINE, ConfigError, Venue, load
from matcher.instruments import TickBand, TradingRules
from matcher.operator_commands import Limits
from matcher.phases import CLOSED, CLOSING_AUCTION, CONTINUOUS, OPENING_AUCTION, PRE_OPEN
from matcher.schedule import DailyChange, Schedule

SECOND_NS = 10**9
STOCK = 'A = { tick = "0.01", reference_price = "10.00", group = "STOCKS" }'
HOURS = """
[groups.STOCKS.hours]
time_zone = "Europe/Berlin"
holidays = [2026-12-25]
trading_day_end = "22:00"
schedule = [
    { at = "7:30", phase = "pre-open" },
    { at = "09:00", phase = "opening auction", length_s = 300, random_end_s = 30 },
    { at = "17:30", phase = "closing auction", length_s = 600 },
    { at = "20:00", phase = "closed" },
]
"""


class Files:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "venue.toml"
        self.instruments_path = directory / "instruments.toml"
        self.path.write_text("")

    def read(self, text: str) -> Venue:
        self.instruments_path.write_text(text)
        return load(self.path)

    def refusal(self, text: str) -> str:
        with pytest.raises(ConfigError) as refusal:
            self.read(text)
        sentence = str(refusal.value)
        assert sentence.startswith(f"{self.instruments_path}: ")
        assert "\n" not in sentence
        return sentence

    def refusal_of_venue(self, text: str) -> str:
        self.path.write_text(text)
        self.instruments_path.write_text('[instruments]\nA = { tick = "1", reference_price = "1" }')
        with pytest.raises(ConfigError) as refusal:
            load(self.path)
        return str(refusal.value)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_shipped_instruments_trade_continuously_and_without_bounds() -> None:
    venue = load(ONE_MACHINE)
    assert venue.hours == {}
    assert venue.limits() == {}
    assert {(each.group, each.rules == TradingRules()) for each in venue.instruments.values()} == {("", True)}


def test_the_commented_example_loads_as_it_stands(files: Files) -> None:
    text = (ONE_MACHINE.parent / "instruments.toml").read_text()
    example = text[text.index("# [groups.STOCKS.hours]") : text.index("\n[instruments]")]
    venue = files.read(re.sub(r"^# ?", "", example, flags=re.MULTILINE))
    (sap,) = venue.instruments.values()
    assert (sap.group, sap.rules.initial_phase) == ("STOCKS", CLOSED)
    assert (sap.rules.price_band_bps, sap.rules.dynamic_corridor_bps) == (1000, 200)
    schedule = venue.hours["STOCKS"].schedule
    assert schedule is not None
    assert [change.phase for change in schedule.changes] == [PRE_OPEN, OPENING_AUCTION, CLOSING_AUCTION, CLOSED]


def test_the_hours_of_a_group(files: Files) -> None:
    venue = files.read(f"{HOURS}[instruments]\n{STOCK}")
    hours = venue.hours["STOCKS"]
    berlin = ZoneInfo("Europe/Berlin")
    assert (hours.zone, hours.day_end) == (berlin, time(22))
    assert hours.schedule == Schedule(
        berlin,
        frozenset(range(5)),
        frozenset({date(2026, 12, 25)}),
        (
            DailyChange(time(7, 30), PRE_OPEN),
            DailyChange(time(9), OPENING_AUCTION, 300 * SECOND_NS, 30 * SECOND_NS),
            DailyChange(time(17, 30), CLOSING_AUCTION, 600 * SECOND_NS),
            DailyChange(time(20), CLOSED),
        ),
    )
    assert venue.instruments["A"].rules.initial_phase == CLOSED


def test_a_group_may_have_rules_and_no_hours(files: Files) -> None:
    venue = files.read(f"[groups.STOCKS.rules]\nprice_band_bps = 5\n[instruments]\n{STOCK}")
    hours = venue.hours["STOCKS"]
    assert (hours.zone, hours.day_end, hours.schedule) == (ZoneInfo("UTC"), None, None)
    assert venue.instruments["A"].rules == TradingRules(price_band_bps=5, initial_phase=CONTINUOUS)
    assert hours.zone.utcoffset(None) == UTC.utcoffset(None)


RULES = """
[groups.STOCKS.rules]
tick_table = [{ from = "10", step = "0.05" }, { from = "100.00", step = "0.10" }]
qty_max = "5000"
notional_max = 1000000
price_band_bps = 1000
static_corridor_bps = 500
dynamic_corridor_bps = 200
volatility_auction_s = 120
volatility_random_end_s = 30
protection_ticks = 50
market_rest = "rest"
initial_phase = "pre-open"
"""
OF_GROUP = TradingRules(
    [TickBand(1000, 5), TickBand(10000, 10)],
    *(5000, 1_000_000, 1000, 500, 200, 120 * SECOND_NS, 30 * SECOND_NS, 50, "rest", PRE_OPEN),
)


def test_an_instrument_has_the_rules_of_its_group_where_it_has_none_of_its_own(files: Files) -> None:
    units = 'tick = "0.01", lot = "10", reference_price = "10"'
    own = f'B = {{ {units}, group = "STOCKS", price_band_bps = 0, tick_table = [] }}'
    venue = files.read(f"{RULES}[instruments]\n{STOCK}\n{own}")
    assert venue.instruments["A"].rules == OF_GROUP
    rules = venue.instruments["B"].rules
    assert (rules.price_band_bps, rules.tick_bands, rules.qty_lots_max) == (0, [], 500)
    assert rules.static_corridor_bps == 500


def group(line: str) -> str:
    return f"[groups.STOCKS.hours]\n{line}\n[instruments]\n{STOCK}"


def scheduled(*lines: str) -> str:
    return group(f"schedule = [{', '.join(f'{{ {line} }}' for line in lines)}]")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"[instruments]\n{STOCK}", "instrument 'A': there is no group 'STOCKS'; add [groups.STOCKS.hours], or name"),
        ("[groups.'S S'.hours]\n[instruments]\nA = { tick = '1', reference_price = '1' }", "group 'S S': a name is 1"),
        (group("colour = 1"), "Object contains unknown field `colour` - at `groups.STOCKS.hours`"),
        (group("time_zone = 'Berlin'"), "group STOCKS: there is no time zone 'Berlin'; write one such as Europe/"),
        (group("time_zone = '../etc'"), "group STOCKS: there is no time zone '../etc'; write one such as Europe/"),
        (group("time_zone = ''"), "group STOCKS: there is no time zone ''; write one such as Europe/"),
        (group("weekdays = ['Monday']"), "choose one of Fri, Mon, Sat, Sun, Thu, Tue, Wed; see"),
        (group("weekdays = []\nschedule = [{ at = '9:00', phase = 'closed' }]"), "group STOCKS: a schedule without we"),
        (group("holidays = ['Christmas']"), "Invalid RFC3339 encoded date - at `groups.STOCKS.hours.holidays[0]`"),
        (group("trading_day_end = '24:00'"), "group STOCKS: trading_day_end = '24:00'; write HH:MM in its time zone"),
        (scheduled("at = '9', phase = 'closed'"), "group STOCKS: closed at '9'; write HH:MM in its time zone"),
        (
            scheduled("at = '9:00', phase = 'halt'"),
            "at `groups.STOCKS.hours.schedule[0].phase`; choose one of closed, closing auction, continuous, opening",
        ),
        (scheduled("at = '9:00'"), "Object missing required field `phase` - at `groups.STOCKS.hours.schedule[0]`"),
        (
            scheduled("at = '9:00', phase = 'opening auction'"),
            "group STOCKS: the opening auction at 9:00 has no length; give it length_s",
        ),
        (
            scheduled("at = '9:00', phase = 'closed', length_s = 5"),
            "group STOCKS: closed at 9:00 has a length, but only auctions end by themselves; leave out length_s",
        ),
        (
            scheduled("at = '9:00', phase = 'continuous'", "at = '08:00', phase = 'closed'"),
            "group STOCKS: what begins at 08:00 stands behind what begins at 09:00; put the phases in the order of",
        ),
        (
            scheduled("at = '9:00', phase = 'continuous'", "at = '09:00', phase = 'closed'"),
            "group STOCKS: what begins at 09:00 stands behind what begins at 09:00; put",
        ),
        (
            scheduled(
                "at = '9:00', phase = 'opening auction', length_s = 50, random_end_s = 11",
                "at = '9:01', phase = 'closed'",
            ),
            "group STOCKS: the auction at 09:00 may last beyond 09:01, when the next phase begins; make it shorter",
        ),
    ],
)
def test_hours_that_cannot_be(files: Files, text: str, fault: str) -> None:
    assert fault in files.refusal(text)


def instrument(rules: str) -> str:
    return f'[instruments]\nA = {{ tick = "0.01", lot = "10", reference_price = "10.00", {rules} }}'


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ("colour = 1", "Object contains unknown field `colour` - at `instruments.A`"),
        ("price_band_bps = -1", "Expected `int` >= 0 - at `instruments.A.price_band_bps`"),
        ("price_band_bps = 10000", "Expected `int` <= 9999 - at `instruments.A.price_band_bps`"),
        ("price_band_bps = 0.5", "Expected `int | null`, got `float` - at `instruments.A.price_band_bps`"),
        ("notional_max = -1", "at `instruments.A.notional_max`"),
        ("protection_ticks = -1", "at `instruments.A.protection_ticks`"),
        ("volatility_auction_s = 86401", "at `instruments.A.volatility_auction_s`"),
        ('qty_max = "15"', "instrument 'A': qty_max '15' is not a multiple of 10"),
        ('qty_max = "-10"', "instrument 'A': qty_max '-10' is not a plain decimal number"),
        ("static_corridor_bps = 5", "instrument 'A': a corridor without volatility_auction_s; say how long"),
        ("dynamic_corridor_bps = 5", "instrument 'A': a corridor without volatility_auction_s; say how long"),
        ('market_rest = "rest"', "instrument 'A': market_rest = \"rest\" without protection_ticks; a market order"),
        ('market_rest = "stay"', "at `instruments.A.market_rest`; choose one of cancel, rest; see"),
        ('initial_phase = "halt"', "at `instruments.A.initial_phase`; choose one of closed, closing auction, "),
        ('tick_table = [{ from = "1" }]', "missing required field `step` - at `instruments.A.tick_table[0]`"),
        ('tick_table = [{ from = "1", step = "0.015" }]', "tick_table: step '0.015' is not a multiple of 0.01"),
        ('tick_table = [{ from = "1", step = "0" }]', "tick_table: a band begins above 0 and has a step"),
        ('tick_table = [{ from = "0", step = "0.05" }]', "tick_table: a band begins above 0 and has a step"),
        ('tick_table = [{ from = "1.01", step = "0.05" }]', "tick_table: from 1.01 is not a multiple of its step 0.05"),
        (
            'tick_table = [{ from = "2", step = "0.05" }, { from = "2", step = "0.10" }]',
            "instrument 'A': tick_table: from 2 is not above the band before it",
        ),
    ],
)
def test_rules_that_cannot_be(files: Files, rules: str, fault: str) -> None:
    assert fault in files.refusal(instrument(rules))


FIRMS = """
[[firms]]
name = "F"
limits = { open_orders_max = 9, self_match = "cancel both", quote_fills_max = 3, quote_window_ms = 250 }
sessions = [
    { comp_id = "F1", password = "p", versions = ["FIX.4.2", "FIXT.1.1"], limits = { notional_max = 7 } },
    { comp_id = "F2", password = "p" },
]
[[firms]]
name = "G"
sessions = []
"""


def test_limits_of_firms_and_sessions(files: Files) -> None:
    files.path.write_text(FIRMS)
    venue = files.read('[instruments]\nA = { tick = "1", reference_price = "1" }')
    of_session = Limits(notional_max=7)
    assert venue.limits() == {
        ("F", ""): Limits(
            open_orders_max=9, self_match_instruction="3", quote_fills_max=3, quote_window_ns=250_000_000
        ),
        ("F", "FIX.4.2:F1"): of_session,
        ("F", "FIXT.1.1:F1"): of_session,
    }


@pytest.mark.parametrize(
    ("firm", "session", "fault"),
    [
        ("colour = 1", "", "Object contains unknown field `colour` - at `firms[0].limits`"),
        ("open_orders_max = -1", "", "Expected `int` >= 0 - at `firms[0].limits.open_orders_max`"),
        ("self_match = 'never'", "", "at `firms[0].limits.self_match`; choose one of allow, cancel both, cancel inc"),
        ("quote_fills_max = 1", "", "firm F: quote protection needs quote_window_ms, and quote_fills_max or quote_qty"),
        ("quote_window_ms = 1", "", "firm F: quote protection needs quote_window_ms, and quote_fills_max or quote_qty"),
        ("", "quote_fills_max = 1", "unknown field `quote_fills_max` - at `firms[0].sessions[0].limits`"),
    ],
)
def test_limits_that_cannot_be(files: Files, firm: str, session: str, fault: str) -> None:
    text = (
        f"[[firms]]\nname = 'F'\nlimits = {{ {firm} }}\n"
        f"sessions = [{{ comp_id = 'F1', password = 'p', limits = {{ {session} }} }}]"
    )
    assert fault in files.refusal_of_venue(text)
