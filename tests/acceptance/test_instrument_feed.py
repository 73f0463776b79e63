"""What the operator does to instruments while a venue runs, as the readers of c, d, g and h see it."""

from pathlib import Path

from venue.up import RunningVenue

from .test_auction_feed import Session
from .test_operator import operator

NEW = '[instruments]\nNEW = { tick = "0.05", reference_price = "10.00", shard = 1 }\n'
NEWER = '[instruments]\nNEW = { tick = "0.05", reference_price = "10.00", shard = 1, qty_max = "50" }\n'
TERMS = "1310=1|1301=OUTCRY|1300=NONE|1150={price}|562=1|{largest}561=1"


def told(number: int, symbol: str, status: str, *, price: str, tick: str, phase: str, qty_max: str = "") -> str:
    """The d of an instrument in 5.0SP2."""
    text = f"tick {tick}, lot 1" + (f", quantity at most {qty_max}" if qty_max else "")
    rules = TERMS.format(price=price, largest=f"1140={qty_max}|" if qty_max else "")
    session = f"|1309=1|336=1|625={phase}" if phase else ""
    head = f"d 320=c1|322=c1-{number}|323=1|55={symbol}|1151=NONE|965={status}|969={tick}|15=USD"
    return f"{head}|58={text}|{rules}{session}"


async def test_definitions_and_segments_as_their_readers_see_them(venue: RunningVenue, tmp_path: Path) -> None:
    reader, symbols = Session(), list(venue.venue.instruments)
    await reader.connect(venue, "MD1")
    reader.send("35=g|335=g1|263=1|1300=NONE|")
    assert await reader.next() == "h 335=g1|1300=NONE|336=1|625=3|340=2|58=continuous trading"
    reader.send("35=c|320=c1|321=3|263=1|")
    answers = [await reader.next() for _ in symbols]
    assert [answer.split("|")[3].removeprefix("55=") for answer in answers] == symbols

    await operator(venue, "halt", "TEST1")
    assert await reader.next() == told(12, "TEST1", "9", price="100.00", tick="0.01", phase="")
    await operator(venue, "resume", "TEST1")
    assert await reader.next() == told(13, "TEST1", "1", price="100.00", tick="0.01", phase="3")

    for number, (text, qty_max) in enumerate(((NEW, ""), (NEWER, "50")), 14):
        (tmp_path / "new.toml").write_text(text)
        await operator(venue, "define", tmp_path / "new.toml")
        assert await reader.next() == told(number, "NEW", "1", price="10.00", tick="0.05", phase="3", qty_max=qty_max)
    reader.send("35=x|320=l1|559=4|")
    assert f"|393={len(symbols) + 1}|893=Y|" in await reader.next()

    halted = symbols[: len(symbols) // 2 + 2]
    await operator(venue, "halt", *halted)
    news = [await reader.next() for _ in range(len(halted) + 1)]
    assert [text for text in news if text.startswith("h")] == ["h 335=g1|1300=NONE|336=1|340=1|58=halt"]
    assert {text.split("|")[3].removeprefix("55=") for text in news if "|965=9|" in text} == set(halted)
    await reader.close()
