"""What a FIX session may ask about instruments and segments: x, y, c, d, g, h. `|` stands for SOH."""

import pytest
from msgspec.structs import replace

from configs.loader import MarketDataConfig, Venue, VenueConfig
from marketdata.messages import BookIncrement, MarketPhase
from matcher.instruments import Increment, Instrument, TickBand, TradingRules
from matcher.phases import CLOSED, CLOSING_AUCTION, CONTINUOUS, HALT, PHASE_NAMES, Phase

from .conftest import NOW_NS
from .fix_desk import MD, Desk

MD42, MD_SP2 = "FIX.4.2:MD1", "FIXT.1.1:MD2"
RULES = TradingRules(
    tick_bands=[TickBand(10_000, 5)],
    qty_lots_max=500,
    notional_max=1_000_000,
    price_band_bps=1_000,
    static_corridor_bps=500,
    dynamic_corridor_bps=250,
)
AAPL = Instrument("AAPL", Increment.parse("0.01"), Increment.parse("1"), 9_000, "USD", 0, "STOCKS", RULES)
SAP = Instrument("SAP", Increment.parse("0.02"), Increment.parse("1"), 9_080, "EUR", 0, "STOCKS")
BTC = Instrument("BTC/USD", Increment.parse("0.01"), Increment.parse("0.001"), 6_125_000, "USD", 1)
TERMS = (
    "tick 0.01, 0.05 from 100.00, lot 1, quantity at most 500, value at most 1000000 USD, limit prices at most 10.00 % "
    "from the reference price, volatility auction beyond 5.00 % from the reference price, volatility auction beyond "
    "2.50 % from the last price"
)
SAP_TERMS, BTC_TERMS = "tick 0.02, lot 1", "tick 0.01, lot 0.001"
SAP_44 = f"55=SAP|15=EUR|561=1|562=1|336=STOCKS|58={SAP_TERMS}|"
BTC_44 = f"55=BTC/USD|15=USD|561=0.001|562=0.001|336=NONE|58={BTC_TERMS}|"


@pytest.fixture
def venue() -> Venue:
    config = VenueConfig(shards=2, comp_id="OUTCRY", marketdata=MarketDataConfig(fix_subscriptions_max=3))
    return Venue(config, {each.symbol: each for each in (AAPL, SAP, BTC)})


@pytest.fixture
def desk(venue: Venue) -> Desk:
    desk = Desk(venue)
    for session_id in (MD, MD42, MD_SP2):
        desk.feed.on_logon(session_id)
    return desk


@pytest.fixture
def current(desk: Desk) -> Desk:
    """All books are there, and continuous."""
    for symbol in ("AAPL", "SAP", "BTC/USD"):
        desk.book_comes(symbol)
    return desk


def asked(desk: Desk, text: str, session_id: str = MD) -> list[str]:
    desk.receive(text, session_id)
    return desk.take(session_id)


def enters(symbol: str, md_seq: int, phase: Phase, *, ends_ns: int = 0, text: str = "") -> BookIncrement:
    began = MarketPhase(phase, NOW_NS, ends_ns, text)
    return BookIncrement(symbol, md_seq, 100 + md_seq, NOW_NS, [], [], phase=began)


class TestSecurityList:
    def test_one_symbol(self, desk: Desk) -> None:
        assert asked(desk, "35=x|320=l1|559=0|55=SAP|") == [f"y 320=l1|322=l1-1|560=0|393=1|893=Y|146=1|{SAP_44}"]

    def test_all_of_them_without_waiting_for_market_data(self, desk: Desk) -> None:
        desk.go_silent()
        aapl = f"55=AAPL|15=USD|561=1|562=1|336=STOCKS|58={TERMS}|"
        assert asked(desk, "35=x|320=l1|559=4|") == [
            f"y 320=l1|322=l1-1|560=0|393=3|893=Y|146=3|{aapl}{SAP_44}{BTC_44}"
        ]

    def test_50sp2_has_a_field_for_each_term(self, desk: Desk) -> None:
        assert asked(desk, "35=x|320=l1|559=0|55=AAPL|", MD_SP2) == [
            "y 320=l1|322=l1-1|560=0|393=1|893=Y|146=1|55=AAPL|1151=STOCKS|969=0.01|1205=2|1206=0.00|1208=0.01|"
            "1206=100.00|1208=0.05|1306=2|1148=-10.00|1149=10.00|1150=90.00|562=1|1140=500|561=1|15=USD|"
            f"58={TERMS}|"
        ]
        assert asked(desk, "35=x|320=l2|559=0|55=SAP|", MD_SP2) == [
            "y 320=l2|322=l2-1|560=0|393=1|893=Y|146=1|55=SAP|1151=STOCKS|969=0.02|1150=181.60|562=1|561=1|15=EUR|"
            f"58={SAP_TERMS}|"
        ]

    def test_a_group_is_a_session_in_44_and_a_segment_in_50sp2(self, desk: Desk) -> None:
        head = "y 320=l1|322=l1-1|560=0|393=1|893=Y|146=1|55=BTC/USD|"
        assert asked(desk, "35=x|320=l1|559=3|336=NONE|")[0].startswith(head)
        assert asked(desk, "35=x|320=l1|559=5|1300=NONE|", MD_SP2)[0].startswith(head)
        assert "393=2|" in asked(desk, "35=x|320=l1|559=3|336=STOCKS|")[0]

    @pytest.mark.parametrize(
        ("request_", "result"),
        [
            ("559=0|55=XYZ|", "2"),
            ("559=3|336=BONDS|", "2"),
            ("559=0|", "1"),
            ("559=3|", "1"),
            ("559=1|55=AAPL|", "1"),
            ("559=5|1300=STOCKS|", "1"),
            ("559=4|263=1|", "1"),
            ("559=4|263=2|", "1"),
        ],
    )
    def test_what_is_not_there_or_not_offered_has_a_result(self, desk: Desk, request_: str, result: str) -> None:
        assert asked(desk, f"35=x|320=l1|{request_}") == [f"y 320=l1|322=l1-1|560={result}|"]
        assert "XYZ" not in desk.books.replicas

    def test_many_instruments_come_in_bounded_fragments(self, venue: Venue) -> None:
        many = {f"S{number}": replace(SAP, symbol=f"S{number}") for number in range(250)}
        desk = Desk(replace(venue, instruments=many))
        desk.feed.on_logon(MD)
        fragments = asked(desk, "35=x|320=l1|559=4|")
        assert [text.split("|55=")[0] for text in fragments] == [
            "y 320=l1|322=l1-1|560=0|393=250|893=N|146=100",
            "y 320=l1|322=l1-2|560=0|393=250|893=N|146=100",
            "y 320=l1|322=l1-3|560=0|393=250|893=Y|146=50",
        ]
        assert [f"S{number}" for number in range(250)] == [
            entry.split("|")[0] for text in fragments for entry in text.split("|55=")[1:]
        ]

    def test_42_has_no_list(self, desk: Desk) -> None:
        text = "MsgType(35)=x is not supported; a market-data session takes V, e, c and g only"
        assert asked(desk, "35=x|320=l1|559=4|", MD42) == [f"j 45=5|58={text}|372=x|380=3|"]

    def test_a_missing_tag_is_answered_with_j(self, desk: Desk) -> None:
        text = "SecurityListRequestType(559) is missing; a SecurityListRequest needs it"
        assert asked(desk, "35=x|320=l1|") == [f"j 45=5|58={text}|372=x|379=l1|380=5|"]


D_44 = (
    f"55=AAPL|15=USD|336=STOCKS|625=3|58={TERMS}|561=1|562=1|326=17|969=0.01|1140=500|1306=2|1148=-10.00|1149=10.00|"
    "1150=90.00|"
)
SAP_D = f"55=SAP|15=EUR|336=STOCKS|625=3|58={SAP_TERMS}|561=1|562=1|326=17|969=0.02|1150=181.60|"


class TestDefinitions:
    def test_one_symbol_and_the_phase_that_it_is_in(self, current: Desk) -> None:
        assert asked(current, "35=c|320=c1|321=0|55=AAPL|") == [f"d 320=c1|322=c1-1|323=1|{D_44}"]

    def test_42_has_no_sub_session_and_says_how_many_there_are(self, current: Desk) -> None:
        d_42 = D_44.replace("625=3|", "")
        assert asked(current, "35=c|320=c1|321=0|55=AAPL|", MD42) == [f"d 320=c1|322=c1-1|323=1|393=1|{d_42}"]

    def test_50sp2_has_the_rules_in_the_market_segment(self, current: Desk) -> None:
        assert asked(current, "35=c|320=c1|321=0|55=AAPL|", MD_SP2) == [
            f"d 320=c1|322=c1-1|323=1|55=AAPL|1151=STOCKS|965=1|969=0.01|15=USD|58={TERMS}|1310=1|1301=OUTCRY|"
            "1300=STOCKS|1205=2|1206=0.00|1208=0.01|1206=100.00|1208=0.05|1306=2|1148=-10.00|1149=10.00|1150=90.00|"
            "562=1|1140=500|561=1|1309=1|336=1|625=3|"
        ]

    def test_all_of_them_in_one_message_each(self, current: Desk) -> None:
        heads = [text.split("|15=")[0] for text in asked(current, "35=c|320=c1|321=3|", MD42)]
        assert heads == [
            "d 320=c1|322=c1-1|323=1|393=3|55=AAPL",
            "d 320=c1|322=c1-2|323=1|393=3|55=SAP",
            "d 320=c1|322=c1-3|323=1|393=3|55=BTC/USD",
        ]

    def test_it_waits_for_the_phase_which_takes_milliseconds(self, desk: Desk) -> None:
        assert asked(desk, "35=c|320=c1|321=0|55=SAP|") == []
        desk.book_comes("SAP")
        assert desk.take() == [f"d 320=c1|322=c1-1|323=1|{SAP_D}"]
        desk.publish(enters("SAP", 1, HALT))
        assert desk.take() == []

    def test_without_market_data_it_comes_without_the_phase(self, desk: Desk) -> None:
        unknown = SAP_D.replace("625=3|", "").replace("326=17", "326=20")
        assert asked(desk, "35=c|320=c1|321=0|55=SAP|") == []
        desk.go_silent()
        assert desk.take() == [f"d 320=c1|322=c1-1|323=1|{unknown}"]
        assert asked(desk, "35=c|320=c2|321=0|55=SAP|") == [f"d 320=c2|322=c2-1|323=1|{unknown}"]
        sp2 = asked(desk, "35=c|320=c3|321=0|55=SAP|", MD_SP2)[0]
        assert "|965=" not in sp2
        assert "|1309=" not in sp2

    @pytest.mark.parametrize(
        ("phase", "in_44", "in_50sp2"),
        [
            (HALT, "326=2", "965=9"),
            (CLOSED, "326=18", "965=2"),
            (CLOSING_AUCTION, "625=4", "965=1"),
        ],
    )
    def test_a_subscriber_is_told_of_each_phase(self, current: Desk, phase: Phase, in_44: str, in_50sp2: str) -> None:
        current.receive("35=c|320=c1|321=0|55=SAP|263=1|")
        current.receive("35=c|320=c1|321=0|55=SAP|263=1|", MD_SP2)
        current.sent.clear()
        current.publish(enters("SAP", 1, phase))
        (_, first), (_, second) = current.sent
        assert first.startswith("d 320=c1|322=c1-2|323=1|55=SAP|")
        assert f"|{in_44}|" in first
        assert f"|{in_50sp2}|" in second

    def test_a_subscriber_is_told_of_new_terms_once(self, current: Desk) -> None:
        assert len(asked(current, "35=c|320=c1|321=0|55=SAP|263=1|")) == 1
        larger = replace(SAP, rules=TradingRules(qty_lots_max=7))
        for _ in range(2):  # a matcher says it again when it admits a gateway
            current.feed.define(larger)
        told = SAP_D.replace("lot 1|", "lot 1, quantity at most 7|").replace("969=0.02|", "969=0.02|1140=7|")
        assert current.take() == [f"d 320=c1|322=c1-2|323=1|{told}"]

    def test_who_subscribed_to_all_is_told_of_new_instruments(self, current: Desk) -> None:
        assert len(asked(current, "35=c|320=c1|321=3|263=1|")) == 3
        current.feed.define(replace(SAP, symbol="NEW"))
        assert current.take() == []
        current.book_comes("NEW")
        assert current.take() == [f"d 320=c1|322=c1-4|323=1|{SAP_D.replace('SAP', 'NEW')}"]

    def test_a_subscription_ends_with_263_2_and_with_the_session(self, current: Desk) -> None:
        for req_id in ("c1", "c2"):
            current.receive(f"35=c|320={req_id}|321=0|55=SAP|263=1|")
        assert asked(current, "35=c|320=c1|321=0|263=2|")[2:] == []
        current.publish(enters("SAP", 1, HALT))
        assert [text[:9] for text in current.take()] == ["d 320=c2|"]
        current.feed.on_logout(MD)
        current.publish(enters("SAP", 2, CONTINUOUS))
        assert current.take() == []

    @pytest.mark.parametrize(
        ("request_", "answer"),
        [
            ("321=0|55=XYZ|", "55=XYZ|58=Symbol(55)=XYZ is not traded here|"),
            ("321=0|", "58=Symbol(55) is missing; name one, or send SecurityRequestType(321)=3 for all|"),
            ("321=1|55=SAP|", "58=SecurityRequestType(321)=1; send 0 for one symbol or 3 for all|"),
            (
                "321=0|55=SAP|263=7|",
                "58=SubscriptionRequestType(263)=7; send 0 snapshot, 1 subscribe or 2 unsubscribe|",
            ),
            ("321=3|", "58=1 symbols are subscribed and at most 3 may be; unsubscribe some first|"),
        ],
    )
    def test_a_refusal_is_a_d_that_says_why(self, current: Desk, request_: str, answer: str) -> None:
        current.receive("35=c|320=c0|321=0|55=AAPL|263=1|")
        current.sent.clear()
        assert asked(current, f"35=c|320=c1|{request_}") == [f"d 320=c1|322=c1-1|323=5|{answer}"]
        assert "XYZ" not in current.books.replicas

    def test_an_id_in_use_is_refused_unless_it_is_the_same_request_once_more(self, current: Desk) -> None:
        request = "35=c|320=c1|321=0|55=SAP|263=1|"
        current.receive(request)
        current.sent.clear()
        text = "SecurityReqID(320)=c1 is in use; end it first, or choose another"
        assert asked(current, request) == [f"d 320=c1|322=c1-1|323=5|55=SAP|58={text}|"]
        assert asked(current, f"43=Y|{request}") == []

    def test_ending_what_was_not_begun_is_answered_with_j(self, current: Desk) -> None:
        text = "SecurityReqID(320)=c1 is not subscribed; nothing to end"
        assert asked(current, "35=c|320=c1|321=0|263=2|") == [f"j 45=5|58={text}|372=c|379=c1|380=1|"]


STOCKS_H = "h 335=g1|336=STOCKS|625=3|340=2|58=continuous trading|"
NONE_H = "h 335=g1|336=NONE|625=3|340=2|58=continuous trading|"


class TestTradingSessions:
    def test_each_group_has_one_message(self, current: Desk) -> None:
        assert asked(current, "35=g|335=g1|263=0|") == [STOCKS_H, NONE_H]
        assert asked(current, "35=g|335=g1|263=0|336=NONE|") == [NONE_H]

    def test_other_versions(self, current: Desk) -> None:
        assert asked(current, "35=g|335=g1|263=0|336=NONE|", MD42) == [NONE_H.replace("625=3|", "")]
        now = "20260921-14:13:20.123456"
        assert asked(current, "35=g|335=g1|263=0|1300=NONE|", MD_SP2) == [
            f"h 335=g1|1300=NONE|336=1|625=3|340=2|60={now}|58=continuous trading|"
        ]

    def test_it_waits_for_all_books_of_the_group(self, desk: Desk) -> None:
        assert asked(desk, "35=g|335=g1|263=1|") == []
        desk.book_comes("BTC/USD")
        assert desk.take() == [NONE_H]
        desk.book_comes("AAPL")
        assert desk.take() == []
        desk.book_comes("SAP")
        assert desk.take() == [STOCKS_H]

    @pytest.mark.parametrize(
        ("phase", "told"),
        [
            ("1", "625=1|340=4"),
            ("2", "625=2|340=4"),
            ("4", "625=4|340=5"),
            ("5", "625=5|340=3"),
            ("6", "625=9|340=2"),
            ("H", "340=1"),
            ("C", "340=3"),
        ],
    )
    def test_a_subscriber_is_told_of_each_phase(self, current: Desk, phase: Phase, told: str) -> None:
        current.receive("35=g|335=g1|263=1|336=NONE|")
        current.sent.clear()
        current.publish(enters("BTC/USD", 1, phase))
        time = "341=20260921-14:13:20.123|"
        assert current.take() == [f"h 335=g1|336=NONE|{told}|{time}58={PHASE_NAMES[phase]}|"]

    def test_an_auction_names_its_end_and_another_end_is_told(self, current: Desk) -> None:
        current.receive("35=g|335=g1|263=1|336=NONE|")
        current.sent.clear()
        for number, ends_ns in enumerate((NOW_NS + 1_000_000_000, NOW_NS + 2_000_000_000, NOW_NS + 2_000_000_000), 1):
            current.publish(enters("BTC/USD", number, CLOSING_AUCTION, ends_ns=ends_ns))
        first, second = current.take()
        assert "|341=20260921-14:13:20.123|345=20260921-14:13:21.123|" in first
        assert "|341=20260921-14:13:20.123|345=20260921-14:13:22.123|" in second

    def test_a_group_is_where_most_of_its_instruments_are(self, current: Desk) -> None:
        """Of two with equally many, in the one that a day comes to first: one halted stock of two changes nothing."""
        assert asked(current, "35=g|335=g1|263=1|336=STOCKS|") == [STOCKS_H]
        current.publish(enters("AAPL", 1, HALT))
        assert current.take() == []
        current.publish(enters("SAP", 1, HALT, text="news"))
        assert [text.split("341=")[0] for text in current.take()] == ["h 335=g1|336=STOCKS|340=1|"]

    def test_without_market_data_it_is_not_known_until_all_books_are_there_again(self, current: Desk) -> None:
        current.receive("35=g|335=g1|263=1|336=STOCKS|")
        current.sent.clear()
        current.go_silent()
        assert current.take() == ["h 335=g1|336=STOCKS|340=0|58=the phase is not known at the moment|"]
        assert asked(current, "35=g|335=g2|263=0|336=NONE|") == [
            "h 335=g2|336=NONE|340=0|58=the phase is not known at the moment|"
        ]
        current.books.is_available = True
        current.book_comes("AAPL")
        assert current.take() == []
        current.book_comes("SAP")
        assert current.take() == [STOCKS_H]

    def test_42_has_no_word_for_it(self, desk: Desk) -> None:
        desk.go_silent()
        assert asked(desk, "35=g|335=g1|263=0|336=NONE|", MD42) == [
            "h 335=g1|336=NONE|340=1|58=the phase is not known at the moment|"
        ]

    def test_a_new_instrument_and_one_that_moves_count_in_their_group(self, current: Desk) -> None:
        current.receive("35=g|335=g1|263=1|")
        current.sent.clear()
        current.publish(enters("AAPL", 1, HALT))
        current.feed.define(replace(SAP, group=""))
        assert [text.split("341=")[0] for text in current.take()] == ["h 335=g1|336=STOCKS|340=1|"]
        current.feed.define(replace(SAP, symbol="NEW"))
        current.book_comes("NEW")
        assert current.take() == [STOCKS_H]

    def test_who_waits_for_a_group_that_loses_its_last_instrument_is_answered(self, desk: Desk) -> None:
        assert asked(desk, "35=g|335=g1|263=0|336=STOCKS|") == []
        for instrument in (AAPL, SAP):
            desk.feed.define(replace(instrument, group=""))
        assert desk.take() == ["h 335=g1|336=STOCKS|340=0|58=the phase is not known at the moment|"]
        assert asked(desk, "35=g|335=g1|263=0|336=STOCKS|")[0].startswith("h 335=g1|336=STOCKS|340=6|567=1|")

    @pytest.mark.parametrize(
        ("request_", "answer"),
        [
            (
                "335=g1|263=0|336=BONDS|",
                "h 335=g1|336=BONDS|340=6|567=1|58=BONDS is no group of instruments here; leave it out for all of "
                "them|",
            ),
            (
                "335=g1|263=5|",
                "h 335=g1|336=ALL|340=6|567=99|58=SubscriptionRequestType(263)=5; send 0 snapshot, 1 subscribe or 2 "
                "unsubscribe|",
            ),
            (
                "335=g0|263=1|336=NONE|",
                "h 335=g0|336=NONE|340=6|567=99|58=TradSesReqID(335)=g0 is in use; end it first, or choose another|",
            ),
            (
                "335=g1|263=1|",
                "h 335=g1|336=ALL|340=6|567=99|58=2 symbols are subscribed and at most 3 may be; unsubscribe some "
                "first|",
            ),
            (
                "335=g1|263=2|",
                "j 45=5|58=TradSesReqID(335)=g1 is not subscribed; nothing to end|372=g|379=g1|380=1|",
            ),
            (
                "335=g1|",
                "j 45=5|58=SubscriptionRequestType(263) is missing; a TradingSessionStatusRequest needs it|372=g|"
                "379=g1|380=5|",
            ),
        ],
    )
    def test_a_refusal_is_an_h_that_says_why(self, current: Desk, request_: str, answer: str) -> None:
        current.receive("35=g|335=g0|263=1|")
        current.sent.clear()
        assert asked(current, f"35=g|{request_}") == [answer]

    @pytest.mark.parametrize(("request_", "reason"), [("263=0|336=BONDS|", "1"), ("263=7|", "0")])
    def test_42_has_no_such_refusal(self, current: Desk, request_: str, reason: str) -> None:
        (answer,) = asked(current, f"35=g|335=g1|{request_}", MD42)
        assert answer.startswith("j 45=5|58=")
        assert answer.endswith(f"|372=g|379=g1|380={reason}|")

    def test_a_subscription_ends_with_263_2_and_with_the_session(self, current: Desk) -> None:
        for req_id in ("g1", "g2"):
            current.receive(f"35=g|335={req_id}|263=1|336=NONE|")
        current.receive("35=g|335=g1|263=2|")
        current.sent.clear()
        current.publish(enters("BTC/USD", 1, HALT))
        assert [text[:9] for text in current.take()] == ["h 335=g2|"]
        current.feed.on_logout(MD)
        current.publish(enters("BTC/USD", 2, CONTINUOUS))
        assert current.take() == []
