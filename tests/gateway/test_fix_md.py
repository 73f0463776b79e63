"""`gateway/FIX.md` held against the code: its tables say what the code does, and its samples are traded for real."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import quickfix

import gateway
from configs.limits import ThrottleLines
from configs.loader import ONE_MACHINE, VenueConfig, load
from gateway.drop_copy.replay import REPORTS_MAX, WAITING_MAX
from gateway.drop_copy.replay_messages import REPLAY_TAGS
from gateway.drop_copy.spans import HELD_NS_MAX
from gateway.drop_copy.trade_capture import SUBSCRIPTIONS_MAX
from gateway.drop_copy.trade_messages import TRADE_REQUEST_TAGS
from gateway.fix.dialects import FIX42, FIX44, FIX50SP2
from gateway.fix.fields import HARMLESS_TAGS, HARMLESS_VALUES, HEADER_TAGS, USED_TAGS
from gateway.fix.inbound import Inbound, RequestContext, throttled
from gateway.fix.instructions import INSTRUCTION_TAGS
from gateway.fix.lists import LIST_TAGS
from gateway.fix.mass_requests import MASS_CANCEL_TAGS, MASS_STATUS_TAGS
from gateway.fix.news import Cause, Held, held_news
from gateway.fix.outbound import Reports
from gateway.fix.quotes import QUOTE_ENTRIES_MAX, QUOTE_TAGS
from gateway.late_requests import LateRequests
from gateway.throttle import Throttle, Verdict
from matcher.commands import Command
from matcher.engine.engine import Engine
from matcher.instruments import Instrument
from matcher.operator_commands import BustTrade, EndTradingDay, SetPhase, SetReferencePrice
from matcher.orders import PRICE_TICKS_MAX, QTY_LOTS_MAX
from matcher.rejects import RejectReason
from sessions.fix_text import SOH, parse
from sessions.journal.limits import DEFAULT_LIMITS
from sessions.logon import HEART_BT_INT_S_MAX, HEART_BT_INT_S_MIN
from sessions.native.engine import LOGON_TIMEOUT_S
from sessions.native.events import SessionSettings
from sessions.native.framing import GARBAGE_BYTES_MAX, MESSAGE_BYTES_MAX
from sessions.native.lobby import FIRST_MESSAGE_BYTES_MAX
from sessions.native.session import DEAD_AFTER, TEST_AFTER
from tests.gateway.sample_readers import SampleReaders

PAGE = (Path(gateway.__path__[0]) / "FIX.md").read_text()
VENUE = load(ONE_MACHINE)
INSTRUMENTS = VENUE.instruments
SAMPLES = [(match[1], match[2].splitlines()) for match in re.finditer(r"```fix (\S+)\n(.*?)```", PAGE, re.DOTALL)]
REQUESTS = {
    "D": "NewOrderSingle(D)",
    "F": "OrderCancelRequest(F)",
    "G": "OrderCancelReplaceRequest(G)",
    "H": "OrderStatusRequest(H)",
}
REQUESTS_ABOUT_MANY = {
    "E": ("NewOrderList(E)", LIST_TAGS | {"394"}),
    "q": ("OrderMassCancelRequest(q)", MASS_CANCEL_TAGS | {"60"}),
    "AF": ("OrderMassStatusRequest(AF)", MASS_STATUS_TAGS),
    "i": ("MassQuote(i)", QUOTE_TAGS - {"298"} | {"302", "304"}),
    "Z": ("QuoteCancel(Z)", {"55", "117", "295", "298"}),
    "BW": ("ApplicationMessageRequest(BW)", REPLAY_TAGS),
    "AD": ("TradeCaptureReportRequest(AD)", TRADE_REQUEST_TAGS),
}
GATEWAY_REQUIRES = {
    "D": {"11", "38", "40", "54", "55"},
    "F": {"11", "41", "54", "55"},
    "G": {"11", "38", "40", "41", "54", "55"},
    "H": {"11", "54", "55"},
}
"""Answered with MISSING_TAG where the version's dictionary does not ask for them."""
SETTINGS = SessionSettings(begin_string="", sender_comp_id="", target_comp_id="", session_id="")
GATEWAY = VenueConfig().gateway
OPENED_NS = 1_767_605_400_000_000_000
"""2026-01-05 09:30 UTC."""


def rows(begin: str) -> Iterator[list[str]]:
    """The cells of each row of each table in the section that begins with this heading, head rows left out."""
    section = re.split(r"^#+ ", PAGE.split(f"{begin}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
        for line in table.splitlines()[2:]:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def tags_required(version: str, msg_type: str) -> set[str]:
    """What one of our dictionaries requires in a message's body."""
    root = ElementTree.parse(ONE_MACHINE.parent / "fix" / f"{version}.xml").getroot()
    tags = {field.attrib["name"]: field.attrib["number"] for field in root.findall("fields/field")}
    members = root.findall(f"messages/message[@msgtype='{msg_type}']/*[@required='Y']")
    return {tags[member.attrib["name"]] for member in members}


def test_the_page_states_the_bounds() -> None:
    assert f"1 to {PRICE_TICKS_MAX:,} ticks" in PAGE
    assert f"1 to {QTY_LOTS_MAX:,} lots" in PAGE
    assert f"from its 299 on; {QUOTE_ENTRIES_MAX} in a message at most" in PAGE


def test_each_reason_stands_in_its_place_with_its_codes() -> None:
    newest_first = (FIX50SP2, FIX44, FIX42)
    assert [(row[0], row[2:]) for row in rows("## Order of checks")] == [
        (
            str(reason),
            [
                ", ".join(dialect.ord_rej_reasons[reason] for dialect in newest_first),
                ", ".join(dialect.cxl_rej_reasons[reason] for dialect in newest_first),
                ", ".join(dialect.business_reject_reasons[reason] for dialect in newest_first),
            ],
        )
        for reason in RejectReason
    ]


def test_the_harmless_tags_are_those_of_the_code() -> None:
    listed = list(rows("### Other tags"))
    plain = " ".join(row[0] for row in listed if len(row) == 2).split()
    assert len(plain) == len(set(plain))
    assert set(plain) == HEADER_TAGS | HARMLESS_TAGS
    values = {row[0]: frozenset(row[2].split()) for row in listed if len(row) == 4 and row[0] != "15"}
    assert values == HARMLESS_VALUES


def test_the_request_tables_name_every_tag_that_is_used() -> None:
    named = {row[0].rstrip("*") for heading in REQUESTS.values() for row in rows(f"### {heading}")}
    assert named == USED_TAGS | {"21", "60"}  # which the dictionaries require, and nobody looks at


def test_the_table_of_instructions_names_every_tag_that_makes_one() -> None:
    assert {row[0] for row in rows("### Instructions")} == INSTRUCTION_TAGS


@pytest.mark.parametrize("msg_type", list(REQUESTS_ABOUT_MANY))
def test_the_tables_of_requests_about_many_name_every_tag_that_is_used(msg_type: str) -> None:
    heading, tags = REQUESTS_ABOUT_MANY[msg_type]
    assert {row[0].rstrip("*") for row in rows(f"### {heading}")} == tags


@pytest.mark.parametrize("msg_type", "DFGH")
@pytest.mark.parametrize("version", ["FIX42", "FIX44", "FIX50SP2"])
def test_the_request_tables_mark_every_tag_that_is_required(version: str, msg_type: str) -> None:
    marked = {row[0].rstrip("*") for row in rows(f"### {REQUESTS[msg_type]}") if row[0].endswith("*")}
    required = tags_required(version, msg_type)
    assert marked - ({"21"} if version != "FIX42" else set()) == required | GATEWAY_REQUIRES[msg_type]


def test_the_logon_table_marks_every_tag_that_is_required() -> None:
    marked = {row[0].rstrip("*") for row in rows("### Logon(A)") if row[0].endswith("*")}
    for version, more in (("FIX42", {"1137"}), ("FIX44", {"1137"}), ("FIXT11", set())):
        assert marked - more == tags_required(version, "A") | {"8", "34", "49", "52", "56", "553", "554"}


def test_the_bounds_of_a_session_are_those_of_the_code() -> None:
    logon = {row[0].rstrip("*"): row[-1] for row in rows("### Logon(A)")}
    assert logon["108"].startswith(f"{HEART_BT_INT_S_MIN} to {HEART_BT_INT_S_MAX} seconds;")
    for bound in (
        f"not longer than {FIRST_MESSAGE_BYTES_MAX >> 10} KiB, and complete within {LOGON_TIMEOUT_S:.0f} s",
        f"at most {SETTINGS.sending_time_tolerance_s} s off",
        f"SendingTime(52) more than {SETTINGS.sending_time_tolerance_s} s off",
        f"At most {SETTINGS.replays_max} may wait",
        f"more than {SETTINGS.replays_max} ResendRequests",
        f"up to {DEFAULT_LIMITS.bytes_max >> 30} GiB",
        f"After {TEST_AFTER} times",
        f"after {DEAD_AFTER} times",
        f"{SETTINGS.logout_timeout_s:.0f} s for the client's",
        f"above {MESSAGE_BYTES_MAX >> 10} KiB, or {GARBAGE_BYTES_MAX >> 10} KiB that are no messages",
        f"by default {VenueConfig().trading_day_end} UTC",
        f"`gateway.doubt_after_ms`, by default {GATEWAY.doubt_after_ms / 1000:g} s",
        f"`gateway.hold_max_ms`, by default {GATEWAY.hold_max_ms / 1000:g} s",
        f"`gateway.silence_max_ms`, by default {GATEWAY.silence_max_ms / 1000:g} s",
    ):
        assert bound in PAGE
    assert SETTINGS.message_bytes_max == MESSAGE_BYTES_MAX


def test_the_bounds_of_a_drop_copy_are_those_of_the_code() -> None:
    assert HELD_NS_MAX == 10 * 60 * 10**9
    for bound in (
        f"at most {REPORTS_MAX:,} reports",
        f"{WAITING_MAX}\n  requests of a session may wait",
        "only if the log took its request within ten minutes",
        f"at most {SUBSCRIPTIONS_MAX} subscriptions",
    ):
        assert bound in PAGE


@pytest.mark.parametrize(("begin_string", "lines"), SAMPLES)
def test_the_samples_are_what_happens(begin_string: str, lines: list[str]) -> None:
    assert lines == list(traded(begin_string, [line for line in lines if " < " not in line]))


def test_there_are_samples_of_every_message_in_every_version() -> None:
    shown = {(begin_string, parse_line(line)[2]["35"]) for begin_string, lines in SAMPLES for line in messages(lines)}
    assert {msg_type for _, msg_type in shown} == {*"DFGHEqiZR89jNrbB", "AF", "AD", "AE", "AQ", "BW", "BX", "BY"}
    assert {begin_string for begin_string, _ in shown} == {"FIX.4.2", "FIX.4.4", "FIXT.1.1"}
    replays = {msg_type: {"FIX.4.2", "FIX.4.4", "FIXT.1.1"} for msg_type in ("BW", "BX")}
    trades = {msg_type: {"FIX.4.4", "FIXT.1.1"} for msg_type in ("AQ", "AE")}
    for msg_type, versions in (replays | trades).items():
        assert {begin_string for begin_string, each in shown if each == msg_type} == versions


@pytest.mark.parametrize(("begin_string", "lines"), SAMPLES)
def test_the_samples_are_good_fix(begin_string: str, lines: list[str]) -> None:
    for line in messages(lines):
        _, _, body = line.split(" ", 2)
        if not DIFFERS[begin_string].search(body):
            validate(begin_string, body.replace("|", SOH))


DIFFERS = {
    "FIX.4.2": re.compile(
        r"35=(q|r|AF|AD|BW|BX|BY)\||\|(584|836|1094|11\d\d|1385|2362|2964|7001|7002|7004|35=8.*299)="
    ),
    "FIX.4.4": re.compile(r"35=(BW|BX|BY)\||\|(1094|11\d\d|1385|2362|2964|7001|7002|7004)=|^35=8.*\|299="),
    "FIXT.1.1": re.compile(r"\|(7001|7002|7004|7005|7006)=|^35=8.*\|299="),
}
"""What goes beyond the version, see the page; `test_rules_of_engagement` holds those lines against our dictionaries."""


def messages(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("--")]


def parse_line(line: str) -> tuple[str, str, dict[str, str]]:
    comp_id, direction, body = line.split(" ", 2)
    return comp_id, direction, parse(body.replace("|", SOH))


def traded(begin_string: str, requests: list[str]) -> Iterator[str]:
    """The requests, a millisecond apart, each followed by the reports that gateway and matcher give."""
    inbound, reports = Inbound(INSTRUMENTS), Reports(INSTRUMENTS)
    symbol = next(match[1] for line in requests if (match := re.search(r"\|55=([^|]+)", line)))
    shard = INSTRUMENTS[symbol].shard
    engine = Engine(shard, symbols_of(shard), orders_max=100, finished_orders_max=100)
    throttles: dict[str, Throttle] = {}
    readers = SampleReaders(VENUE, reports, begin_string)
    late_requests: LateRequests | None = None
    for number, line in enumerate(requests, 1):
        if line == "-- LogSilent":  # all that follows is held for too long
            late_requests = LateRequests(INSTRUMENTS, hold_max_ms=GATEWAY.hold_max_ms)
            held = Held(len(requests) - number, number + 1, len(requests))
            yield from requests[number - 1 :]
            news = held_news(held, Cause.LOG_SILENT, hold_max_ms=GATEWAY.hold_max_ms)
            yield f"{parse_line(requests[-1])[0]} < {news.replace(SOH, '|')}"
            continue
        if late_requests is None:
            yield line
        received_ns = readers.now_ns = OPENED_NS + number * 1_000_000
        if line.startswith("-- DropCopy "):
            _, _, comp_id, firms = line.split()
            readers.add(comp_id, firms)
            continue
        if line.partition(" ")[0] in readers:
            yield from readers.ask(line.partition(" ")[0], number, line.split(" ", 2)[2])
            continue
        if line.startswith("-- Throttle "):
            _, _, comp_id, per_second, burst = line.split()
            throttles[comp_id] = Throttle(ThrottleLines(int(per_second), int(burst)))
            continue
        if line.startswith("--"):
            command: Command = operators_command(line, received_ns)
        else:
            comp_id, _, fields = parse_line(line)
            context = RequestContext(f"{begin_string}:{comp_id}", 1, number, number - 1, received_ns, comp_id[:-1])
            command = inbound.to_command(fields, context, line.split(" ", 2)[2].replace("|", SOH))
            throttle, msg_type = throttles.get(comp_id), fields["35"]
            if throttle is not None and throttle.judge(msg_type, received_ns) is not Verdict.TAKEN:
                command = throttled(fields, context, command, throttle.text(msg_type))
        output = engine.apply(late_requests.in_place_of(command) if late_requests else command, number)
        for event in output.events:
            for session_id, body in reports.render(event, shard=shard):
                yield f"{session_id.partition(':')[2]} < {body.replace(SOH, '|')}"
        yield from readers.see(shard, output.events)


def operators_command(line: str, received_ns: int) -> Command:
    """Such as `-- SetPhase AAPL 2`."""
    _, name, symbol, value, *text = line.split(" ", 4)
    match name:
        case "SetPhase":
            return SetPhase("o-1", received_ns, symbol, value, 0, 0, 0, "")  # type: ignore[arg-type]
        case "SetReferencePrice":
            return SetReferencePrice("o-1", received_ns, symbol, INSTRUMENTS[symbol].tick.count(value))
        case "BustTrade":
            return BustTrade("o-1", received_ns, symbol, int(value), text[0])
        case "EndTradingDay":
            return EndTradingDay(symbol, received_ns, value)
    raise AssertionError(line)


def symbols_of(shard: int) -> list[Instrument]:
    return [instrument for instrument in INSTRUMENTS.values() if instrument.shard == shard]


STOCK = Path(sys.prefix) / "share" / "quickfix"
DICTIONARIES = {
    begin_string: [quickfix.DataDictionary(str(STOCK / f"{name}.xml")) for name in names]
    for begin_string, names in (("FIX.4.2", ["FIX42"]), ("FIX.4.4", ["FIX44"]), ("FIXT.1.1", ["FIXT11", "FIX50SP2"]))
}


def validate(begin_string: str, body: str) -> None:
    """Raise as QuickFIX would that has the dictionaries that come with it."""
    msg_type, _, rest = body.partition(SOH)
    header = f"{msg_type}{SOH}34=1{SOH}49=A{SOH}52=20260105-09:30:00.000{SOH}56=B{SOH}"
    text = f"8={begin_string}{SOH}9={len(header + rest)}{SOH}{header}{rest}"
    dictionaries = DICTIONARIES[begin_string]
    message = quickfix.Message(f"{text}10={sum(text.encode()) % 256:03d}{SOH}", *dictionaries, True)
    if len(dictionaries) == 1:
        dictionaries[0].validate(message)
    else:
        quickfix.DataDictionary.validate(message, *dictionaries)
