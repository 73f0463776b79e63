"""FIX words that requests say and reports repeat: values of OrdType(40), ExecInst(18) and PegPriceType(1094)."""

from collections.abc import Mapping
from typing import Final

from matcher.instructions import MARKET_PEG, MID_PRICE_PEG, PRIMARY_PEG, PegPriceType

MARKET_IF_TOUCHED: Final = "J"
"""OrdType(40) of a take-profit: here a stop (3) that waits for the other direction."""

# ExecInst(18)
POST_ONLY: Final = "6"
CANCEL_ON_HALT: Final = "K"
ALL_OR_NONE: Final = "G"
TRAILS: Final = "a"
EXEC_INST_OF_PEG: Final[Mapping[PegPriceType, str]] = {PRIMARY_PEG: "R", MARKET_PEG: "P", MID_PRICE_PEG: "M"}

TRAILING_STOP_PEG: Final = "8"
"""PegPriceType(1094) of a stop that trails."""
