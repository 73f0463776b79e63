"""Post-only orders: refused, or moved out of the way (POST-1)."""

from matcher.instructions import REJECT_IF_TAKING, SLIDE_IF_TAKING
from matcher.instruments import TickBand
from matcher.orders import BUY, SELL, STOP_LIMIT
from tests.matcher.desk import Desk


def with_offer(price_ticks: int = 101, **rules: object) -> Desk:
    desk = Desk(**rules)
    desk.new("offer", SELL, 5, price_ticks, session="B1")
    return desk


def test_an_order_that_would_trade_is_refused_whole() -> None:
    """POST-1: R."""
    desk = with_offer()
    assert desk.new("p", BUY, 9, 101, post_only=REJECT_IF_TAKING) == [
        "A1 rejected POST_ONLY_WOULD_TAKE #0 p 0+0/9 REJECTED"
    ]
    assert desk.new("p", BUY, 9, 100, post_only=REJECT_IF_TAKING) == ["A1 accepted #2 p 0+9/9 NEW"]
    assert desk.new("q", SELL, 9, 100, post_only=REJECT_IF_TAKING, session="B1") == [
        "B1 rejected POST_ONLY_WOULD_TAKE #0 q 0+0/9 REJECTED"
    ]


def test_hidden_orders_count_as_opposite() -> None:
    """POST-1: the refusal tells of their existence, as a trade would."""
    desk = Desk()
    desk.new("hidden", SELL, 5, 101, display_qty_lots=0, session="B1")
    assert "POST_ONLY_WOULD_TAKE" in desk.new("p", BUY, 9, 102, post_only=REJECT_IF_TAKING)[0]
    assert desk.new("s", BUY, 9, 102, post_only=SLIDE_IF_TAKING) == ["A1 accepted #2 s 0+9/9 NEW at 100"]


def test_an_order_slides_one_tick_before_the_best_opposite_price() -> None:
    """POST-1: S; accepted with the price at which it stands; Price(44) stays what the client gave."""
    desk = with_offer()
    assert desk.new("p", BUY, 9, 105, post_only=SLIDE_IF_TAKING) == ["A1 accepted #2 p 0+9/9 NEW at 100"]
    assert desk.increment == "2: new bid 9@100 x1"
    assert desk.outputs[-1].events[0].order.price_ticks == 105  # type: ignore[union-attr]
    assert desk.new("q", BUY, 9, 100, post_only=SLIDE_IF_TAKING) == ["A1 accepted #3 q 0+9/9 NEW"]
    assert desk.new("r", SELL, 9, 99, post_only=SLIDE_IF_TAKING, session="B1") == ["B1 accepted #4 r 0+9/9 NEW at 101"]


def test_it_stays_where_it_slid_to() -> None:
    """POST-1: the offer that was in its way is gone, and it does not come forward."""
    desk = with_offer()
    desk.new("p", BUY, 9, 105, post_only=SLIDE_IF_TAKING)
    desk.cancel("c", "offer", SELL, session="B1")
    assert desk.levels == ([(100, 9, 1)], [])


def test_a_slide_is_rounded_to_the_tick_table() -> None:
    """POST-1, TICK-1: away from the other side."""
    desk = with_offer(110, tick_bands=[TickBand(100, 10)])
    assert desk.new("p", BUY, 9, 120, post_only=SLIDE_IF_TAKING) == ["A1 accepted #2 p 0+9/9 NEW at 100"]
    assert desk.new("q", SELL, 9, 95, post_only=SLIDE_IF_TAKING, session="B1") == ["B1 accepted #3 q 0+9/9 NEW at 110"]


def test_without_a_tick_left_the_order_is_refused() -> None:
    """POST-1."""
    desk = with_offer(1)
    assert "POST_ONLY_WOULD_TAKE" in desk.new("p", BUY, 9, 5, post_only=SLIDE_IF_TAKING)[0]


def test_a_replace_is_held_against_it_only_when_it_comes_in_anew() -> None:
    """REPLACE-2, POST-1."""
    desk = with_offer()
    desk.new("p", BUY, 9, 105, post_only=SLIDE_IF_TAKING)
    assert desk.replace("r", "p", BUY, 8, 105, post_only=SLIDE_IF_TAKING) == ["A1 replaced p #2 r 0+8/8 NEW at 100"]
    desk.cancel("c", "offer", SELL, session="B1")
    desk.new("offer2", SELL, 5, 103, session="B1")
    assert desk.replace("s", "r", BUY, 9, 105, post_only=SLIDE_IF_TAKING) == ["A1 replaced r #2 s 0+9/9 NEW at 102"]
    assert desk.replace("t", "s", BUY, 9, 103, post_only=REJECT_IF_TAKING) == [
        "A1 replace rejected POST_ONLY_WOULD_TAKE t for s #2 NEW"
    ]
    assert desk.levels[0] == [(102, 9, 1)]


def test_a_stop_limit_that_would_take_when_it_comes_in() -> None:
    """POST-1: with R it is canceled then, with S it slides and is told its price."""
    for post_only, told in (
        (
            REJECT_IF_TAKING,
            "canceled (POST_ONLY_WOULD_TAKE: this post-only order (18=6) would have traded as it came in) "
            "#2 st 0+0/9 CANCELED",
        ),
        (SLIDE_IF_TAKING, "restated 3 #2 st 0+9/9 NEW at 101"),
    ):
        desk = with_offer(102)
        desk.new("st", BUY, 9, 105, ord_type=STOP_LIMIT, stop_price_ticks=101, post_only=post_only)
        desk.new("s101", SELL, 1, 101, session="B1")
        assert desk.new("b", BUY, 1, 101, session="C1")[3:] == ["triggered #2 st 0+9/9 NEW", told]
