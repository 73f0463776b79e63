"""Every format into the common stream: literal rows in, whole events out. The rows are invented."""

import gzip
from pathlib import Path

import pytest

from matcher.orders import BUY, SELL
from simulators.recorded import bitstamp, cran, lobster, pitch
from simulators.recorded.files import open_recording
from simulators.recorded.rows import FlowEvent, FlowKind, RecordedBook, RecordedFlowError, decimal_units

S, MS = 10**9, 10**6


@pytest.mark.parametrize(
    ("text", "places", "units"),
    [("11.4", 2, 1140), ("7", 4, 70000), ("0.00000001", 8, 1), ("0.29", 2, 29), ("5.100", 1, 51)],
)
def test_decimals_become_whole_units_exactly(text: str, places: int, units: int) -> None:
    assert decimal_units(text, places) == units


@pytest.mark.parametrize("text", ["", "x", "-1", "1e3", "0.001", "1.2.3", "inf"])
def test_text_that_is_no_decimal_of_two_places_is_refused(text: str) -> None:
    with pytest.raises(RecordedFlowError, match="not a decimal number of at most 2 places"):
        decimal_units(text, 2)


def test_lobster_messages_come_with_the_book_beside_them() -> None:
    messages = [
        "34200.5,1,77,30,1000100,1\n",
        "34200.500000001,2,77,10,1000100,1\n",
        "34201,4,77,5,1000100,1\n",
        "34202.25,3,77,15,1000100,1\n",
        "34203.0,5,0,9,1000050,-1\n",
        "34204.0,7,0,0,-1,-1\n",
    ]
    empty = "9999999999,0,-9999999999,0"
    best_bids = ["1000100,30", "1000100,20", "1000100,15", *["-9999999999,0"] * 3]
    books = [f"1000200,7,{best_bid},{empty}\n" for best_bid in best_bids]
    asks = ((1000200, 7),)
    order = ("XYZ", "77", BUY, 1000100)

    def row(number: int, time_ns: int, kind: FlowKind, qty: int, left: int) -> FlowEvent:
        symbol, order_ref, side, price = order
        bids = ((1000100, left),) if left else ()
        return FlowEvent(number, time_ns, symbol, kind, order_ref, side, price, qty, RecordedBook(bids, asks))

    nothing = RecordedBook((), asks)
    assert list(lobster.parse(messages, books, "XYZ")) == [
        row(1, 34200 * S + S // 2, FlowKind.NEW, 30, 30),
        row(2, 34200 * S + S // 2 + 1, FlowKind.REDUCE, 10, 20),
        row(3, 34201 * S, FlowKind.EXECUTE, 5, 15),
        row(4, 34202 * S + S // 4, FlowKind.DELETE, 15, 0),
        FlowEvent(5, 34203 * S, "XYZ", FlowKind.NOTHING, book=nothing),
        FlowEvent(6, 34204 * S, "XYZ", FlowKind.NOTHING, book=nothing),
    ]


def test_a_lobster_header_is_skipped_and_files_of_unequal_length_are_refused() -> None:
    header, message = "Time,Type,OrderId,Size,Price,Direction\n", "1.0,1,7,3,100,-1\n"
    assert [event.row for event in lobster.parse([header, message], None, "XYZ")] == [1]
    with pytest.raises(RecordedFlowError, match="do not fit together"):
        list(lobster.parse([header, message], [], "XYZ"))


def test_pitch_rows_about_an_order_belong_to_the_symbol_that_it_was_added_for() -> None:
    lines = [
        "S00001000AABCDEF000001B000500QQ    0000101500Y\n",
        "S00001001AABCDEF000002S000200RRR   0001000001Y\r\n",
        "S00001002XABCDEF000001000100\n",
        "S00001003EABCDEF000002000050X00000000001\n",
        "S00001004PABCDEF000003B000010QQ    0000101400X00000000002\n",
    ]
    assert list(pitch.parse(lines)) == [
        FlowEvent(1, 1000 * MS, "QQ", FlowKind.NEW, "ABCDEF000001", BUY, 101500, 500),
        FlowEvent(2, 1001 * MS, "RRR", FlowKind.NEW, "ABCDEF000002", SELL, 1000001, 200),
        FlowEvent(3, 1002 * MS, "QQ", FlowKind.REDUCE, "ABCDEF000001", qty=100),
        FlowEvent(4, 1003 * MS, "RRR", FlowKind.EXECUTE, "ABCDEF000002", qty=50),
        FlowEvent(5, 1004 * MS, "QQ", FlowKind.NOTHING),
    ]


def test_bitstamp_quantities_keep_all_eight_decimals() -> None:
    lines = [
        bitstamp.HEADER + "\n",
        "5,1500000000518,1500000000000,99.5,200000001,created,bid\n",
        "5,1500000000635,1500000000000,99.5,123456789,changed,bid\n",
        "5,1500000000637,1500000000000,99.5,0,deleted,bid\n",
    ]
    at_ns = 1500000000000 * MS
    assert list(bitstamp.parse(lines, "BTC/USD")) == [
        FlowEvent(1, at_ns + 518 * MS, "BTC/USD", FlowKind.NEW, "5", BUY, 9950, 200000001),
        FlowEvent(2, at_ns + 635 * MS, "BTC/USD", FlowKind.RESIZE, "5", BUY, 9950, 123456789),
        FlowEvent(3, at_ns + 637 * MS, "BTC/USD", FlowKind.DELETE, "5", BUY, 9950, 0),
    ]


def cran_events(*rows: str) -> list[tuple[int, FlowKind, str, int]]:
    events = cran.parse([cran.HEADER, *rows], "XYZ")
    return [(event.row, event.kind, event.order_ref, event.qty) for event in events]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["T,5,7,11.5,30", "C,5,7"], [(1, FlowKind.EXECUTE, "7", 30), (2, FlowKind.DELETE, "7", 0)]),
        (["C,5,7", "T,5,7,11.5,30"], [(2, FlowKind.EXECUTE, "7", 30), (1, FlowKind.DELETE, "7", 0)]),
        (["R,5,7,20", "T,5,7,11.5,30"], [(2, FlowKind.EXECUTE, "7", 30), (1, FlowKind.RESIZE, "7", 20)]),
        (["T,5,7,11.5,30", "C,6,7"], [(1, FlowKind.NOTHING, "", 0), (2, FlowKind.DELETE, "7", 0)]),
        (["T,5,7,11.5,30,TRUE", "C,5,8"], [(1, FlowKind.NOTHING, "", 0), (2, FlowKind.DELETE, "8", 0)]),
        (
            ["R,5,7,20", "T,5,7,11.5,30", "C,5,7"],
            [(2, FlowKind.EXECUTE, "7", 30), (1, FlowKind.RESIZE, "7", 20), (3, FlowKind.DELETE, "7", 0)],
        ),
    ],
)
def test_a_cran_trade_comes_before_the_row_that_applies_it_and_one_without_such_a_row_was_hidden(
    rows: list[str], expected: list[tuple[int, FlowKind, str, int]]
) -> None:
    assert cran_events(*rows) == expected


def test_a_cran_price_in_exponent_form_is_read_exactly() -> None:
    lines = [cran.HEADER, "A,5,7,1.00E-04,30,BID", "A,6,8,11.4,10,ASK"]
    assert [event.price for event in cran.parse(lines, "XYZ")] == [1, 114000]


@pytest.mark.parametrize(
    ("name", "text", "symbol"),
    [
        ("QRS_2020-01-02_1_2_message_1.csv", "1.0,1,7,3,100,-1\n", "QRS"),
        ("whatever.gz", "S00001000AABCDEF000001B000500QQ    0000101500Y\n", "QQ"),
        ("BTCUSD_day.csv", bitstamp.HEADER + "\n5,1,1,2.4,3,created,bid\n", "BTCUSD"),
        ("some.txt.gz", cran.HEADER + "\nA,5,7,11.4,10,ASK\n", "SOME"),
        (
            "own.jsonl",
            '{"format":"outcry-flow-1","about":"","price_places":2,"qty_places":0}\n'
            '{"row":1,"time_ns":0,"symbol":"OAK","kind":"nothing"}\n',
            "OAK",
        ),
    ],
)
def test_the_format_is_told_from_the_first_line_packed_or_not(
    tmp_path: Path, name: str, text: str, symbol: str
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert [event.symbol for event in open_recording(path).events] == [symbol]


def test_lobster_files_are_read_as_a_pair(tmp_path: Path) -> None:
    message = tmp_path / "QRS_1_message_2.csv"
    message.write_text("1.0,1,7,3,100,-1\n")
    book = tmp_path / "QRS_1_orderbook_2.csv"
    book.write_text("100,3,-9999999999,0,9999999999,0,-9999999999,0\n")
    recording = open_recording(message)
    assert recording.levels_seen == 2
    assert [event.book for event in recording.events] == [RecordedBook((), ((100, 3),))]
    with pytest.raises(RecordedFlowError, match="give its message file"):
        open_recording(book)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "hello\n", "of no known format; name it with --format"),
        ("a.csv", "", "of no known format"),
        ("Q_message_1.csv", "1.0,9,7,3,100,-1\n", "row 1 is not a LOBSTER message"),
        ("p", "S00001000XABCDEF000001000100\n", "row 1 is not a PITCH message"),
        ("b_", bitstamp.HEADER + "\n5,1,1,2.4,3,burnt,bid\n", "row 1 is not a Bitstamp order row"),
        ("c", cran.HEADER + "\nZ,5,7\n", "row 1 is not a row of an orderbook sample"),
        ("o", '{"format":"outcry-flow-1"}\n', "the first line is no header"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(RecordedFlowError, match=message):
        list(open_recording(path).events)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordedFlowError, match="cannot be read"):
        open_recording(tmp_path / "absent")
