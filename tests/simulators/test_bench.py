"""The command line of the load generator."""

import asyncio

import orjson

from sessions.fix_text import parse
from simulators.bench import main


async def test_the_command_prints_one_line_of_json(small_venue, capsysbinary):
    arguments = (
        "--sender FIRMA1 --symbols AAPL,SAP --price AAPL=50.00 --orders 200 --warmup 0 --window 5 --profile fast"
    )

    status = await asyncio.to_thread(main, ["--port", str(small_venue.port), *arguments.split()])

    out = capsysbinary.readouterr().out
    report = orjson.loads(out)
    assert (status, out.count(b"\n")) == (0, 1)
    assert (report["orders_answered"], report["unanswered"], report["errors"]) == (200, 0, [])
    assert (report["profile"], report["config"]["symbols"]) == ("fast", ["AAPL", "SAP"])
    orders = [parse(text) for text in small_venue.requests]
    prices = {order["44"] for order in orders if order["55"] == "AAPL" and "44" in order}
    assert all(49.95 <= float(price) <= 50.05 for price in prices)


def test_the_command_says_in_one_line_what_is_wrong(capsysbinary):
    assert main(["--port", "1", "--sender", "FIRMA1"]) == 64
    assert capsysbinary.readouterr().err.startswith(b"outcry bench: FIRMA1 at 127.0.0.1:1: no connection")


def test_an_unknown_symbol_is_refused_with_the_known_ones(capsysbinary):
    assert main(["--symbols", "NOSUCH"]) == 64
    assert b"NOSUCH is not in the instruments file; it has AAPL" in capsysbinary.readouterr().err
