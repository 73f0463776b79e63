"""
A replay before it meets a venue: files opened, planned and merged into one stream of steps in recorded time. Pure but
for reading the files.
"""

import heapq
from collections.abc import Iterator, KeysView
from itertools import islice
from pathlib import Path

import msgspec

from simulators.flow import Planner, PlannerCounts, Step
from simulators.flow_instruments import FlowInstrument, FlowNeeds, move_prices, needs_of
from simulators.flow_requests import FlowUnits
from simulators.recorded.files import FormatName, open_recording
from simulators.recorded.rows import RecordedBook, RecordedFlowError, Recording


class TimedStep(msgspec.Struct, frozen=True):
    """One row of one file, with the moment and the book that belong to it."""

    offset_ns: int
    """Since the file's first row; never less than that of the row before."""
    flow: "Flow"
    step: Step
    book: RecordedBook
    """What must be published after the row: the recorded book, or the one that follows from the rows so far."""


class Flow:
    """One file and its plan."""

    def __init__(self, recording: Recording, needs: FlowNeeds, *, id_prefix: str) -> None:
        self.recording = recording
        self.moved_prices = needs.moved_prices
        self.units = FlowUnits(price_places=recording.price_places, qty_places=recording.qty_places)
        self.planner = Planner(
            id_prefix=id_prefix,
            takers_are_recorded=recording.takers_are_recorded,
            corrected_levels=recording.corrected_levels,
        )
        self.recorded_books = 0
        """Rows so far that came with a book."""

    def steps(self) -> Iterator[TimedStep]:
        """Plan all rows, once."""
        first_ns: int | None = None
        offset_ns = 0
        for event in move_prices(self.recording.events, self.moved_prices):
            first_ns = event.time_ns if first_ns is None else first_ns
            offset_ns = max(offset_ns, event.time_ns - first_ns)
            step = self.planner.plan(event)
            book = event.book
            if book is None:
                book = self.planner.book(event.symbol).top(self.recording.compared_levels)
            else:
                self.recorded_books += 1
            yield TimedStep(offset_ns, self, step, book)


class ReplayPlan:
    """All files of one replay; a symbol belongs to one file."""

    def __init__(
        self,
        paths: list[Path],
        *,
        id_prefix: str,
        format_name: FormatName = "auto",
        symbol: str | None = None,
        rows_max: int | None = None,
    ) -> None:
        """
        Read the files once, for their symbols.

        Args:
            paths: The files.
            id_prefix: Begins each ClOrdID; at most 8 characters.
            format_name: Of all files.
            symbol: Of files whose rows do not hold it.
            rows_max: Only the first rows of each file.

        Raises:
            RecordedFlowError: One cannot be read, two trade one symbol, or there is no order in them.
        """
        self._paths = paths
        self._format_name = format_name
        self._symbol = symbol
        self._rows_max = rows_max
        self._flow_of: dict[str, Flow] = {}
        self.instruments: list[FlowInstrument] = []
        self.flows: list[Flow] = []
        self.rows = 0
        for number, path in enumerate(paths):
            needs = needs_of(self._open(path))
            # The second reading is the one that is planned.
            flow = Flow(self._open(path), needs, id_prefix=f"{id_prefix}{number}")
            self.flows.append(flow)
            self.rows += needs.rows
            self.instruments += needs.instruments
            for instrument in needs.instruments:
                self._claim(instrument.symbol, flow)
        if not self.instruments:
            raise RecordedFlowError(
                "the files hold no order in the rows that were asked for; there is nothing to replay"
            )

    @property
    def symbols(self) -> KeysView[str]:
        """All that is traded."""
        return self._flow_of.keys()

    @property
    def counts(self) -> PlannerCounts:
        """Of all files together, so far."""
        parts = [msgspec.structs.asdict(flow.planner.counts) for flow in self.flows]
        return PlannerCounts(**{name: sum(part[name] for part in parts) for name in PlannerCounts.__struct_fields__})

    def flow_of(self, symbol: str) -> Flow:
        """The file that trades a symbol."""
        return self._flow_of[symbol]

    def steps(self) -> Iterator[TimedStep]:
        """All rows of all files, each file beginning at offset 0, in recorded time."""
        return heapq.merge(*(flow.steps() for flow in self.flows), key=lambda timed: timed.offset_ns)

    def _open(self, path: Path) -> Recording:
        recording = open_recording(path, format_name=self._format_name, symbol=self._symbol)
        return msgspec.structs.replace(recording, events=islice(recording.events, self._rows_max))

    def _claim(self, symbol: str, flow: Flow) -> None:
        other = self._flow_of.setdefault(symbol, flow)
        if other is not flow:
            raise RecordedFlowError(
                f"{other.recording.name} and {flow.recording.name} both trade {symbol}; replay them one after the other"
            )
