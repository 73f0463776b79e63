"""A trader that never gives up: it sends orders without a pause, reconnects whenever it is cut off, and audits all."""

import asyncio
import random
import time

from configs.loader import Venue
from matcher.orders import BUY, GOOD_TILL_CANCEL, SELL, Side
from sessions.native.events import MemoryStore
from simulators.bot_account import Account, LiveOrder
from simulators.fix_client import FixClient, FixClientError, Received
from simulators.order_messages import cancel_order, limit_order, read_answer, replace_order

TIME = "20260101-00:00:00.000"
UNANSWERED_MAX = 40
LIVE_MAX = 30


class PersistentTrader:
    def __init__(self, venue: Venue, port: int, comp_id: str, symbols: list[str], seed: int) -> None:
        self.account = Account(venue.instruments)
        self.exec_ids: list[str] = []
        self.news = 0
        """Times that the venue said that requests wait."""
        self._instruments = venue.instruments
        self._port = port
        self._comp_id = comp_id
        self._symbols = symbols
        self._random = random.Random(seed)
        self._store = MemoryStore()
        self._client: FixClient | None = None
        self._count = 0
        self._answered = asyncio.Event()
        self._is_trading = True
        self._last_requests: list[str] | None = None

    async def run(self) -> None:
        """Trade until `stop`; stay, and be filled by others, until the requests that `leave` causes are answered."""
        while not self._is_done():
            try:
                await self._live_one_connection()
            except FixClientError:
                await asyncio.sleep(0.02)  # nobody listens while a gateway is away
        if self._client is not None:
            await self._client.logout()

    async def stop(self) -> None:
        """Ask for nothing more; returns when all is answered."""
        self._is_trading = False
        async with asyncio.timeout(60):
            while self.account.unanswered:
                self._answered.clear()
                await self._answered.wait()

    def leave(self) -> None:
        """
        Enter one last order for each symbol, which cannot trade, and log out when they are answered.

        When all traders have stopped, each report that is still on its way to this one is ahead of those answers.
        """
        self._last_requests = list(self._symbols)
        self._answered.set()

    def _is_done(self) -> bool:
        return self._last_requests == [] and not self.account.unanswered

    async def until_answered(self, count: int) -> None:
        """Wait until `count` more requests have been answered than now."""
        goal = self.account.answered + count
        async with asyncio.timeout(60):
            while self.account.answered < goal:
                self._answered.clear()
                await self._answered.wait()

    async def _live_one_connection(self) -> None:
        client = await FixClient.connect(
            "127.0.0.1",
            self._port,
            begin_string="FIX.4.4",
            sender_comp_id=self._comp_id,
            password=f"example-{self._comp_id.lower()}",
            store=self._store,
            on_message=self._on_message,
        )
        self._client = client
        while client.is_up:
            while client.is_up and self._is_trading and self.account.unanswered < UNANSWERED_MAX:
                self._ask(client)
            while client.is_up and self._last_requests:
                self._enter_out_of_reach(client, self._last_requests.pop())
            if self._is_done():
                return
            self._answered.clear()
            await asyncio.wait(
                [asyncio.ensure_future(self._answered.wait()), client.closed], return_when=asyncio.FIRST_COMPLETED
            )

    def _ask(self, client: FixClient) -> None:
        self._count += 1
        cl_ord_id = f"{self._comp_id}-{self._count}"
        changeable = [order for order in self.account.orders.values() if order.is_accepted and not order.is_changing]
        if changeable and (len(self.account.orders) > LIVE_MAX or self._random.random() < 0.3):
            self._change(client, cl_ord_id, self._random.choice(changeable))
        else:
            self._enter(client, cl_ord_id)

    def _enter_out_of_reach(self, client: FixClient, symbol: str) -> None:
        self._count += 1
        self._send_new(client, LiveOrder(f"{self._comp_id}-{self._count}", symbol, BUY, 1, 1))

    def _enter(self, client: FixClient, cl_ord_id: str) -> None:
        symbol = self._random.choice(self._symbols)
        side: Side = BUY if self._random.random() < 0.5 else SELL
        price_ticks = self._instruments[symbol].reference_price_ticks + self._random.randint(-3, 3)
        self._send_new(client, LiveOrder(cl_ord_id, symbol, side, price_ticks, self._random.randint(1, 9)))

    def _send_new(self, client: FixClient, order: LiveOrder) -> None:
        instrument = self._instruments[order.symbol]
        body = limit_order(
            cl_ord_id=order.cl_ord_id,
            symbol=order.symbol,
            side=order.side,
            price=instrument.tick.text(order.price_ticks),
            qty=instrument.lot.text(order.qty_lots),
            time_in_force=GOOD_TILL_CANCEL,
            transact_time=TIME,
        )
        self.account.new(order, msg_seq_num=client.send(body), sent_ns=time.perf_counter_ns())

    def _change(self, client: FixClient, cl_ord_id: str, order: LiveOrder) -> None:
        sent_ns = time.perf_counter_ns()
        common = {"orig_cl_ord_id": order.cl_ord_id, "symbol": order.symbol, "side": order.side, "transact_time": TIME}
        if self._random.random() < 0.5:
            number = client.send(cancel_order(cl_ord_id=cl_ord_id, **common))  # type: ignore[arg-type]
            self.account.cancel(cl_ord_id, order, msg_seq_num=number, sent_ns=sent_ns)
            return
        instrument = self._instruments[order.symbol]
        price_ticks = instrument.reference_price_ticks + self._random.randint(-3, 3)
        body = replace_order(
            cl_ord_id=cl_ord_id,
            price=instrument.tick.text(price_ticks),
            qty=instrument.lot.text(order.qty_lots),
            **common,  # type: ignore[arg-type]
        )
        self.account.replace(cl_ord_id, order, price_ticks, msg_seq_num=client.send(body), sent_ns=sent_ns)

    def _on_message(self, message: Received) -> None:
        if exec_id := message.fields.get("17"):
            self.exec_ids.append(exec_id)
        if message.fields["35"] == "B":
            self.news += 1
            return
        answer = read_answer(message.fields)
        assert answer is not None, message.text
        self.account.on_answer(answer)
        self._answered.set()
