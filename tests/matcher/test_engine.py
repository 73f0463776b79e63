"""What the engine does, scenario by scenario: a few commands, then everything that came of the last one."""

from matcher.commands import NewOrder
from matcher.events import OrderAccepted, OrderFilled, Output
from matcher.increments import LevelChange, MarketDataIncrement, ShownOrder, TradePrint
from matcher.orders import (
    BUY,
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    IMMEDIATE_OR_CANCEL,
    MARKET,
    SELL,
    OrderState,
)
from tests.matcher.desk import Desk

REST_OF_IOC = "(the rest of an ImmediateOrCancel order (59=3) does not stay on the book)"
REST_OF_MARKET = "(the rest of a market order (40=1) does not stay on the book)"
FOK_NOT_FILLED = "(the book cannot fill all of this FillOrKill order (59=4) at once)"


def test_one_trade_in_every_field() -> None:
    """ORDER-3: the incoming side is told first."""
    desk = Desk()
    engine = desk.engine
    engine.apply(NewOrder("FIX.4.4:B1", 3, 7, 6, 111, "B", "TEST", "b1", "acc-b", SELL, "2", "1", 101, 10), 5)
    bid = NewOrder("FIX.4.4:A1", 2, 9, 8, 222, "A", "TEST", "a1", "acc-a", BUY, "2", "0", 102, 4)
    taken = OrderState(
        order_id=2,
        session_id="FIX.4.4:A1",
        firm="A",
        cl_ord_id="a1",
        account="acc-a",
        symbol="TEST",
        side=BUY,
        ord_type="2",
        time_in_force="0",
        price_ticks=102,
        qty_lots=4,
        leaves_qty_lots=4,
        cum_qty_lots=0,
        cum_value=0,
        ord_status="0",
    )
    bought = OrderState(2, "FIX.4.4:A1", "A", "a1", "acc-a", "TEST", BUY, "2", "0", 102, 4, 0, 4, 404, "2")
    sold = OrderState(1, "FIX.4.4:B1", "B", "b1", "acc-b", "TEST", SELL, "2", "1", 101, 10, 6, 4, 404, "1")
    assert engine.apply(bid, 8) == Output(
        events=[
            OrderAccepted(input_seq=8, event_index=0, transact_ns=222, requester_session_id="FIX.4.4:A1", order=taken),
            OrderFilled(
                input_seq=8,
                event_index=1,
                transact_ns=222,
                requester_session_id="FIX.4.4:A1",
                order=bought,
                match_id=1,
                last_price_ticks=101,
                last_qty_lots=4,
                is_aggressor=True,
            ),
            OrderFilled(
                input_seq=8,
                event_index=2,
                transact_ns=222,
                requester_session_id="",
                order=sold,
                match_id=1,
                last_price_ticks=101,
                last_qty_lots=4,
                is_aggressor=False,
            ),
        ],
        increments=[
            MarketDataIncrement(
                symbol="TEST",
                md_seq=2,
                input_seq=8,
                transact_ns=222,
                levels=[LevelChange("1", SELL, 101, 6, 1, [ShownOrder(1, 6, -4)])],
                trades=[TradePrint(1, 101, 4, BUY)],
            )
        ],
    )


def test_an_order_that_crosses_nothing_rests() -> None:
    desk = Desk()
    assert desk.new("a1", BUY, 10, 100) == ["A1 accepted #1 a1 0+10/10 NEW"]
    assert desk.increment == "1: new bid 10@100 x1"
    assert desk.new("a2", BUY, 5, 100) == ["A1 accepted #2 a2 0+5/5 NEW"]
    assert desk.increment == "2: change bid 15@100 x2"
    assert desk.new("a3", SELL, 5, 101) == ["A1 accepted #3 a3 0+5/5 NEW"]
    assert desk.engine.levels("TEST") == ([(100, 15, 2)], [(101, 5, 1)])


def test_best_price_first_then_oldest_first_at_the_resting_price() -> None:
    """MATCH-1, MATCH-3."""
    desk = Desk()
    desk.new("s1", SELL, 5, 102, session="B1")
    desk.new("s2", SELL, 5, 101, session="B1")
    desk.new("s3", SELL, 5, 101, session="C1")
    assert desk.new("a1", BUY, 12, 103) == [
        "A1 accepted #4 a1 0+12/12 NEW",
        "A1 filled 5@101 match 1 incoming #4 a1 5+7/12 PARTIALLY_FILLED",
        "filled 5@101 match 1 resting #2 s2 5+0/5 FILLED",
        "A1 filled 5@101 match 2 incoming #4 a1 10+2/12 PARTIALLY_FILLED",
        "filled 5@101 match 2 resting #3 s3 5+0/5 FILLED",
        "A1 filled 2@102 match 3 incoming #4 a1 12+0/12 FILLED",
        "filled 2@102 match 3 resting #1 s1 2+3/5 PARTIALLY_FILLED",
    ]
    assert desk.increment == (
        "4: delete ask 0@101 x0, change ask 3@102 x1, "
        "trade 5@101 match 1 by bid, trade 5@101 match 2 by bid, trade 2@102 match 3 by bid"
    )


def test_the_rest_of_a_crossing_order_rests_at_its_own_price() -> None:
    desk = Desk()
    desk.new("b1", BUY, 5, 100, session="B1")
    assert desk.new("a1", SELL, 8, 99) == [
        "A1 accepted #2 a1 0+8/8 NEW",
        "A1 filled 5@100 match 1 incoming #2 a1 5+3/8 PARTIALLY_FILLED",
        "filled 5@100 match 1 resting #1 b1 5+0/5 FILLED",
    ]
    assert desk.increment == "2: delete bid 0@100 x0, new ask 3@99 x1, trade 5@100 match 1 by ask"


def test_a_price_one_tick_away_does_not_trade() -> None:
    desk = Desk()
    desk.new("s1", SELL, 5, 101)
    assert desk.new("b1", BUY, 5, 100) == ["A1 accepted #2 b1 0+5/5 NEW"]


def test_immediate_or_cancel_takes_what_there_is() -> None:
    desk = Desk()
    desk.new("s1", SELL, 5, 101, session="B1")
    desk.new("s2", SELL, 5, 102, session="B1")
    assert desk.new("a1", BUY, 8, 101, time_in_force=IMMEDIATE_OR_CANCEL) == [
        "A1 accepted #3 a1 0+8/8 NEW",
        "A1 filled 5@101 match 1 incoming #3 a1 5+3/8 PARTIALLY_FILLED",
        "filled 5@101 match 1 resting #1 s1 5+0/5 FILLED",
        f"A1 canceled {REST_OF_IOC} #3 a1 5+0/8 CANCELED",
    ]
    assert desk.new("a2", BUY, 8, 101, time_in_force=IMMEDIATE_OR_CANCEL) == [
        "A1 accepted #4 a2 0+8/8 NEW",
        f"A1 canceled {REST_OF_IOC} #4 a2 0+0/8 CANCELED",
    ]
    assert desk.increment is None


def test_fill_or_kill_trades_whole_or_not_at_all() -> None:
    desk = Desk()
    desk.new("s1", SELL, 5, 101, session="B1")
    desk.new("s2", SELL, 5, 102, session="B1")
    assert desk.new("a1", BUY, 11, 103, time_in_force=FILL_OR_KILL) == [
        "A1 accepted #3 a1 0+11/11 NEW",
        f"A1 canceled {FOK_NOT_FILLED} #3 a1 0+0/11 CANCELED",
    ]
    assert desk.increment is None
    # Enough on the book, but not up to the limit.
    assert desk.new("a2", BUY, 6, 101, time_in_force=FILL_OR_KILL)[1:] == [
        f"A1 canceled {FOK_NOT_FILLED} #4 a2 0+0/6 CANCELED"
    ]
    assert desk.new("a3", BUY, 10, 102, time_in_force=FILL_OR_KILL) == [
        "A1 accepted #5 a3 0+10/10 NEW",
        "A1 filled 5@101 match 1 incoming #5 a3 5+5/10 PARTIALLY_FILLED",
        "filled 5@101 match 1 resting #1 s1 5+0/5 FILLED",
        "A1 filled 5@102 match 2 incoming #5 a3 10+0/10 FILLED",
        "filled 5@102 match 2 resting #2 s2 5+0/5 FILLED",
    ]


def test_a_market_order_sweeps_and_its_rest_is_canceled() -> None:
    desk = Desk()
    desk.new("b1", BUY, 5, 100, session="B1")
    desk.new("b2", BUY, 5, 1, session="B1")
    assert desk.new("a1", SELL, 12, ord_type=MARKET) == [
        "A1 accepted #3 a1 0+12/12 NEW",
        "A1 filled 5@100 match 1 incoming #3 a1 5+7/12 PARTIALLY_FILLED",
        "filled 5@100 match 1 resting #1 b1 5+0/5 FILLED",
        "A1 filled 5@1 match 2 incoming #3 a1 10+2/12 PARTIALLY_FILLED",
        "filled 5@1 match 2 resting #2 b2 5+0/5 FILLED",
        f"A1 canceled {REST_OF_MARKET} #3 a1 10+0/12 CANCELED",
    ]
    assert desk.engine.levels("TEST") == ([], [])


def test_cancel_takes_the_rest_off_the_book() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 100)
    desk.new("s1", SELL, 4, 100, session="B1")
    assert desk.cancel("c1", "a1", BUY) == ["A1 canceled by c1 for a1 #1 a1 4+0/10 CANCELED"]
    assert desk.increment == "3: delete bid 0@100 x0"


def test_any_session_of_the_firm_may_cancel_and_the_order_stays_its_owners() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 100, session="A1")
    assert desk.cancel("c1", "a1", BUY, session="A2") == ["A2 canceled by c1 for a1 #1 a1 0+0/10 CANCELED"]
    [event] = desk.outputs[-1].events
    assert event.order.session_id == "A1"


def test_a_replace_keeps_the_order_id_and_names_the_order_anew() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 100)
    assert desk.replace("a2", "a1", BUY, 10, 99) == ["A1 replaced a1 #1 a2 0+10/10 NEW"]
    assert desk.increment == "2: delete bid 0@100 x0, new bid 10@99 x1"
    assert desk.cancel("c1", "a2", BUY) == ["A1 canceled by c1 for a2 #1 a2 0+0/10 CANCELED"]


def resting_first(qty_lots: int, price_ticks: int, **terms: str) -> str:
    """Two bids of 10 at 100, the older one replaced: which one does an ask meet first?"""
    desk = Desk()
    desk.new("old", BUY, 10, 100)
    desk.new("young", BUY, 10, 100)
    desk.replace("replaced", "old", BUY, qty_lots, price_ticks, **terms)  # type: ignore[arg-type]
    filled = desk.new("s1", SELL, 1, 1, session="B1")[2]
    return filled.split()[6]


def test_what_keeps_and_what_loses_its_place_in_the_queue() -> None:
    assert resting_first(9, 100) == "replaced"
    assert resting_first(10, 100) == "replaced"
    assert resting_first(10, 100, time_in_force=GOOD_TILL_CANCEL) == "replaced"
    assert resting_first(11, 100) == "young"
    assert resting_first(10, 99) == "young"
    assert resting_first(1, 101) == "replaced"


def test_a_price_there_and_back_loses_the_place() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 100)
    desk.new("b1", BUY, 10, 100, session="B1")
    desk.replace("a2", "a1", BUY, 10, 99)
    desk.replace("a3", "a2", BUY, 10, 100)
    assert desk.increment == "4: change bid 20@100 x2, delete bid 0@99 x0"
    assert desk.new("s1", SELL, 10, 100, session="C1")[2] == "filled 10@100 match 1 resting #2 b1 10+0/10 FILLED"


def test_the_new_total_counts_what_was_filled() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 100)
    desk.new("s1", SELL, 2, 100, session="B1")
    assert desk.replace("a2", "a1", BUY, 5, 100) == ["A1 replaced a1 #1 a2 2+3/5 PARTIALLY_FILLED"]
    assert desk.increment == "3: change bid 3@100 x1"


def test_a_new_total_that_is_filled_already_ends_the_order() -> None:
    for qty_lots in (4, 3, 1):
        desk = Desk()
        desk.new("a1", BUY, 10, 100)
        desk.new("s1", SELL, 4, 100, session="B1")
        assert desk.replace("a2", "a1", BUY, qty_lots, 100) == ["A1 replaced a1 #1 a2 4+0/4 FILLED"]
        assert desk.increment == "3: delete bid 0@100 x0"
        assert desk.cancel("c1", "a2", BUY) == ["A1 cancel rejected TOO_LATE c1 for a2 #1 FILLED"]


def test_a_replace_to_a_crossing_price_trades_at_once() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 99)
    desk.new("s1", SELL, 4, 101, session="B1")
    assert desk.replace("a2", "a1", BUY, 10, 101, session="A2") == [
        "A2 replaced a1 #1 a2 0+10/10 NEW",
        "A2 filled 4@101 match 1 incoming #1 a2 4+6/10 PARTIALLY_FILLED",
        "filled 4@101 match 1 resting #2 s1 4+0/4 FILLED",
    ]
    assert desk.increment == (
        "3: new bid 6@101 x1, delete bid 0@99 x0, delete ask 0@101 x0, trade 4@101 match 1 by bid"
    )


def test_a_replace_to_a_crossing_price_may_fill_the_order_whole() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 99)
    desk.new("s1", SELL, 10, 101, session="B1")
    assert desk.replace("a2", "a1", BUY, 10, 101)[1:] == [
        "A1 filled 10@101 match 1 incoming #1 a2 10+0/10 FILLED",
        "filled 10@101 match 1 resting #2 s1 10+0/10 FILLED",
    ]
    assert desk.engine.live_order_count == 0


def test_a_level_that_is_as_before_is_left_out_of_the_increment() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 100)
    desk.replace("a2", "a1", BUY, 10, 100)
    assert desk.increment is None
    desk.new("s1", SELL, 10, 102)
    assert desk.increment == "2: new ask 10@102 x1"


def test_status_tells_of_live_and_finished_orders_by_any_of_their_cl_ord_ids() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 100)
    assert desk.status("a1", BUY) == ["A1 status known #1 a1 0+10/10 NEW"]
    desk.replace("a2", "a1", BUY, 8, 100)
    assert desk.status("a1", BUY) == ["A1 status known #1 a2 0+8/8 NEW"]
    desk.cancel("c1", "a2", BUY)
    for cl_ord_id in ("a1", "a2", "c1"):
        assert desk.status(cl_ord_id, BUY) == ["A1 status known #1 a2 0+0/8 CANCELED"]


def test_an_order_that_is_sent_again_is_answered_with_the_state_of_the_first() -> None:
    """RESEND-1: by any ClOrdID that led to it, live or finished, whatever the repeat says; nothing is entered."""
    desk = Desk()
    assert desk.new("a1", BUY, 10, 100, poss_resend=True) == ["A1 accepted #1 a1 0+10/10 NEW"]
    assert desk.new("a1", SELL, 3, 99, session="A2", poss_resend=True) == ["A2 status known #1 a1 0+10/10 NEW"]
    desk.replace("a2", "a1", BUY, 8, 100)
    desk.cancel("c1", "a2", BUY)
    for cl_ord_id in ("a1", "a2", "c1"):
        assert desk.new(cl_ord_id, BUY, 10, 100, poss_resend=True) == ["A1 status known #1 a2 0+0/8 CANCELED"]
    assert desk.new("a1", BUY, 1, 100, session="B1", poss_resend=True) == ["B1 accepted #2 a1 0+1/1 NEW"]


def test_status_of_an_unknown_order_echoes_the_request_and_changes_nothing() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 100)
    books = desk.engine.levels("TEST")
    assert desk.status("a1", BUY, session="B1") == ["B1 status UNKNOWN_ORDER #0 a1 0+0/0 REJECTED"]
    [event] = desk.outputs[-1].events
    assert (event.order.symbol, event.order.side, event.ord_status_req_id) == ("TEST", BUY, "q")
    assert (desk.increment, desk.engine.levels("TEST")) == (None, books)


def test_the_end_of_the_day_expires_day_orders_in_order_of_entry() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 99)
    desk.new("a2", SELL, 10, 102)
    desk.new("a3", BUY, 10, 100, time_in_force=GOOD_TILL_CANCEL)
    desk.new("a4", BUY, 10, 100)
    desk.new("s1", SELL, 12, 100, session="B1")  # fills a3, and 2 of a4
    desk.new("o1", BUY, 10, 100, symbol="OTHER")
    desk.new("a5", BUY, 10, 98, time_in_force=GOOD_TILL_CANCEL)
    assert desk.end_day("20250102") == [
        "expired #1 a1 0+0/10 EXPIRED",
        "expired #2 a2 0+0/10 EXPIRED",
        "expired #4 a4 2+0/10 EXPIRED",
    ]
    assert desk.increment == "7: delete bid 0@100 x0, delete bid 0@99 x0, delete ask 0@102 x0"
    assert desk.engine.levels("TEST") == ([(98, 10, 1)], [])
    assert desk.engine.levels("OTHER") == ([(100, 10, 1)], [])


def test_a_day_ends_once() -> None:
    desk = Desk()
    desk.end_day("20250102")
    desk.new("a1", BUY, 10, 99)
    for trading_date in ("20250102", "20250101"):
        assert desk.end_day(trading_date) == []
        assert desk.increment is None
    assert desk.end_day("20250103") == ["expired #1 a1 0+0/10 EXPIRED"]


def test_the_end_of_the_day_of_an_unknown_symbol_is_nobodys() -> None:
    assert Desk().end_day("20250102", symbol="ZZZ") == []


def test_symbols_have_their_own_matches_and_increments_and_share_order_ids() -> None:
    desk = Desk()
    for symbol in ("TEST", "OTHER"):
        desk.new(f"s-{symbol}", SELL, 1, 100, session="B1", symbol=symbol)
        fill = desk.new(f"b-{symbol}", BUY, 1, 100, symbol=symbol)[1]
        assert "match 1 " in fill
        assert desk.increment == "2: delete ask 0@100 x0, trade 1@100 match 1 by bid"
    assert desk.new("last", BUY, 1, 100) == ["A1 accepted #5 last 0+1/1 NEW"]


def test_event_indexes_run_on_within_one_input() -> None:
    engine = Desk().engine
    one = NewOrder("A1", 1, 1, 0, 0, "A", "TEST", "a1", "", BUY, "2", "0", 100, 1)
    two = NewOrder("A1", 1, 2, 0, 0, "A", "OTHER", "a2", "", BUY, "2", "0", 100, 1)
    three = NewOrder("A1", 1, 3, 0, 0, "A", "TEST", "a3", "", BUY, "2", "0", 100, 1)
    named = [
        (event.input_seq, event.event_index)
        for command, input_seq in ((one, 4), (two, 4), (three, 9))
        for event in engine.apply(command, input_seq).events
    ]
    assert named == [(4, 0), (4, 1), (9, 0)]


def test_finished_orders_are_forgotten_oldest_first_with_all_their_cl_ord_ids() -> None:
    desk = Desk(finished_orders_max=2)
    for number in (1, 2, 3):
        desk.new(f"a{number}", BUY, 10, 100)
        desk.cancel(f"c{number}", f"a{number}", BUY)
    assert desk.engine.finished_order_count == 2
    assert desk.status("a1", BUY) == ["A1 status UNKNOWN_ORDER #0 a1 0+0/0 REJECTED"]
    assert desk.status("c1", BUY) == ["A1 status UNKNOWN_ORDER #0 c1 0+0/0 REJECTED"]
    assert desk.status("c2", BUY) == ["A1 status known #2 a2 0+0/10 CANCELED"]
    assert desk.new("a1", BUY, 10, 100) == ["A1 accepted #4 a1 0+10/10 NEW"]
    assert "DUPLICATE" in desk.new("a2", BUY, 10, 100)[0]


def test_replacing_one_order_for_ever_does_not_fill_the_memory() -> None:
    desk = Desk(finished_orders_max=10)
    desk.new("r0", BUY, 1000, 100)
    for number in range(200):
        desk.replace(f"r{number + 1}", f"r{number}", BUY, 1000, 100 + number % 2)
    assert len(desk.engine._floor.orders.retired) == 10
    assert sum(map(len, desk.engine._floor.orders._order_ids.values())) == 11
    assert desk.status("r200", BUY) == ["A1 status known #1 r200 0+1000/1000 NEW"]
