"""
The phases of a trading day, and what may be asked in each of them.

Values are those of TradingSessionSubID(625), and two of our own for what FIX says in SecurityTradingStatus(326) only.
"""

from typing import Final, Literal

Phase = Literal["1", "2", "3", "4", "5", "6", "H", "C"]
PRE_OPEN: Final = "1"
"""Orders are taken and wait; nothing trades."""
OPENING_AUCTION: Final = "2"
"""Orders are taken; the indicative price is published; ends in an uncrossing."""
CONTINUOUS: Final = "3"
CLOSING_AUCTION: Final = "4"
POST_CLOSE: Final = "5"
"""Orders may be canceled, no more."""
VOLATILITY_AUCTION: Final = "6"
"""An auction that the market itself brought about, by a price outside its corridor."""
HALT: Final = "H"
"""The operator stopped trading; ends by command only."""
CLOSED: Final = "C"

AUCTIONS: Final = (OPENING_AUCTION, CLOSING_AUCTION, VOLATILITY_AUCTION)
COLLECTING: Final = (PRE_OPEN, *AUCTIONS)
"""Orders rest without trading, crossed or not; the public book is empty meanwhile."""

PHASE_NAMES: Final[dict[Phase, str]] = {
    PRE_OPEN: "pre-open",
    OPENING_AUCTION: "opening auction",
    CONTINUOUS: "continuous trading",
    CLOSING_AUCTION: "closing auction",
    POST_CLOSE: "post-close",
    VOLATILITY_AUCTION: "volatility auction",
    HALT: "halt",
    CLOSED: "closed",
}
SECURITY_TRADING_STATUS: Final[dict[Phase, str]] = {
    PRE_OPEN: "21",
    OPENING_AUCTION: "21",
    CONTINUOUS: "17",
    CLOSING_AUCTION: "21",
    POST_CLOSE: "26",
    VOLATILITY_AUCTION: "21",
    HALT: "2",
    CLOSED: "18",
}
"""SecurityTradingStatus(326) of each phase."""

NEW_AND_REPLACE_PHASES: Final = (PRE_OPEN, OPENING_AUCTION, CONTINUOUS, CLOSING_AUCTION, VOLATILITY_AUCTION)
"""Where D, G, E and i are taken. F, q, Z, H and AF are taken in every phase."""
