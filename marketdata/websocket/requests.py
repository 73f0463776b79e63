"""
What readers send: one JSON object per message, an operation and its arguments; `WEBSOCKET.md` lists them.

Whatever is wrong with a message is a `BadRequest` with a code of its own. The checks run in one order: what the message
is, its operation, its fields, its channel, and then what the channel allows.
"""

from collections.abc import Collection
from typing import Any, Final, Literal, get_args

import msgspec

from marketdata.candles import LENGTHS_S

DEPTH_MAX: Final = 1000
ID_LENGTH_MAX: Final = 64

Channel = Literal["book", "trades", "statistics", "candles", "status"]
CHANNELS: Final[tuple[str, ...]] = get_args(Channel)
ViewName = Literal["levels", "orders"]
VIEWS: Final[tuple[str, ...]] = get_args(ViewName)
ALL: Final = "*"
_TOLD_MAX: Final = 60


class BadRequest(Exception):
    """
    A request that cannot be met; the connection stays as it was.

    Attributes:
        code: For programs.
        text: One sentence for people: what is wrong, and what to send.
        request_id: Of the request, as far as it could be read.
    """

    def __init__(self, code: str, text: str, request_id: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.request_id = request_id


class ViewKey(msgspec.Struct, frozen=True):
    """What somebody sees of one symbol; whoever wishes the same is sent the same bytes."""

    channel: Channel
    depth: int = 0
    """Of the book: the best levels of each side; 0: all."""
    view: ViewName = "levels"
    """Of the book: levels, or levels with the orders in them."""
    length_s: int = 0
    """Of candles."""


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag=str.lower):
    id: str = ""
    """Whatever the reader likes; the answer has it, too. A subscription is ended by it."""


class _OfView(_Request, frozen=True, kw_only=True):
    channel: str
    symbols: tuple[str, ...] | str
    """Or "*": all that there are now."""
    depth: int = 0
    view: str = "levels"
    length_s: int = 60

    def key(self) -> ViewKey:
        """
        The view that is asked for.

        Raises:
            BadRequest: The channel does not exist, or has nothing of the kind.
        """
        if self.channel not in CHANNELS:
            text = f"channel {_told(self.channel)}; choose one of {', '.join(CHANNELS)}"
            raise BadRequest("UNKNOWN_CHANNEL", text, self.id)
        book = _book_key(self.depth, self.view, self.id)
        if self.length_s not in LENGTHS_S:
            text = f"length_s {self.length_s}; choose one of {', '.join(map(str, LENGTHS_S))}"
            raise BadRequest("BAD_LENGTH", text, self.id)
        if self.channel == "book":
            return book
        if book != ViewKey("book"):
            raise BadRequest("BAD_REQUEST", f"depth and view are of the book; {self.channel} has none", self.id)
        if self.channel == "candles":
            return ViewKey("candles", length_s=self.length_s)
        return ViewKey(self.channel)  # type: ignore[arg-type] # is one of CHANNELS

    def chosen(self, known: Collection[str]) -> list[str]:
        """
        The symbols that are asked for, each once.

        Raises:
            BadRequest: One is not traded here, or there is none.
        """
        if self.symbols == ALL:
            return list(known)
        if isinstance(self.symbols, str) or not self.symbols:
            symbols = self.symbols if isinstance(self.symbols, str) else list(self.symbols)
            text = f'symbols {_told(symbols)}; send a list such as ["AAPL"], or "*" for all'
            raise BadRequest("BAD_REQUEST", text, self.id)
        for symbol in self.symbols:
            _check_symbol(symbol, known, self.id)
        return list(dict.fromkeys(self.symbols))


class Subscribe(_OfView, frozen=True, kw_only=True):
    """Send a snapshot of each symbol, and then what changes."""


class Snapshot(_OfView, frozen=True, kw_only=True):
    """Send one snapshot of each symbol now, subscribed or not."""


class Unsubscribe(_Request, frozen=True):
    """End the subscription of this id, all its symbols."""


class Checksum(_Request, frozen=True, kw_only=True):
    """Send the checksum of a book as it is now, and how far the reader's view of it should be."""

    symbol: str
    depth: int = 0
    """Of the reader's book; a checksum is of ten levels at most."""
    view: str = "levels"

    def key(self) -> ViewKey:
        """
        The view that is asked about.

        Raises:
            BadRequest: There is none such.
        """
        return _book_key(self.depth, self.view, self.id)

    def check_symbol(self, known: Collection[str]) -> None:
        """
        See that the symbol is traded here.

        Raises:
            BadRequest: It is not.
        """
        _check_symbol(self.symbol, known, self.id)


class Symbols(_Request, frozen=True):
    """Send what is traded here."""


class Ping(_Request, frozen=True):
    """Send a pong."""


Request = Subscribe | Snapshot | Unsubscribe | Checksum | Symbols | Ping
OPERATIONS: Final = tuple(each.__name__.lower() for each in get_args(Request))


def decode_request(payload: bytes) -> Request:
    """
    Read what a reader sent.

    Raises:
        BadRequest: It is not a request; or its fields are not those of its operation.
    """
    raw = _object(payload)
    request_id = raw.get("id", "")
    if not isinstance(request_id, str) or len(request_id) > ID_LENGTH_MAX:
        raise BadRequest("BAD_REQUEST", f"id is text of at most {ID_LENGTH_MAX} characters")
    if raw.get("op") not in OPERATIONS:
        text = f"op {_told(raw.get('op'))}; choose one of {', '.join(OPERATIONS)}"
        raise BadRequest("UNKNOWN_OP", text, request_id)
    try:
        request: Request = msgspec.convert(raw, Request)
    except msgspec.ValidationError as error:
        raise BadRequest("BAD_REQUEST", f"{error}; see the page of the protocol", request_id) from error
    if isinstance(request, Subscribe | Unsubscribe) and not request.id:
        raise BadRequest("BAD_REQUEST", 'id is missing; a subscription is ended by its id, such as "1"')
    return request


def _object(payload: bytes) -> dict[str, Any]:
    try:
        raw = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("NOT_JSON", f"not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise BadRequest("NOT_JSON", 'not a JSON object; send one such as {"op":"symbols"}')
    return raw


def _book_key(depth: int, view: str, request_id: str) -> ViewKey:
    if view not in VIEWS:
        raise BadRequest("UNKNOWN_VIEW", f"view {_told(view)}; choose one of {', '.join(VIEWS)}", request_id)
    if not 0 <= depth <= DEPTH_MAX:
        text = f"depth {_told(depth)}; 0 is the whole book, 1 to {DEPTH_MAX} the best levels of each side"
        raise BadRequest("BAD_DEPTH", text, request_id)
    return ViewKey("book", depth, view)  # type: ignore[arg-type] # is one of VIEWS


def _check_symbol(symbol: str, known: Collection[str], request_id: str) -> None:
    if symbol not in known:
        text = f'{_told(symbol)} is not traded here; send {{"op":"symbols"}} for those that are'
        raise BadRequest("UNKNOWN_SYMBOL", text, request_id)


def _told(value: object) -> str:
    """What somebody sent, as far as it is worth sending back."""
    text = repr(value)
    return text if len(text) <= _TOLD_MAX else f"{text[:_TOLD_MAX]}..."
