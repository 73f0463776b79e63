"""
Trades that are undone or put right by the operator (BUST-1, CORRECT-1).

Nothing returns to the book and no price moves: stops, corridors and the last price stay as the trade left them.
"""

import msgspec

from matcher.books.floor import Floor
from matcher.books.market import Market
from matcher.books.trade_memory import Trade
from matcher.engine.answer import Answer
from matcher.engine.transitions import open_status
from matcher.events import OperatorAnswered, TradeBusted, TradeCorrected
from matcher.increments import TradeRevision
from matcher.instruments import Instrument
from matcher.operator_commands import BustTrade, CorrectTrade
from matcher.orders import BUY, CANCELED, FILLED, PRICE_TICKS_MAX, OrderState, OrdStatus
from matcher.rejects import Refusal, RejectReason, untraded_on_shard


def bust_trade(command: BustTrade, floor: Floor, answer: Answer) -> None:
    """Take a whole trade back."""
    market = floor.markets.get(command.symbol)
    trade = _find(command, market, floor)
    if market is None or trade is None:
        answer.tell(OperatorAnswered, command.request_id, *_unknown(command, market))
        return
    _, _, price_ticks, qty_lots, input_seq, _ = trade
    for before, event_index in _sides(trade, floor):
        order = _revised(before, price_ticks, qty_lots, price_ticks, 0)
        floor.orders.keep(order)
        floor.lists.note_status(order)
        name = (command.match_id, input_seq, event_index)
        answer.tell_unasked(TradeBusted, order, *name, price_ticks, qty_lots, command.text)
    _publish(command.match_id, price_ticks, 0, market)
    answer.tell(OperatorAnswered, command.request_id, None, "")


def correct_trade(command: CorrectTrade, floor: Floor, answer: Answer) -> None:
    """Give a trade another price, or less quantity."""
    market = floor.markets.get(command.symbol)
    trade = _find(command, market, floor)
    if market is None or trade is None:
        answer.tell(OperatorAnswered, command.request_id, *_unknown(command, market))
        return
    refusal = _refusal_of_terms(command, trade, market.instrument)
    if refusal is not None:
        answer.tell(OperatorAnswered, command.request_id, *refusal)
        return
    _, _, price_ticks, qty_lots, input_seq, _ = trade
    for before, event_index in _sides(trade, floor):
        order = _revised(before, price_ticks, qty_lots, command.price_ticks, command.qty_lots)
        floor.orders.keep(order)
        floor.lists.note_status(order)
        name = (command.match_id, input_seq, event_index)
        answer.tell_unasked(TradeCorrected, order, *name, command.price_ticks, command.qty_lots, command.text)
    _publish(command.match_id, command.price_ticks, command.qty_lots, market)
    answer.tell(OperatorAnswered, command.request_id, None, "")


def _find(command: BustTrade | CorrectTrade, market: Market | None, floor: Floor) -> Trade | None:
    trade = market.trade_memory.find(command.match_id, market.last_match_id) if market is not None else None
    if trade is None or not all(floor.orders.get(order_id) for order_id in trade[:2]):
        return None
    return trade


def _unknown(command: BustTrade | CorrectTrade, market: Market | None) -> Refusal:
    if market is None:
        return untraded_on_shard(command.symbol)
    text = f"match {command.match_id} of {command.symbol} never was, was busted, or is too long ago to be revised"
    return RejectReason.UNKNOWN_TRADE, text


def _refusal_of_terms(command: CorrectTrade, trade: Trade, instrument: Instrument) -> Refusal | None:
    tick, lot = instrument.tick, instrument.lot
    if not 0 < command.price_ticks <= PRICE_TICKS_MAX:
        return RejectReason.INVALID_COMMAND, f"a corrected price must be {tick} to {tick.text(PRICE_TICKS_MAX)}"
    if not 0 < command.qty_lots <= trade[3]:
        text = f"a corrected quantity must be {lot} to {lot.text(trade[3])}, what the trade has now; a bust undoes it"
        return RejectReason.INVALID_COMMAND, text
    return None


def _sides(trade: Trade, floor: Floor) -> list[tuple[OrderState, int]]:
    """Both orders with the event_index of their fills, the buyer first."""
    first_id, second_id, _, _, _, event_index = trade
    first, second = floor.orders.get(first_id), floor.orders.get(second_id)
    assert first is not None
    assert second is not None
    sides = [(first, event_index), (second, event_index + 1)]
    return sides if first.side == BUY else sides[::-1]


def _revised(order: OrderState, price_ticks: int, qty_lots: int, new_price_ticks: int, new_qty_lots: int) -> OrderState:
    cum_qty_lots = order.cum_qty_lots - qty_lots + new_qty_lots
    return msgspec.structs.replace(
        order,
        cum_qty_lots=cum_qty_lots,
        cum_value=order.cum_value - price_ticks * qty_lots + new_price_ticks * new_qty_lots,
        ord_status=_status(order, cum_qty_lots),
    )


def _status(order: OrderState, cum_qty_lots: int) -> OrdStatus:
    if order.leaves_qty_lots:
        return open_status(cum_qty_lots)
    return CANCELED if order.ord_status == FILLED and cum_qty_lots < order.cum_qty_lots else order.ord_status


def _publish(match_id: int, price_ticks: int, qty_lots: int, market: Market) -> None:
    market.trade_memory.revise(match_id, market.last_match_id, price_ticks=price_ticks, qty_lots=qty_lots)
    market.has_followers = True  # a list may have to be told of it
    market.revisions.append(TradeRevision(match_id, price_ticks, qty_lots))
    market.has_news = True
