"""Who trades under torture: order sessions that ask without a pause, and readers of market data."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from matcher.instruments import Instrument
from simulators.fix_client import FixClientError, Received
from simulators.torture.auditor import Auditor
from simulators.torture.client import PersistentClient
from simulators.torture.flow import Flow, LiveOrder
from simulators.torture.history import Said
from simulators.torture.reports import Report, read_report

UNANSWERED_MAX = 30
"""Requests of one session on their way; then it waits for answers."""
BURST_MAX = 40
"""Requests that one session sends at once when it is asked for a burst."""


class Trader:
    """One order session and its flow."""

    def __init__(
        self,
        comp_id: str,
        version: str,
        ports: Sequence[int],
        *,
        instruments: list[Instrument],
        seed: int,
        auditor: Auditor,
        see: Callable[[Said], None],
    ) -> None:
        self.comp_id = comp_id
        self.flow = Flow(comp_id, instruments, f"{seed}-{comp_id}")
        self.client = PersistentClient(comp_id, version, ports, see=see, on_message=self._on_message)
        self._auditor = auditor
        self._live: dict[str, LiveOrder] = {}
        """By OrderID(37)."""

    @property
    def unanswered(self) -> int:
        """Requests without an answer."""
        return self._auditor.requests.unanswered(self.comp_id)

    async def trade_for_ever(self, interval_s: float) -> None:
        """Ask once in each interval, as long as answers come."""
        while True:
            if self.unanswered < UNANSWERED_MAX:
                self.ask()
            await asyncio.sleep(interval_s)

    def burst(self, count: int) -> None:
        """Ask for many things at once."""
        for _ in range(min(count, BURST_MAX)):
            self.ask()

    def ask(self) -> None:
        """Send the flow's next request, if there is a session."""
        if self.client.is_up:
            self.send(self.flow.next(list(self._live.values())))

    def send(self, body: str) -> None:
        """Send one request, if there is a session."""
        try:
            self.client.send(body)
        except FixClientError:
            return  # it ended this moment; the next one comes

    def _on_message(self, message: Received) -> None:
        if message.fields["35"] != "8":
            return
        report = read_report(message.text)
        if report.exec_type in "I8" or not self._is_own(report):
            return
        if report.is_live and report.cl_ord_id:
            self._live[report.order_id] = LiveOrder(report.cl_ord_id, report.symbol, report.side, report.is_plain)
        else:
            self._live.pop(report.order_id, None)

    def _is_own(self, report: Report) -> bool:
        return report.cl_ord_id.startswith(f"{self.comp_id}-") and not report.is_quote


class MarketDataReader:
    """One market-data session, which subscribes again after each logon."""

    def __init__(
        self, comp_id: str, version: str, ports: Sequence[int], *, symbols: Iterable[str], see: Callable[[Said], None]
    ) -> None:
        self.comp_id = comp_id
        self.client = PersistentClient(
            comp_id, version, ports, see=see, on_message=lambda _message: None, on_logged_on=self._subscribe
        )
        self._symbols = list(symbols)
        self._requests = 0

    def _subscribe(self) -> None:
        self._requests += 1
        symbols = "".join(f"55={symbol}\x01" for symbol in self._symbols)
        types = "267=5\x01269=0\x01269=1\x01269=2\x01269=A\x01269=Q\x01"
        head = f"35=V\x01146={len(self._symbols)}\x01{symbols}262={self.comp_id}-{self._requests}\x01"
        try:
            self.client.send(f"{head}263=1\x01264=0\x01265=1\x01{types}")
        except FixClientError:
            return  # it ended this moment; the next logon subscribes
