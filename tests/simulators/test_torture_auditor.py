"""
The auditor of `./outcry torture` notices: each promise is broken in a copy of an honest history, and it says so.

The history is of a real venue, recorded once for all tests, `torture_history.jsonl.gz`: six sessions trade, clients
crash, the gateway is killed. It was made by

    ./outcry torture --faults 6 --kinds crash-client,kill-gateway,kill-in-mass-cancel --rate 200 --seed 8 --keep DIR
"""

import gzip
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from sessions.fix_text import parse
from simulators.torture import history
from simulators.torture.auditor import Auditor
from simulators.torture.history import Said
from simulators.torture.reports import EventId, read_report
from simulators.torture.trade_audit import TradeAudit
from simulators.torture.violations import Findings

RECORDED = Path(__file__).parent / "torture_history.jsonl.gz"
READERS = ("MD1", "MD2")
History = list[Said]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> History:
    path = tmp_path_factory.mktemp("torture") / "history.jsonl"
    path.write_bytes(gzip.decompress(RECORDED.read_bytes()))
    return list(history.read(path))


def audited(said: History) -> list[str]:
    auditor = Auditor(shards=2, market_data=READERS)
    auditor.see_all(said)
    return [str(violation) for violation in auditor.finish()]


def test_an_honest_history_passes(honest: History) -> None:
    assert audited(honest) == []


def test_a_kept_history_is_the_history(honest: History, tmp_path: Path) -> None:
    file = history.HistoryFile(tmp_path / "kept.jsonl")
    for said in honest:
        file.see(said)
    file.close()
    assert list(history.read(tmp_path / "kept.jsonl")) == honest


# What a mutation needs: to find messages, and to change some


def received(said: History, *fragments: str, without: tuple[str, ...] = ()) -> Iterator[tuple[int, Said]]:
    """Messages of the venue with all these fields, sent for the first time, with their places."""
    for place, one in enumerate(said):
        fields = f"\x01{one.text}"
        is_meant = one.direction == "<" and all(f"\x01{fragment}\x01" in fields for fragment in fragments)
        if is_meant and not any(f"\x01{fragment}" in fields for fragment in ("43=Y", *without)):
            yield place, one


def with_field(one: Said, tag: str, value: str) -> Said:
    before = parse(one.text)[tag]
    text = one.text.replace(f"\x01{tag}={before}\x01", f"\x01{tag}={value}\x01", 1)
    return msgspec.structs.replace(one, text=text)


def silenced(one: Said) -> Said:
    """A heartbeat in its place: its number is used, and nothing is said."""
    fields = parse(one.text)
    return msgspec.structs.replace(one, text=f"8={fields['8']}\x0135=0\x0134={fields['34']}\x0110=000\x01")


def changed(said: History, place: int, tag: str, value: str) -> History:
    return [*said[:place], with_field(said[place], tag, value), *said[place + 1 :]]


def silent_about(said: History, *fragments: str) -> History:
    """Nothing is said about this, first or again."""
    return [
        silenced(one) if one.direction == "<" and all(f"\x01{each}\x01" in one.text for each in fragments) else one
        for one in said
    ]


# The mutations


def lost_acknowledgement(said: History) -> History:
    _, report = next(received(said, "35=8", "150=0"))
    return silent_about(said, "35=8", f"37={parse(report.text)['37']}")


def forgotten_order(said: History) -> History:
    _, report = list(received(said, "35=8", "150=I", "39=0", "912=N"))[-1]
    return silent_about(said, f"37={parse(report.text)['37']}", f"584={parse(report.text)['584']}")


def unknown_order(said: History) -> History:
    place, _ = list(received(said, "35=8", "150=I", "39=0", "912=N"))[-1]
    return changed(said, place, "37", "0-999999")


def same_exec_id_twice(said: History) -> History:
    (_, first), (place, _) = list(received(said, "35=8", "150=F"))[:2]
    return changed(said, place, "17", parse(first.text)["17"])


def report_under_another_exec_id(said: History) -> History:
    """The same event is told again as if it were a new one, in place of a later message."""
    _, fill = next(received(said, "35=8", "150=F"))
    later, other = next(
        (place, one)
        for place, one in received(said, "35=8", "150=I")
        if one.session == fill.session and int(parse(one.text)["34"]) > int(parse(fill.text)["34"])
    )
    again = with_field(with_field(fill, "34", parse(other.text)["34"]), "17", "0-999999-0")
    return [*said[:later], again, *said[later + 1 :]]


def wrong_cum_qty(said: History) -> History:
    place, report = next(received(said, "35=8", "150=F"))
    return changed(said, place, "14", str(int(parse(report.text)["14"]) + 1))


def wrong_leaves_qty(said: History) -> History:
    place, report = next(received(said, "35=8", "150=F", "39=1"))
    return changed(said, place, "151", str(int(parse(report.text)["151"]) + 1))


def life_after_death(said: History) -> History:
    place, _ = next(received(said, "35=8", "150=F", "39=1"))
    return changed(said, place, "39", "2")


def wrong_status(said: History) -> History:
    place, report = next(received(said, "35=8", "150=I", "39=0", without=("299=",)))
    return changed(said, place, "151", str(int(parse(report.text)["151"]) - 1))


def skipped_number(said: History) -> History:
    _, report = next(received(said, "35=8"))
    number = f"\x0134={parse(report.text)['34']}\x01"
    return [one for one in said if one.direction == ">" or one.session != report.session or number not in one.text]


def number_with_two_contents(said: History) -> History:
    place, report = next(received(said, "35=8", "150=0"))
    again = with_field(report, "38", "77")
    again = msgspec.structs.replace(again, text=again.text.replace("\x0134=", "\x0143=Y\x0134=", 1))
    return [*said[: place + 1], again, *said[place + 1 :]]


def number_again_without_poss_dup(said: History) -> History:
    place, report = next(received(said, "35=8", "150=0"))
    return [*said[: place + 1], report, *said[place + 1 :]]


def gap_fill_over_a_report(said: History) -> History:
    place, report = next(received(said, "35=8", "150=0"))
    number = int(parse(report.text)["34"])
    fill = f"8=FIX.4.4\x0135=4\x0134={number}\x0143=Y\x01123=Y\x0136={number + 1}\x0110=000\x01"
    return [*said[: place + 1], msgspec.structs.replace(report, text=fill), *said[place + 1 :]]


def asks_for_the_future(said: History) -> History:
    place, report = next(received(said, "35=8", "150=0"))
    fields = parse(report.text)
    ask = f"8=FIX.4.4\x0135=2\x0134={fields['34']}\x017=999999\x0116=0\x0110=000\x01"
    return [*said[:place], msgspec.structs.replace(report, text=ask), *said[place + 1 :]]


def unanswered(said: History) -> History:
    place, _ = next(received(said, "35=9"))
    return [*said[:place], silenced(said[place]), *said[place + 1 :]]


def answered_twice(said: History) -> History:
    (_, first), *others = received(said, "35=9", "434=1")
    place = next(place for place, one in others if one.session == first.session)
    return changed(said, place, "11", parse(first.text)["11"])


def mass_cancel_that_is_not_told(said: History) -> History:
    place, report = next((place, one) for place, one in received(said, "35=r") if parse(one.text)["533"] != "0")
    return changed(said, place, "533", str(int(parse(report.text)["533"]) + 50))


def one_side_of_a_trade(said: History) -> History:
    _, report = next(received(said, "35=8", "150=F"))
    return silent_about(said, f"17={parse(report.text)['17']}")


def two_prices_of_a_trade(said: History) -> History:
    place, _ = next(received(said, "35=8", "150=F"))
    return changed(said, place, "31", "1.23")


def price_beyond_the_limit(said: History) -> History:
    place, _ = next(received(said, "35=8", "150=F", "54=1", "40=2", without=("299=",)))
    return changed(said, place, "44", "1.23")


def lost_trade(said: History) -> History:
    name = next(value for _, one in received(said, "35=8", "150=F") if (value := parse(one.text).get("880")))
    return silent_about(silent_about(said, f"880={name}"), f"527={name}")


def skipped_increment(said: History) -> History:
    place, _ = list(received(said, "35=X"))[5]
    return [*said[:place], silenced(said[place]), *said[place + 1 :]]


def increment_with_two_contents(said: History) -> History:
    place, one = next((place, one) for place, one in received(said, "35=X") if "\x01271=" in one.text)
    return changed(said, place, "271", str(int(parse(one.text)["271"]) + 1))


def crossed_book(said: History) -> History:
    new_bid = "\x01279=0\x01269=0\x01"
    increments = [(place, one.text) for place, one in received(said, "35=X", "55=TEST1") if one.session == "MD1"]
    place = next(
        place
        for (_, before), (place, text) in pairwise(increments)
        if new_bid in text and "\x01269=1\x01" not in text and "\x01279=0\x01269=1\x01" in before  # an offer rests
    )
    head, tail = said[place].text.split(new_bid, 1)
    price = tail.split("\x01270=", 1)[1].split("\x01", 1)[0]
    tail = tail.replace(f"\x01270={price}\x01", "\x01270=99999.00\x01", 1)
    one = msgspec.structs.replace(said[place], text=f"{head}{new_bid}{tail}")
    return [*said[:place], one, *said[place + 1 :]]


def trade_published_twice(said: History) -> History:
    trades = [
        (place, one)
        for place, one in received(said, "35=X", "55=TEST1")
        if "\x01279=0\x01269=2\x01" in one.text and one.session == "MD1"
    ]
    (_, first), (place, _) = trades[:2]
    return changed(said, place, "1003", parse(first.text)["1003"])


def trade_published_that_nobody_made(said: History) -> History:
    place, _ = next((place, one) for place, one in received(said, "35=X") if "\x01279=0\x01269=2\x01" in one.text)
    return changed(said, place, "1003", "999999")


def stale_book(said: History) -> History:
    """The last increments of one symbol reach nobody."""
    last = [place for place, _ in received(said, "35=X", "55=TEST1")][-4:]
    return [silenced(one) if place in last else one for place, one in enumerate(said)]


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lost_acknowledgement, "was not answered at all"),
        (forgotten_order, "but the venue does not list the order"),
        (unknown_order, "was never told of the order that the venue lists"),
        (same_exec_id_twice, "has two contents"),
        (report_under_another_exec_id, "CumQty(14) does not add up"),
        (wrong_cum_qty, "CumQty(14) does not add up"),
        (wrong_leaves_qty, "canceled is not OrderQty(38)"),
        (life_after_death, "which had finished the order"),
        (wrong_status, "is not what was reported before"),
        (skipped_number, "never came, but"),
        (number_with_two_contents, "came twice with different contents"),
        (number_again_without_poss_dup, "came again without PossDupFlag(43)=Y"),
        (gap_fill_over_a_report, "a gap fill stood for it later"),
        (asks_for_the_future, "the venue asked for message 999999"),
        (unanswered, "was not answered at all"),
        (answered_twice, "was answered again"),
        (mass_cancel_that_is_not_told, "reports with 150=4 came"),
        (one_side_of_a_trade, "has not one buyer and one seller"),
        (two_prices_of_a_trade, "is not the same on both sides"),
        (price_beyond_the_limit, "beyond its Price(44) 1.23"),
        (lost_trade, "was reported to nobody"),
        (skipped_increment, "X of "),
        (increment_with_two_contents, "was told before with another content"),
        (crossed_book, "has bid 99999.00 and offer"),
        (trade_published_twice, "nothing twice: MD1: trade TEST1-"),
        (trade_published_that_nobody_made, "-999999 was published, and reported to nobody"),
        (stale_book, "final book: TEST1 bid"),
    ],
)
def test_a_broken_promise_is_noticed(honest: History, break_it: Callable[[History], History], sentence: str) -> None:
    found = audited(break_it(honest))
    assert any(sentence in violation for violation in found), found


def report(event: EventId, order: str, **fields: str) -> str:
    told = {
        "8": "FIX.4.4", "35": "8", "34": "1", "17": str(event), "37": order, "11": order, "38": "5", "14": "0",
        "39": "0", "40": "2", "44": "100", "54": "1", "55": "TEST", "150": "0", "151": "5",
    }  # fmt: skip
    told |= {tag[1:]: value for tag, value in fields.items()}
    return "".join(f"{tag}={value}\x01" for tag, value in told.items())


def queue_of(*prices: str, filled: str) -> list[str]:
    """Orders 0-1, 0-2... rest at these prices, one after the other; then one of them trades."""
    rested = [report(EventId(0, n, 0), f"0-{n}", _44=price) for n, price in enumerate(prices, 1)]
    price = prices[int(filled[2:]) - 1]
    trade = {"_150": "F", "_39": "2", "_14": "5", "_151": "0", "_32": "5", "_31": price, "_527": "TEST-1", "_851": "1"}
    fill = report(EventId(0, 9, 2), filled, _44=price, **trade)
    findings = Findings()
    TradeAudit(findings).on_tape(read_report(text) for text in (*rested, fill))
    return [str(violation) for violation in findings.violations]


@pytest.mark.parametrize(
    ("prices", "filled", "sentence"),
    [
        (("100", "100"), "0-1", ""),
        (("100", "101"), "0-2", ""),
        (("100", "100"), "0-2", "traded at 100 before order 0-1, which came first at that price"),
        (("101", "100"), "0-2", "traded at 100 before order 0-1, at the better price 101"),
    ],
)
def test_whose_turn_it_was(prices: tuple[str, ...], filled: str, sentence: str) -> None:
    found = queue_of(*prices, filled=filled)
    assert len(found) == bool(sentence)
    assert not sentence or sentence in found[0]
