"""Requests and their answers: what one reader is subscribed to, within its limits."""

from typing import Protocol

import msgspec

from marketdata.book import CHECKSUM_LEVELS, checksum_of
from marketdata.websocket.hub import Hub, Place, Reader
from marketdata.websocket.payloads import (
    Answer,
    ChecksumTold,
    Pong,
    Subscribed,
    SymbolsTold,
    SymbolTold,
    Unsubscribed,
    encode_answer,
)
from marketdata.websocket.requests import (
    BadRequest,
    Checksum,
    Ping,
    Request,
    Snapshot,
    Subscribe,
    Symbols,
    Unsubscribe,
    ViewKey,
)


class Client(Reader, Protocol):
    """A reader that asks."""

    def answer(self, payload: bytes) -> None:
        """Send the answer to a request."""


class Desk:
    """What one reader is subscribed to."""

    def __init__(self, client: Client, hub: Hub, *, subscriptions_max: int) -> None:
        self._client = client
        self._hub = hub
        self._subscriptions_max = subscriptions_max
        self._subscriptions: dict[str, list[Place]] = {}
        self._places: set[Place] = set()

    def take(self, request: Request) -> None:
        """
        Do what is asked for; the answer goes before all that follows from it.

        Raises:
            BadRequest: It cannot be done, and nothing of it was.
        """
        match request:
            case Subscribe():
                self._subscribe(request)
            case Unsubscribe():
                self._unsubscribe(request)
            case Snapshot():
                key = request.key()
                for symbol in request.chosen(self._known):
                    self._hub.send_state(self._client, (symbol, key), is_asked=True)
            case Checksum():
                self._answer(self._checksum(request))
            case Symbols():
                self._answer(SymbolsTold(request.id, [self._told(symbol) for symbol in self._known]))
            case Ping():
                self._answer(Pong(request.id))

    def is_watched(self, place: Place) -> bool:
        """Whether the reader is subscribed to a place."""
        return place in self._places

    def close(self) -> None:
        """End all subscriptions."""
        for place in self._places:
            self._hub.leave(self._client, place)
        self._places.clear()
        self._subscriptions.clear()

    @property
    def _known(self) -> list[str]:
        return list(self._hub.symbols)

    def _subscribe(self, request: Subscribe) -> None:
        key, symbols = request.key(), request.chosen(self._known)
        if request.id in self._subscriptions:
            text = f"id {request.id} is in use; unsubscribe it first, or choose another"
            raise BadRequest("DUPLICATE_ID", text, request.id)
        places = [(symbol, key) for symbol in symbols]
        if again := next((symbol for symbol, key in places if (symbol, key) in self._places), ""):
            text = f"this of {again} is subscribed already; its messages come once"
            raise BadRequest("ALREADY_SUBSCRIBED", text, request.id)
        if len(self._places) + len(places) > self._subscriptions_max:
            text = f"{len(places)} more beside {len(self._places)}, and at most {self._subscriptions_max} may be"
            raise BadRequest("TOO_MANY_SUBSCRIPTIONS", f"{text}; ask for fewer, or unsubscribe some", request.id)
        self._subscriptions[request.id] = places
        self._places.update(places)
        self._answer(_subscribed(request.id, key, symbols))
        for place in places:
            self._hub.join(self._client, place)

    def _unsubscribe(self, request: Unsubscribe) -> None:
        places = self._subscriptions.pop(request.id, None)
        if places is None:
            raise BadRequest("UNKNOWN_ID", f"id {request.id} is not subscribed; nothing to end", request.id)
        for place in places:
            self._hub.leave(self._client, place)
        self._places.difference_update(places)
        self._answer(Unsubscribed(request.id))

    def _checksum(self, request: Checksum) -> ChecksumTold:
        key = request.key()
        request.check_symbol(self._known)
        replica = self._hub.replica(request.symbol)
        if not replica.is_current:
            raise BadRequest("STALE", f"nobody vouches for the book of {request.symbol} now; ask again", request.id)
        levels = min(request.depth or CHECKSUM_LEVELS, CHECKSUM_LEVELS)
        checksum = checksum_of(replica.book.bids(levels), replica.book.asks(levels))
        told_md_seq = self._hub.told_md_seq((request.symbol, key))
        return ChecksumTold(
            *(request.id, request.symbol, key.depth, key.view, replica.md_seq, told_md_seq, checksum),
        )

    def _told(self, symbol: str) -> SymbolTold:
        book = self._hub.replica(symbol).book
        return SymbolTold(symbol, book.tick, book.lot)

    def _answer(self, answer: Answer) -> None:
        self._client.answer(encode_answer(answer))


def _subscribed(request_id: str, key: ViewKey, symbols: list[str]) -> Subscribed:
    answer = Subscribed(request_id, key.channel, symbols)
    if key.channel == "book":
        return msgspec.structs.replace(answer, depth=key.depth, view=key.view)
    if key.channel == "candles":
        return msgspec.structs.replace(answer, length_s=key.length_s)
    return answer
