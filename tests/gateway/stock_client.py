"""A client with the dictionaries that come with QuickFIX: what it would say to our reports."""

import sys
from pathlib import Path

import quickfix

from sessions.fix_text import SOH, body_of


def stock_dictionary(name: str) -> quickfix.DataDictionary:
    return quickfix.DataDictionary(str(Path(sys.prefix) / "share" / "quickfix" / f"{name}.xml"))


DICTIONARIES = {
    "FIX.4.2": (stock_dictionary("FIX42"),),
    "FIX.4.4": (stock_dictionary("FIX44"),),
    "FIXT.1.1": (stock_dictionary("FIXT11"), stock_dictionary("FIX50SP2")),
}


def whole_message(body: str, begin_string: str) -> str:
    msg_type, _, rest = body.partition(SOH)
    header = f"{msg_type}{SOH}34=1{SOH}49=OUTCRY{SOH}52=20251009-08:53:20.123{SOH}56=FIRMA1{SOH}"
    text = f"8={begin_string}{SOH}9={len((header + rest).encode())}{SOH}{header}{rest}"
    return f"{text}10={sum(text.encode()) % 256:03d}{SOH}"


def check_with_stock_client(body: str, begin_string: str) -> None:
    """Raise as a QuickFIX client would that has the dictionaries that come with it."""
    dictionaries = DICTIONARIES[begin_string]
    text = whole_message(body, begin_string)
    message = quickfix.Message(text, *dictionaries, True)
    if len(dictionaries) == 1:
        dictionaries[0].validate(message)
    else:
        quickfix.DataDictionary.validate(message, *dictionaries)
    assert body_of(message.toString()) == body, "QuickFIX orders the fields otherwise"
