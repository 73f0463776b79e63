"""
The flow of one load session, pure: which request comes next, given what became of the earlier ones.

Around each instrument's reference price stands a narrow band. Passive orders rest inside their half of it, aggressive
ones (immediate or cancel) take whatever the other half holds, so the book stays small and nothing drifts. The seed
fixes all choices; only which of the own live orders a cancel or replace meets depends on the answers.
"""

import random
from typing import Final

import msgspec

from matcher.instruments import Instrument
from matcher.orders import BUY, DAY, IMMEDIATE_OR_CANCEL, SELL, Side
from simulators.order_messages import BUSTED, CORRECTED, Answer, cancel_order, limit_order, replace_order

QTY_LOTS_MAX: Final = 10


class WorkloadError(ValueError):
    """A mix that cannot be used; the message is one sentence."""


class Mix(msgspec.Struct, frozen=True):
    """Of a hundred requests, how many are of which kind; the defaults give about 1.5 reports a request."""

    new: int = 60
    cancel: int = 30
    replace: int = 10
    aggressive: int = 30
    """Of a hundred new orders, how many take at once what they can."""
    band_ticks: int = 5
    """Half the width of the price band."""
    live_orders_max: int = 200
    """Own resting orders of one session; beyond it new orders are aggressive."""

    @classmethod
    def parse(cls, text: str) -> "Mix":
        """
        Read `new=60,cancel=30,replace=10`; what is not named keeps its default.

        Raises:
            WorkloadError: An unknown name, something that is no number, or kinds that do not sum up to 100.
        """
        try:
            given = {name.strip(): int(number) for name, _, number in (part.partition("=") for part in text.split(","))}
            mix = msgspec.convert(given, _StrictMix)
        except (ValueError, msgspec.ValidationError) as error:
            raise WorkloadError(
                f"the mix {text!r} is not like new=60,cancel=30,replace=10,aggressive=30: {error}"
            ) from error
        if mix.new + mix.cancel + mix.replace != 100:
            raise WorkloadError(f"the mix {text!r}: new, cancel and replace must sum up to 100")
        return mix


class _StrictMix(Mix, frozen=True, forbid_unknown_fields=True):
    """As read from text."""


class Request(msgspec.Struct):
    """One request, ready to be sent."""

    cl_ord_id: str
    body: str


class _LiveOrder(msgspec.Struct):
    instrument_index: int
    side: Side
    qty: str


class _Ladder:
    # One instrument's texts, made once: prices at each distance from the reference, quantities of 1 to 10 lots.

    def __init__(self, instrument: Instrument, band_ticks: int) -> None:
        reference = instrument.reference_price_ticks
        if reference <= band_ticks:
            raise WorkloadError(f"{instrument.symbol} trades at {reference} ticks: too low for a band of {band_ticks}")
        self.symbol = instrument.symbol
        self.below = [instrument.tick.text(reference - distance) for distance in range(1, band_ticks + 1)]
        self.above = [instrument.tick.text(reference + distance) for distance in range(1, band_ticks + 1)]
        self.qtys = [instrument.lot.text(lots) for lots in range(1, QTY_LOTS_MAX + 1)]


class Workload:
    """Chooses the requests of one session and keeps track of its live orders."""

    def __init__(self, *, prefix: str, instruments: list[Instrument], mix: Mix, seed: int) -> None:
        """
        Prepare a flow.

        Args:
            prefix: Of each ClOrdID(11); unique among all sessions and runs.
            instruments: What to trade, with equal probability.
            mix: Kinds of requests.
            seed: Fixes all choices.
        """
        self._random = random.Random(seed).random  # noqa: S311 -- a simulation that must repeat, not a secret
        self._prefix = prefix
        self._count = 0
        self._mix = mix
        self._indices = {instrument.symbol: index for index, instrument in enumerate(instruments)}
        self._ladders = [_Ladder(instrument, mix.band_ticks) for instrument in instruments]
        self._live: dict[str, _LiveOrder] = {}

    @property
    def live_orders(self) -> int:
        """Own orders that rest in a book and that no request of ours is about to end."""
        return len(self._live)

    def next_request(self, transact_time: str) -> Request:
        """The next request of the flow; `transact_time` as in TransactTime(60)."""
        kind = self._random() * 100
        mix = self._mix
        if kind >= mix.new and self._live:
            return self._cancel(transact_time) if kind < mix.new + mix.cancel else self._replace(transact_time)
        return self._new(transact_time)

    def next_cleanup(self, transact_time: str) -> Request | None:
        """A cancel of the oldest live order; None when there is none left."""
        return self._cancel(transact_time) if self._live else None

    def on_answer(self, answer: Answer) -> None:
        """Keep the live orders up to date."""
        if answer.exec_type in {"0", "5"}:
            self._rest(answer)
        elif answer.exec_type == "F":
            if not answer.leaves_qty.strip("0."):
                self._live.pop(answer.cl_ord_id, None)
        elif answer.exec_type and answer.exec_type not in {BUSTED, CORRECTED}:  # those leave what is open as it is
            self._live.pop(answer.cl_ord_id, None)

    def _rest(self, answer: Answer) -> None:
        # An immediate-or-cancel order rests no longer than until its next report, which takes it out again.
        if answer.leaves_qty.strip("0."):
            index = self._indices[answer.symbol]
            side: Side = BUY if answer.side == BUY else SELL
            self._live[answer.cl_ord_id] = _LiveOrder(index, side, answer.order_qty)

    def _new_id(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"

    def _pick(self, choices: list[str]) -> str:
        return choices[int(self._random() * len(choices))]

    def _new(self, transact_time: str) -> Request:
        random_ = self._random
        ladder = self._ladders[int(random_() * len(self._ladders))]
        side: Side = BUY if random_() < 0.5 else SELL
        is_aggressive = random_() * 100 < self._mix.aggressive or len(self._live) >= self._mix.live_orders_max
        if is_aggressive:
            price = ladder.above[-1] if side == BUY else ladder.below[-1]
        else:
            price = self._pick(ladder.below if side == BUY else ladder.above)
        cl_ord_id = self._new_id()
        body = limit_order(
            cl_ord_id=cl_ord_id,
            symbol=ladder.symbol,
            side=side,
            price=price,
            qty=self._pick(ladder.qtys),
            time_in_force=IMMEDIATE_OR_CANCEL if is_aggressive else DAY,
            transact_time=transact_time,
        )
        return Request(cl_ord_id, body)

    def _take_oldest(self) -> tuple[str, _LiveOrder]:
        # Out of the live orders at once, so that no second request meets it while this one is in flight.
        cl_ord_id = next(iter(self._live))
        return cl_ord_id, self._live.pop(cl_ord_id)

    def _cancel(self, transact_time: str) -> Request:
        orig_cl_ord_id, order = self._take_oldest()
        cl_ord_id = self._new_id()
        body = cancel_order(
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=orig_cl_ord_id,
            symbol=self._ladders[order.instrument_index].symbol,
            side=order.side,
            transact_time=transact_time,
        )
        return Request(cl_ord_id, body)

    def _replace(self, transact_time: str) -> Request:
        orig_cl_ord_id, order = self._take_oldest()
        ladder = self._ladders[order.instrument_index]
        cl_ord_id = self._new_id()
        body = replace_order(
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=orig_cl_ord_id,
            symbol=ladder.symbol,
            side=order.side,
            price=self._pick(ladder.below if order.side == BUY else ladder.above),
            qty=order.qty,
            transact_time=transact_time,
        )
        return Request(cl_ord_id, body)
