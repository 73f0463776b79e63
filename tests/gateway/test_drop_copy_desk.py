"""What a drop copy is told that asks for something: each message gets one answer, and none can end the gateway."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.loader import ONE_MACHINE, load
from gateway.drop_copy.copies import DropCopies
from gateway.drop_copy.desk import DropCopyDesk
from gateway.drop_copy.replay import Job
from gateway.drop_copy.trade_capture import TradeCapture
from gateway.drop_copy.trading_days import TradingDays
from gateway.fix.outbound import Reports
from sessions.accounts import Account
from sessions.fix_text import parse
from sessions.port import InboundMessage, SessionKey

VENUE = load(ONE_MACHINE)
NOW_NS = 1_767_605_400_000_000_000


class Replayer:
    """Takes every request, and never begins with one."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: Job) -> bool:
        self.jobs.append(job)
        return True

    def withdraw(self, job: Job) -> None:
        self.jobs.remove(job)


class House:
    def __init__(self, begin_string: str) -> None:
        key = SessionKey(begin_string, "DC1")
        self.session_id = key.session_id
        self.sent: list[dict[str, str]] = []
        self.replayer = Replayer()
        copies = DropCopies(Reports(VENUE.instruments))
        copies.follow([Account(key, "READERS", "dropcopy", "", "all")], VENUE.owners)
        shards = VENUE.config.shards
        trades = TradeCapture(
            copies,
            VENUE.instruments,
            TradingDays(VENUE),
            shards=shards,
            owners=VENUE.owners,
            send=self._send,
            now_ns=lambda: NOW_NS,
        )
        self._desk = DropCopyDesk(copies, trades, shards=shards, send=self._send)
        self._desk.attach(self.replayer)  # type: ignore[arg-type]  # all that the desk needs

    def _send(self, session_id: str, bodies: list[str]) -> None:
        assert session_id == self.session_id
        self.sent += map(parse, bodies)

    def ask(self, msg_type: str, body: str = "") -> int:
        """How many answers there are by now, requests that are being served counted."""
        text = f"8=X|9=1|35={msg_type}|34=7|{body}10=000|".replace("|", "\x01")
        self._desk.on_messages([InboundMessage(self.session_id, 1, NOW_NS, text)])
        return len(self.sent) + len(self.replayer.jobs)


@pytest.mark.parametrize(
    ("begin_string", "msg_type", "body", "code", "text"),
    [
        ("FIX.4.4", "D", "11=a-1|", "6", "NOT_AUTHORIZED: this session gets reports and can change nothing"),
        ("FIX.4.2", "D", "11=a-1|", "0", "NOT_AUTHORIZED: this session gets reports and can change nothing"),
        ("FIX.4.4", "V", "", "3", "UNSUPPORTED_MESSAGE: MsgType(35) 'V' is not taken here; send BW or AD"),
        ("FIX.4.4", "BW", "1346=r-1|", "5", "MISSING_TAG: MsgType(35) BW also needs 1347"),
        ("FIX.4.4", "AD", "", "5", "MISSING_TAG: MsgType(35) AD also needs 568, 569"),
        ("FIX.4.2", "AD", "", "3", "UNSUPPORTED_MESSAGE: MsgType(35) 'AD' is not taken here; send BW, and for trade"),
    ],
)
def test_what_is_not_served_is_refused_with_its_reason(
    begin_string: str, msg_type: str, body: str, code: str, text: str
) -> None:
    house = House(begin_string)
    house.ask(msg_type, body)
    (told,) = house.sent
    assert (told["35"], told["45"], told["372"], told["380"]) == ("j", "7", msg_type, code)
    assert told["58"].startswith(text)


@pytest.mark.parametrize(
    ("msg_type", "body", "named"),
    [("D", "11=a-1|66=l-1|", "a-1"), ("E", "66=l-1|11=a-1|", "l-1"), ("AD", "568=t-1|", "t-1"), ("BW", "1346=r|", "r")],
)
def test_a_refusal_names_the_request_as_its_client_does(msg_type: str, body: str, named: str) -> None:
    house = House("FIX.4.4")
    house.ask(msg_type, body)
    assert house.sent[-1]["379"] == named


def test_a_reject_of_ours_is_not_answered() -> None:
    house = House("FIX.4.4")
    assert house.ask("3", "58=no|") == house.ask("j", "58=no|") == 0


ODD = st.one_of(
    st.sampled_from(["", "0", "1", "2", "-1", "99999999999999999999", "AAPL", "FIRMA", "FIRMA1", "x" * 200, "\x85²é"]),
    st.sampled_from(["20260105", "20260105-09:30:00", "00010101", "99991231", "00010101-00:00:00", "20260230"]),
    st.text(st.characters(max_codepoint=0xFF, exclude_characters="\x01"), max_size=9),
)
_USED = (54, 55, 58, 60, 75, 263, 447, 448, 452, 453, 568, 569, 580, 1182, 1183, 1346, 1347, 1351, 1355, 7005, 7006)
TAGS = st.sampled_from([*map(str, _USED), "5000", "x"])


@given(
    version=st.sampled_from(["FIX.4.2", "FIX.4.4", "FIXT.1.1"]),
    required=st.sampled_from([("BW", "1346=r|1347=0|"), ("BW", "1346=r|1347=2|"), ("AD", "568=t|569=0|"), ("AD", "")]),
    fields=st.lists(st.tuples(TAGS, ODD), max_size=8),
)
def test_whatever_a_client_writes_gets_one_answer(
    version: str, required: tuple[str, str], fields: list[tuple[str, str]]
) -> None:
    house = House(version)
    msg_type, begin = required
    body = begin + "".join(f"{tag}={value.replace('|', '!')}|" for tag, value in fields)
    assert house.ask(msg_type, body) == 1
