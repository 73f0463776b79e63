"""The FIX feed as its sessions see it: whole messages, in order. `|` stands for SOH."""

import pytest

from configs.loader import Venue
from matcher.increments import TradePrint
from matcher.orders import BUY, SELL

from .conftest import public
from .fix_desk import MD, Desk

MD_SP2 = "FIXT.1.1:MD2"
W_EMPTY = "W 262=r1|55=AAPL|83=0|268=0|"
W_ONE = "W 262=r1|55=AAPL|268=1|269=0|270=1.00|271=5|346=1|83=1|"


@pytest.fixture
def desk(venue: Venue) -> Desk:
    desk = Desk(venue)
    desk.feed.on_logon(MD)
    desk.feed.on_logon(MD_SP2)
    return desk


@pytest.fixture
def subscribed(desk: Desk) -> Desk:
    desk.receive(desk.ask())
    desk.book_comes()
    desk.publish(public(1, ("0", BUY, 100, 5)))
    desk.sent.clear()
    return desk


def test_a_subscriber_gets_one_w_and_then_one_x_per_increment(desk: Desk) -> None:
    desk.receive(desk.ask(types="269=0|269=1|269=2|"))
    desk.book_comes()
    desk.publish(public(1, ("0", BUY, 100, 5)))
    desk.publish(public(2, ("1", BUY, 100, 4), trades=(TradePrint(1, 100, 1, SELL),)))
    assert desk.take() == [
        W_EMPTY,
        "X 262=r1|268=1|279=0|269=0|55=AAPL|270=1.00|271=5|346=1|83=1|",
        "X 262=r1|268=2|279=0|269=2|278=1|55=AAPL|270=1.00|271=1|272=20260921|273=14:13:22.123|"
        "279=1|269=0|55=AAPL|270=1.00|271=4|346=1|83=2|",
    ]


def test_a_book_that_is_there_is_served_at_once(subscribed: Desk) -> None:
    subscribed.receive(subscribed.ask(req="r2"))
    assert subscribed.take() == [W_ONE.replace("r1", "r2")]


def test_a_snapshot_request_gets_one_w_and_no_x(desk: Desk) -> None:
    desk.receive(desk.ask("0"))
    assert desk.subscriptions == 1
    desk.book_comes()
    desk.publish(public(1, ("0", BUY, 100, 5)))
    assert desk.take() == [W_EMPTY]
    assert desk.subscriptions == 0
    desk.receive(desk.ask("0"))
    assert desk.take() == [W_ONE]


def test_many_symbols_get_one_w_each(desk: Desk) -> None:
    desk.receive(desk.ask(symbols="55=BRK.B|55=AAPL|"))
    desk.book_comes()
    desk.book_comes("BRK.B")
    assert desk.take() == [W_EMPTY, "W 262=r1|55=BRK.B|83=0|268=0|"]


def test_each_session_reads_its_own_version(subscribed: Desk) -> None:
    subscribed.receive(subscribed.ask(req="x"), MD_SP2)
    assert subscribed.take(MD_SP2) == [
        "W 262=x|55=AAPL|779=20260921-14:13:21.123456|1682=17|268=1|269=0|270=1.00|271=5|346=1|83=1|"
    ]
    subscribed.publish(public(2, ("2", BUY, 100, 0)))
    assert subscribed.sent == [
        (MD, "X 262=r1|268=1|279=2|269=0|55=AAPL|270=1.00|83=2|"),
        (MD_SP2, "X 262=x|268=1|279=2|269=0|55=AAPL|270=1.00|83=2|"),
    ]


def test_unsubscribing_ends_the_messages_and_frees_the_id(subscribed: Desk) -> None:
    subscribed.receive(subscribed.ask("2"))
    subscribed.publish(public(2, ("2", BUY, 100, 0)))
    assert subscribed.take() == []
    assert subscribed.subscriptions == 0
    subscribed.receive(subscribed.ask())
    assert subscribed.take() == ["W 262=r1|55=AAPL|83=2|268=0|"]


def test_unsubscribing_what_is_not_subscribed_is_answered(desk: Desk) -> None:
    desk.receive(desk.ask("2", req="none"))
    assert desk.take() == ["j 45=5|58=MDReqID(262)=none is not subscribed; nothing to end|372=V|379=none|380=1|"]


def test_logging_out_ends_every_subscription(subscribed: Desk) -> None:
    subscribed.feed.on_logout(MD)
    subscribed.publish(public(2, ("2", BUY, 100, 0)))
    subscribed.receive(subscribed.ask(req="late"))
    subscribed.feed.on_logon(MD)
    subscribed.publish(public(3, ("0", BUY, 101, 1)))
    assert subscribed.take() == []
    assert subscribed.subscriptions == 0


def test_an_id_in_use_is_refused(subscribed: Desk) -> None:
    subscribed.receive(subscribed.ask())
    assert subscribed.take() == [
        "Y 262=r1|281=1|58=MDReqID(262)=r1 is in use; unsubscribe it first, or choose another|"
    ]


def test_the_request_that_is_being_served_may_be_sent_again_by_the_session_layer(subscribed: Desk) -> None:
    subscribed.receive("43=Y|" + subscribed.ask())
    assert subscribed.take() == []


def test_too_many_symbols_are_refused_whole(desk: Desk) -> None:
    desk.receive(desk.ask(symbols="55=AAPL|55=BRK.B|"))
    desk.receive(desk.ask(req="r2", symbols="55=AAPL|55=BRK.B|"))
    assert desk.take() == ["Y 262=r2|281=2|58=2 symbols are subscribed and at most 3 may be; unsubscribe some first|"]
    assert desk.subscriptions == 2


def test_one_unknown_symbol_refuses_the_whole_request(desk: Desk) -> None:
    desk.receive(desk.ask(symbols="55=AAPL|55=XYZ|"))
    desk.book_comes()
    assert desk.take() == ["Y 262=r1|281=0|58=Symbol(55)=XYZ is not traded here|"]


@pytest.mark.parametrize("msg_type", ["D", "F", "G", "H"])
def test_order_messages_are_not_authorized_here(desk: Desk, msg_type: str) -> None:
    desk.receive(f"35={msg_type}|11=c1|55=AAPL|")
    text = "this session is for market data; send orders on a session of kind orders"
    assert desk.take() == [f"j 45=5|58={text}|372={msg_type}|379=c1|380=6|"]


def test_other_messages_are_not_supported(desk: Desk) -> None:
    desk.receive("35=R|131=q1|")
    text = "MsgType(35)=R is not supported; a market-data session takes V, e, x, c and g only"
    assert desk.take() == [f"j 45=5|58={text}|372=R|380=3|"]


def test_a_gap_withdraws_the_book_and_a_fresh_w_comes_before_any_x(subscribed: Desk) -> None:
    subscribed.publish(public(3, ("0", SELL, 102, 1)))
    assert subscribed.take() == ["W 262=r1|55=AAPL|83=1|268=0|"]
    subscribed.publish(public(2, ("1", BUY, 100, 1)))
    subscribed.publish(public(4, ("2", SELL, 102, 0)))
    assert subscribed.take() == [
        "W 262=r1|55=AAPL|268=2|269=0|270=1.00|271=1|346=1|269=1|270=1.02|271=1|346=1|83=3|",
        "X 262=r1|268=1|279=2|269=1|55=AAPL|270=1.02|83=4|",
    ]


def test_a_withdrawn_book_is_an_empty_book_in_50sp2(subscribed: Desk) -> None:
    subscribed.receive(subscribed.ask("2"))
    subscribed.receive(subscribed.ask(), MD_SP2)
    subscribed.sent.clear()
    subscribed.publish(public(3, ("0", SELL, 102, 1)))
    assert subscribed.take(MD_SP2) == ["W 262=r1|55=AAPL|779=20260921-14:13:20.123456|268=1|269=J|83=1|"]


def test_order_by_order_a_withdrawn_book_comes_back_with_every_order(desk: Desk) -> None:
    desk.receive(desk.ask().replace("265=1", "265=1|266=N"), MD_SP2)
    desk.book_comes()
    desk.publish(public(1, ("0", BUY, 100, 5), ("0", BUY, 99, 2)))
    desk.sent.clear()
    desk.publish(public(3, ("2", BUY, 99, 0)))
    assert desk.take(MD_SP2) == ["W 262=r1|55=AAPL|779=20260921-14:13:20.123456|268=1|269=J|83=1|"]
    desk.publish(public(2, ("0", SELL, 102, 1)))
    desk.publish(public(4, ("2", BUY, 100, 0)))
    assert desk.take(MD_SP2) == [
        "W 262=r1|55=AAPL|779=20260921-14:13:23.123456|1682=17|268=2|269=0|278=O100|270=1.00|271=5|269=1|278=O102|"
        "270=1.02|271=1|83=3|",
        "X 262=r1|268=1|279=2|269=0|278=O100|55=AAPL|270=1.00|83=4|",
    ]


def test_a_request_during_a_repair_waits_for_the_book(subscribed: Desk) -> None:
    subscribed.publish(public(3, ("0", SELL, 102, 1)))
    subscribed.sent.clear()
    subscribed.receive(subscribed.ask("0", req="r2"))
    assert subscribed.take() == []
    subscribed.publish(public(2, ("2", BUY, 100, 0)))
    assert sorted(subscribed.take()) == [
        "W 262=r1|55=AAPL|268=1|269=1|270=1.02|271=1|346=1|83=3|",
        "W 262=r2|55=AAPL|268=1|269=1|270=1.02|271=1|346=1|83=3|",
    ]


def test_without_market_data_a_snapshot_request_is_refused_and_a_subscription_waits(desk: Desk) -> None:
    desk.receive(desk.ask("0", req="waiting"))
    desk.go_silent()
    text = "no market data for Symbol(55)=AAPL at the moment; ask again"
    assert desk.take() == [f"j 45=5|58={text}|372=V|379=waiting|380=4|"]
    desk.receive(desk.ask("0", req="late"))
    assert desk.take() == [f"j 45=5|58={text}|372=V|379=late|380=4|"]
    desk.receive(desk.ask())
    assert desk.take() == [W_EMPTY]
    desk.books.is_available = True
    desk.book_comes()
    assert desk.take() == [W_EMPTY]
    assert desk.subscriptions == 1


def test_silence_withdraws_every_book(subscribed: Desk) -> None:
    subscribed.go_silent()
    assert subscribed.take() == ["W 262=r1|55=AAPL|83=1|268=0|"]


def test_two_depths_of_one_book_are_told_apart(desk: Desk) -> None:
    desk.book_comes()
    desk.receive(desk.ask(req="top", depth=1))
    desk.receive(desk.ask(req="all"))
    desk.publish(public(1, ("0", BUY, 100, 5), ("0", BUY, 99, 5)))
    desk.publish(public(2, ("1", BUY, 99, 6)))
    assert desk.take()[2:] == [
        "X 262=top|268=1|279=0|269=0|55=AAPL|270=1.00|271=5|346=1|83=1|",
        "X 262=all|268=2|279=0|269=0|55=AAPL|270=1.00|271=5|346=1|279=0|269=0|55=AAPL|270=0.99|271=5|346=1|83=1|",
        "X 262=all|268=1|279=1|269=0|55=AAPL|270=0.99|271=6|346=1|83=2|",
    ]
