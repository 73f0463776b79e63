"""
The busiest real second of the recorded flow, as requests: what came before it, which makes the book, and the second.

Busiest is the second, beginning at any row, in which most orders of one file were entered, changed, canceled or hit. A
second in which nearly all are entered does not count: that is a book being listed, as in CRAN's file at 09:30:41.635
(657 orders in the order of their prices, in 26 bursts), and not a market.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from matcher.commands import CancelOrder, NewOrder, ReplaceOrder
from matcher.instruments import Instrument
from matcher.orders import DAY, LIMIT
from simulators.flow_instruments import FlowInstrument
from simulators.flow_requests import AnyRequest, CancelRequest, FlowUnits, NewRequest
from simulators.recorded.files import is_book_half, open_recording
from simulators.recorded.rows import NS_PER_S, FlowEvent, FlowKind, RecordedFlowError
from simulators.replay_plan import ReplayPlan

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = Path(os.environ.get("OUTCRY_DATA", ROOT.parent / "shared" / "data"))


ENTERED_SHARE_MAX: Final = 0.9


class Window(msgspec.Struct, frozen=True):
    """Consecutive rows of a file, all within one second."""

    path: Path
    first_row: int
    last_row: int
    messages: int
    """Of the rows, those that are about an order that can be seen."""
    entered: int
    """Of these, those that enter one."""
    begin_ns: int
    """As the file has it."""


class BusySecond(msgspec.Struct, frozen=True):
    """A window, as requests of one symbol."""

    window: Window
    instrument: FlowInstrument
    units: FlowUnits
    before: list[AnyRequest]
    """All requests of the file before the second."""
    second: list[tuple[int, AnyRequest]]
    """Those of the second, each with its ns since the second began."""


def recordings(directory: Path = DATA) -> list[Path]:
    """The recorded files in the folders of a directory, of any format that we read."""
    return [path for path in sorted(directory.glob("*/*")) if _is_recording(path)]


def busiest_window(paths: Iterable[Path]) -> Window:
    """The busiest second of all files; of equal ones the first."""
    windows = [window for path in paths if (window := _busiest_of(path)) is not None]
    if not windows:
        raise RecordedFlowError(f"there is no recorded flow in {DATA}; set OUTCRY_DATA to a directory that has some")
    return max(windows, key=lambda window: window.messages)


def requests_of(window: Window) -> BusySecond:
    """What a venue is asked before the window, and in it; for files of one symbol."""
    plan = ReplayPlan([window.path], id_prefix="b")
    if len(plan.instruments) != 1:
        raise RecordedFlowError(f"{window.path} has {len(plan.instruments)} symbols; a file of one is needed")
    before: list[AnyRequest] = []
    second: list[tuple[int, AnyRequest]] = []
    first_ns = 0
    for timed in plan.steps():
        row = timed.step.event.row
        if row < window.first_row:
            before += timed.step.requests
        elif row <= window.last_row:
            first_ns = first_ns if second else timed.offset_ns
            second += [(timed.offset_ns - first_ns, request) for request in timed.step.requests]
        else:
            break
    return BusySecond(window, plan.instruments[0], plan.flows[0].units, before, second)


class Commands:
    """Requests as commands of one session of a firm, under another symbol."""

    def __init__(self, instrument: Instrument, units: FlowUnits, *, session_id: str, firm: str) -> None:
        self._instrument = instrument
        self._units = units
        self._session_id = session_id
        self._firm = firm

    def command(
        self, request: AnyRequest, *, msg_seq_num: int, received_ns: int
    ) -> NewOrder | CancelOrder | ReplaceOrder:
        """One request, as a gateway would have understood it; its ClOrdID(11) begins with the symbol."""
        symbol = self._instrument.symbol
        asker = (self._session_id, 1, msg_seq_num, msg_seq_num - 1, received_ns, self._firm, symbol)
        cl_ord_id = f"{symbol}{request.cl_ord_id}"
        if isinstance(request, CancelRequest):
            return CancelOrder(*asker, cl_ord_id, f"{symbol}{request.orig_cl_ord_id}", request.side)
        price_ticks = self._instrument.tick.count(self._units.price_text(request.price))
        qty_lots = self._instrument.lot.count(self._units.qty_text(request.qty))
        if isinstance(request, NewRequest):
            terms = request.side, LIMIT, request.time_in_force, price_ticks, qty_lots
            return NewOrder(*asker, cl_ord_id, "", *terms)
        orig_cl_ord_id = f"{symbol}{request.orig_cl_ord_id}"
        return ReplaceOrder(*asker, cl_ord_id, orig_cl_ord_id, request.side, LIMIT, DAY, price_ticks, qty_lots)


def _is_recording(path: Path) -> bool:
    if is_book_half(path):
        return False
    try:
        open_recording(path)
    except RecordedFlowError:
        return False
    return True


def _busiest_of(path: Path) -> Window | None:
    busiest: Window | None = None
    for window in _windows(path):
        is_market = window.entered <= ENTERED_SHARE_MAX * window.messages
        if is_market and (busiest is None or window.messages > busiest.messages):
            busiest = window
    return busiest


def _windows(path: Path) -> Iterator[Window]:
    """The second that ends with each row that is about an order."""
    rows: deque[FlowEvent] = deque()
    entered = 0
    for event in open_recording(path).events:
        if event.kind is FlowKind.NOTHING:
            continue
        rows.append(event)
        entered += event.kind is FlowKind.NEW
        while rows[0].time_ns <= event.time_ns - NS_PER_S:
            entered -= rows.popleft().kind is FlowKind.NEW
        yield Window(path, rows[0].row, event.row, len(rows), entered, rows[0].time_ns)
