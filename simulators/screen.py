"""
The demo's live screen: `draw` turns a `View` into something that rich prints, and nothing else; `read_keys` says what
was typed. Both are pure. `Keyboard` gives single key presses while it is open, and the terminal back afterwards.
"""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Literal, Self

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from marketdata.messages import IndicativePrice, Level, Trade
from matcher.orders import BUY, SELL
from matcher.phases import CONTINUOUS, PHASE_NAMES, Phase

LEVELS: Final = 5
TRADES: Final = 11
HELP: Final = "\N{LEFTWARDS ARROW} \N{RIGHTWARDS ARROW} or p n: symbol   1-9: choose   q: quit"

_BAR_CHARS: Final = 10
_TAPE_CHARS: Final = 36
_BID: Final = "green"
_ASK: Final = "red"
_AUCTION: Final = "default"
_DIM: Final = "dim"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """All that the screen shows, at one moment."""

    symbols: tuple[str, ...]
    symbol: str
    """The one whose book is shown."""
    is_current: bool
    """The book shown is known to be the venue's."""
    phase: Phase
    indicative: IndicativePrice | None
    """What an auction would give; None if nothing would trade, and outside auctions."""
    bids: tuple[Level, ...]
    """Best first, as `asks`."""
    asks: tuple[Level, ...]
    trades: tuple[Trade, ...]
    """Of the symbol, oldest first."""
    elapsed_s: int
    requests_per_s: int
    trades_per_s: int
    requests: int
    trade_count: int
    rejects: int
    unanswered: int
    latency_us: dict[str, float]
    """p50, p90, p99 and max of the last seconds, from sending a request to reading its answer."""
    sessions_up: int
    sessions: int
    processes_up: int
    processes: int
    fix_port: int


def draw(view: View) -> RenderableType:
    """The whole screen, for a terminal of 80 columns and 24 lines or more."""
    columns = Table.grid(expand=True, padding=(0, 1))
    columns.add_column(ratio=1)
    columns.add_column(width=_TAPE_CHARS)
    columns.add_row(_book(view), Group(_tape(view)))
    return Group(_symbols(view), columns, _figures(view), Text(HELP, style=_DIM))


def _symbols(view: View) -> RenderableType:
    line = Text("OUTCRY ", style="bold")
    for number, symbol in enumerate(view.symbols, 1):
        style = "bold reverse" if symbol == view.symbol else _DIM
        line.append(" ").append(f"{number} {symbol}", style=style)
    return line


def _book(view: View) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1))
    table.add_column("orders", justify="right", style=_DIM)
    table.add_column("quantity", justify="right")
    table.add_column("price", justify="right")
    table.add_column("", justify="left", min_width=_BAR_CHARS)
    shown = view.asks[:LEVELS] + view.bids[:LEVELS]
    largest = max((level.qty_lots for level in shown), default=1)
    for level in _padded(view.asks)[::-1]:
        _add_level(table, level, _ASK, largest)
    qty, price = _middle(view)
    table.add_row("", qty, Text(price, style=_DIM), "")
    for level in _padded(view.bids):
        _add_level(table, level, _BID, largest)
    return Panel(table, title=_title(view), box=box.ROUNDED)


def _title(view: View) -> str:
    if not view.is_current:
        return f"{view.symbol} (waiting for the book)"
    return view.symbol if view.phase == CONTINUOUS else f"{view.symbol} ({PHASE_NAMES[view.phase]})"


def _padded(levels: Sequence[Level]) -> list[Level | None]:
    shown: list[Level | None] = list(levels[:LEVELS])
    return shown + [None] * (LEVELS - len(shown))


def _add_level(table: Table, level: Level | None, colour: str, largest_lots: int) -> None:
    if level is None:
        table.add_row("", "", "", "")
        return
    bar = "\N{FULL BLOCK}" * max(1, level.qty_lots * _BAR_CHARS // largest_lots)
    table.add_row(str(level.order_count), level.qty, Text(level.price, style=f"bold {colour}"), Text(bar, style=colour))


def _middle(view: View) -> tuple[str, str]:
    """What stands between the sides, as quantity and price: the spread, or what an auction would give."""
    if view.indicative is not None:
        return view.indicative.qty, view.indicative.price
    if not (view.bids and view.asks):
        return "", "-"
    ticks = view.asks[0].price_ticks - view.bids[0].price_ticks
    return "", f"{ticks} tick{'s' * (ticks != 1)}"


def _tape(view: View) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1))
    table.add_column("time", style=_DIM)
    table.add_column("price", justify="right")
    table.add_column("quantity", justify="right")
    last = list(view.trades)[-TRADES:][::-1]
    for trade in last:
        time = datetime.fromtimestamp(trade.transact_ns // 1_000_000_000, UTC)
        colour = {BUY: _BID, SELL: _ASK}.get(trade.aggressor_side, _AUCTION)
        table.add_row(f"{time:%H:%M:%S}", Text(trade.price, style=colour), trade.qty)
    for _ in range(TRADES - len(last)):
        table.add_row("", "", "")
    return Panel(table, title="last trades", box=box.ROUNDED)


def _figures(view: View) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 2))
    for _ in range(3):
        table.add_column(ratio=1)
    table.add_row(
        f"[bold]{view.requests_per_s:,}[/] requests/s",
        f"{view.requests:,} requests",
        f"sessions up {view.sessions_up}/{view.sessions}",
    )
    table.add_row(
        f"[bold]{view.trades_per_s:,}[/] trades/s",
        f"{view.trade_count:,} trades",
        f"processes up {view.processes_up}/{view.processes}",
    )
    table.add_row(
        f"{view.unanswered:,} unanswered",
        f"{view.rejects:,} reject{'s' * (view.rejects != 1)}",
        f"FIX port {view.fix_port}",
    )
    names = ("p50", "p90", "p99", "max")
    trip = "   ".join(f"{name} [bold]{view.latency_us[name] / 1000:.2f}[/]" for name in names)
    title = f"all symbols, {view.elapsed_s // 60}:{view.elapsed_s % 60:02d}"
    return Panel(Group(table, Text.from_markup(f"round trip, ms   {trip}")), title=title, box=box.ROUNDED)


Key = Literal["next", "previous", "quit"] | int
"""What a key press asks for; a number chooses the symbol at that place, from 1."""

_KEYS: Final[dict[str, Key]] = {
    "\x1b[C": "next",
    "\x1b[D": "previous",
    "\x1bOC": "next",
    "\x1bOD": "previous",
    "n": "next",
    "p": "previous",
    "q": "quit",
    "Q": "quit",
    **{str(digit): digit for digit in range(1, 10)},
}


def read_keys(typed: str) -> list[Key]:
    """The key presses in what was typed, in order; what means nothing is left out."""
    keys: list[Key] = []
    at = 0
    while at < len(typed):
        size = 3 if typed[at : at + 3] in _KEYS else 1
        if (key := _KEYS.get(typed[at : at + size])) is not None:
            keys.append(key)
        at += size
    return keys


def chosen(symbols: Sequence[str], symbol: str, key: Key) -> str:
    """The symbol to show after a key press."""
    if key == "quit":
        return symbol
    if isinstance(key, int):
        return symbols[key - 1] if key <= len(symbols) else symbol
    step = 1 if key == "next" else -1
    return symbols[(symbols.index(symbol) + step) % len(symbols)]


class Keyboard:
    """Key presses of the terminal at once and without echo, while inside; as before, whatever happened, after it."""

    def __init__(self, on_key: Callable[[Key], None]) -> None:
        self._on_key = on_key
        self._descriptor = sys.stdin.fileno()

    def __enter__(self) -> Self:
        """Switch the terminal over."""
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def _read(self) -> None:
        for key in read_keys(os.read(self._descriptor, 1024).decode(errors="replace")):
            self._on_key(key)
