"""What an order can say beyond a plain one: each tag read, each fault refused, and two faults with one answer."""

from typing import Any

import pytest

from gateway.fix.inbound import Inbound, RequestContext
from matcher.commands import NewOrder, RefusedRequest, ReplaceOrder
from matcher.instructions import Instructions
from matcher.instruments import Increment, Instrument
from matcher.rejects import RejectReason

RECEIVED_NS = 1_760_000_000_123_456_789
"""2025-10-09 08:53:20 UTC."""
CONTEXT = RequestContext("FIX.4.4:FIRMA1", 3, 42, 41, RECEIVED_NS, "FIRMA")
INBOUND = Inbound({"AAPL": Instrument("AAPL", Increment.parse("0.01"), Increment.parse("1"), 1, "USD", shard=0)})
LIMIT = "35=D|11=a-1|38=100|40=2|44=189.50|54=1|55=AAPL|60=20251009-08:53:20.123"
REPLACE = "35=G|11=a-2|38=80|40=2|41=a-1|44=189.60|54=1|55=AAPL|60=20251009-08:53:20.123"
R = RejectReason


def command(message: str, changes: str) -> Any:
    """What a message becomes with tags set, or left out where the new value is `-`."""
    fields = dict(part.split("=", 1) for part in f"{message}|{changes}".split("|") if part)
    return INBOUND.to_command({tag: value for tag, value in fields.items() if value != "-"}, CONTEXT)


STOP = "40=3|44=-|99=190.00"
BUY_STOP = {"trigger_price_type": "2", "trigger_direction": "U", "stop_price_ticks": 19000}
SELL_STOP = BUY_STOP | {"trigger_direction": "D"}
TRAILING = {"trigger_price_type": "2", "trigger_direction": "U", "trail_offset_type": "2"}

READ: list[tuple[str, str, dict[str, Any]]] = [
    # changes, OrdType(40) and TimeInForce(59) of the command, its instructions
    ("40=K|44=-", "K0", {}),
    ("59=2", "22", {}),
    ("59=7", "27", {}),
    ("59=6|432=20251010", "26", {"expire_date": 20251010}),
    ("59=6|126=20251009-08:53:21", "26", {"expire_ns": 1_760_000_001_000_000_000}),
    ("59=6|126=20251009-09:00:00.5", "26", {"expire_ns": 1_760_000_400_500_000_000}),
    (STOP, "30", BUY_STOP),
    (f"{STOP}|54=2", "30", SELL_STOP),
    (f"{STOP}|99=-|1102=190.00", "30", BUY_STOP),
    (f"{STOP}|1102=190.0|1100=4|1101=1", "30", BUY_STOP),
    ("40=4|99=190.00", "40", BUY_STOP),
    (f"{STOP}|59=1", "31", BUY_STOP),
    (f"{STOP}|1107=2", "30", BUY_STOP),
    (f"{STOP}|1107=1", "30", BUY_STOP | {"trigger_price_type": "1"}),
    (f"{STOP}|1107=3", "30", BUY_STOP | {"trigger_price_type": "3"}),
    (f"{STOP}|1107=2|1108=3", "30", BUY_STOP | {"trigger_price_type": "R"}),
    (f"{STOP}|1108=3", "30", BUY_STOP | {"trigger_price_type": "R"}),
    (f"{STOP}|1108=1", "30", BUY_STOP),
    (f"{STOP}|1109=D", "30", SELL_STOP),
    (f"{STOP}|54=2|1109=U", "30", BUY_STOP),
    (f"{STOP}|40=J", "30", SELL_STOP),
    (f"{STOP}|40=J|54=2", "30", BUY_STOP),
    (f"{STOP}|40=J|1109=D", "30", SELL_STOP),
    ("40=3|44=-|18=a|211=0.25", "30", TRAILING | {"trail_offset": 25}),
    ("40=3|44=-|18=a|211=25|836=2", "30", TRAILING | {"trail_offset": 25}),
    ("40=3|44=-|1094=8|211=150|836=1", "30", TRAILING | {"trail_offset": 150, "trail_offset_type": "1"}),
    ("40=3|44=-|18=a|1094=8|211=1|836=0|835=0", "30", TRAILING | {"trail_offset": 100}),
    (f"{STOP}|18=a|211=1", "30", BUY_STOP | {"trail_offset": 100, "trail_offset_type": "2"}),
    ("40=4|18=a|211=1|7004=Y", "40", TRAILING | {"trail_offset": 100, "reports_moves": True}),
    ("40=P|44=-|18=R", "P0", {"peg_price_type": "5"}),
    ("40=P|44=-|18=P", "P0", {"peg_price_type": "4"}),
    ("40=P|44=-|18=M", "P0", {"peg_price_type": "2"}),
    ("40=P|44=-|1094=5", "P0", {"peg_price_type": "5"}),
    ("40=P|44=-|1094=4", "P0", {"peg_price_type": "4"}),
    ("40=P|44=-|1094=2", "P0", {"peg_price_type": "2"}),
    ("40=P|18=R|1094=5", "P0", {"peg_price_type": "5"}),
    ("40=P|18=R|211=-0.02|7004=Y", "P0", {"peg_price_type": "5", "peg_offset_ticks": -2, "reports_moves": True}),
    ("40=P|18=R|211=0", "P0", {"peg_price_type": "5"}),
    ("40=P|18=R|211=3|836=2|59=1", "P1", {"peg_price_type": "5", "peg_offset_ticks": 3}),
    ("40=P|18=R|211=-3|836=2", "P0", {"peg_price_type": "5", "peg_offset_ticks": -3}),
    ("111=10", "20", {"display_qty_lots": 10}),
    ("1138=10", "20", {"display_qty_lots": 10}),
    ("210=10|111=10", "20", {"display_qty_lots": 10}),
    ("111=0", "20", {"display_qty_lots": 0}),
    ("111=100", "20", {"display_qty_lots": 100}),
    ("110=40", "20", {"min_qty_lots": 40}),
    ("110=40|59=3", "23", {"min_qty_lots": 40}),
    ("40=1|44=-|110=100", "10", {"min_qty_lots": 100}),
    ("110=0", "20", {}),
    ("18=6", "20", {"post_only": "R"}),
    ("18=6|7001=R", "20", {"post_only": "R"}),
    ("18=6|7001=S", "20", {"post_only": "S"}),
    ("18=K", "20", {"cancel_on_halt": True}),
    ("18=6 K|111=0", "20", {"post_only": "R", "cancel_on_halt": True, "display_qty_lots": 0}),
    ("2362=desk 7|2964=2", "20", {"self_match_id": "desk 7", "self_match_instruction": "2"}),
    ("2964=0", "20", {"self_match_instruction": "0"}),
    ("2964=4", "20", {"self_match_instruction": "4"}),
    ("7004=N", "20", {}),
    ("1108=1", "20", {}),
]


@pytest.mark.parametrize(("changes", "terms", "instructions"), READ)
def test_what_an_order_says_is_read(changes: str, terms: str, instructions: dict[str, Any]) -> None:
    order = command(LIMIT, changes)
    assert isinstance(order, NewOrder), order
    assert order.ord_type + order.time_in_force == terms
    assert order.instructions == (Instructions(**instructions) if instructions else None)
    assert not order.is_poss_resend


@pytest.mark.parametrize(("changes", "terms", "instructions"), READ)
def test_a_replace_says_the_same_but_for_what_cannot_rest(
    changes: str, terms: str, instructions: dict[str, Any]
) -> None:
    replaced = command(REPLACE.replace("38=80", "38=100"), changes)
    if terms[0] in "1K":
        assert replaced.reason is R.UNSUPPORTED_ORD_TYPE
    elif terms[1] in "23":
        assert replaced.reason is R.UNSUPPORTED_TIME_IN_FORCE
    else:
        assert isinstance(replaced, ReplaceOrder), replaced
        assert replaced.ord_type + replaced.time_in_force == terms
        assert replaced.instructions == (Instructions(**instructions) if instructions else None)


@pytest.mark.parametrize(("flag", "is_poss_resend"), [("Y", True), ("N", False)])
def test_a_possible_resend_says_so(flag: str, is_poss_resend: bool) -> None:
    order = command(LIMIT, f"97={flag}")
    assert order.is_poss_resend is is_poss_resend
    assert order.instructions is None
    assert command(LIMIT, f"97={flag}|18=6").is_poss_resend is is_poss_resend


REFUSED = [
    # changes, reason, tag at fault, part of the text
    ("18=5", R.UNSUPPORTED_INSTRUCTION, 18, "ExecInst(18) '5' is not carried out here; send some of 6 K M P R a"),
    ("18=G", R.UNSUPPORTED_INSTRUCTION, 18, "all or none (ExecInst(18)=G) is not offered; send FOK (59=4), or MinQty"),
    ("40=P|1094=1", R.UNSUPPORTED_INSTRUCTION, 1094, "PegPriceType(1094) '1': send"),
    ("40=P|18=R|211=1|836=1", R.UNSUPPORTED_INSTRUCTION, 836, "PegOffsetType(836) '1': send 0, 2"),
    (f"{STOP}|1107=4", R.UNSUPPORTED_INSTRUCTION, 1107, "TriggerPriceType(1107) '4': send 2 or 1 or 3"),
    (f"{STOP}|1108=2", R.UNSUPPORTED_INSTRUCTION, 1108, "TriggerPriceTypeScope(1108) '2'"),
    (f"{STOP}|1109=X", R.UNSUPPORTED_INSTRUCTION, 1109, "TriggerPriceDirection(1109) 'X': send U or D"),
    (f"{STOP}|1100=1", R.UNSUPPORTED_INSTRUCTION, 1100, "TriggerType(1100) '1': send 4"),
    ("40=P|18=R|835=1", R.UNSUPPORTED_INSTRUCTION, 835, "PegMoveType(835) '1': send 0"),
    ("18=6|7001=X", R.UNSUPPORTED_INSTRUCTION, 7001, "PostOnlyAction(7001) 'X': send R or S"),
    ("7004=X", R.UNSUPPORTED_INSTRUCTION, 7004, "ReportMoves(7004) 'X': send Y or N"),
    ("2964=5", R.UNSUPPORTED_INSTRUCTION, 2964, "SelfMatchPreventionInstruction(2964) '5'"),
    ("2362=" + "x" * 65, R.UNSUPPORTED_INSTRUCTION, 2362, "at most 64 printable ASCII characters"),
    # RULES.md, "Contradictions", row by row
    ("40=1|44=-|18=6", R.CONTRADICTORY_INSTRUCTIONS, 18, "post-only order (18=6) may not take, OrdType(40)=1"),
    (f"{STOP}|18=6", R.CONTRADICTORY_INSTRUCTIONS, 18, "OrdType(40)=3 does nothing else"),
    ("40=K|44=-|18=6", R.CONTRADICTORY_INSTRUCTIONS, 18, "OrdType(40)=K"),
    ("59=3|18=6", R.CONTRADICTORY_INSTRUCTIONS, 18, "TimeInForce(59)=3 must"),
    ("59=4|18=6", R.CONTRADICTORY_INSTRUCTIONS, 18, "TimeInForce(59)=4 must"),
    ("110=1|18=6", R.CONTRADICTORY_INSTRUCTIONS, 18, "MinQty(110) must"),
    ("111=101", R.CONTRADICTORY_INSTRUCTIONS, 38, "the display quantity is above OrderQty(38)"),
    ("59=3|111=10", R.CONTRADICTORY_INSTRUCTIONS, 59, "TimeInForce(59)=3 does not rest"),
    ("59=4|111=0", R.CONTRADICTORY_INSTRUCTIONS, 59, "TimeInForce(59)=4 does not rest"),
    ("40=1|44=-|111=10", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=1 does not rest"),
    ("40=K|44=-|111=0", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=K does not rest"),
    (f"{STOP}|111=10", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=3 does not rest"),
    ("110=101", R.CONTRADICTORY_INSTRUCTIONS, 110, "MinQty(110) is above OrderQty(38)"),
    ("59=4|110=10", R.CONTRADICTORY_INSTRUCTIONS, 59, "59)=4 means all of it, MinQty(110) some"),
    (f"{STOP}|110=10", R.CONTRADICTORY_INSTRUCTIONS, 40, "does not trade on entry"),
    ("40=4|99=190|110=10", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=4 does not trade on entry"),
    ("40=P|18=R|110=10", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=P does not trade on entry"),
    ("40=3|44=-", R.INVALID_STOP_PRICE, 99, "a stop order waits for a price; send StopPx(99)"),
    ("40=4", R.INVALID_STOP_PRICE, 99, "send StopPx(99)"),
    ("99=190.00", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=2 waits for no trigger"),
    ("18=6 K a", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=2 does not trail; leave out ExecInst(18)=a or"),
    ("40=1|44=-|99=190.00", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=1 waits for no trigger"),
    ("1107=1", R.CONTRADICTORY_INSTRUCTIONS, 40, "waits for no trigger"),
    ("1108=3", R.CONTRADICTORY_INSTRUCTIONS, 40, "waits for no trigger"),
    ("1109=U", R.CONTRADICTORY_INSTRUCTIONS, 40, "waits for no trigger"),
    ("40=P|18=R|99=190.00", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=P waits for no trigger"),
    ("18=a|211=1", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=2 does not trail"),
    ("40=P|18=R|59=3", R.CONTRADICTORY_INSTRUCTIONS, 40, "rests, which TimeInForce(59)=3 does not"),
    ("40=P|18=R|59=4", R.CONTRADICTORY_INSTRUCTIONS, 40, "TimeInForce(59)=4"),
    ("40=P|18=R|59=2", R.CONTRADICTORY_INSTRUCTIONS, 40, "TimeInForce(59)=2"),
    ("40=P|18=R|59=7", R.CONTRADICTORY_INSTRUCTIONS, 40, "TimeInForce(59)=7"),
    ("40=P", R.CONTRADICTORY_INSTRUCTIONS, 40, "a pegged order (40=P) must say to what"),
    ("18=R", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=2 is not pegged"),
    (f"{STOP}|1094=5", R.CONTRADICTORY_INSTRUCTIONS, 40, "OrdType(40)=3 is not pegged"),
    ("59=6", R.INVALID_EXPIRY, 59, "send one of ExpireDate(432) and ExpireTime(126)"),
    ("59=6|432=20251010|126=20251010-10:00:00", R.INVALID_EXPIRY, 59, "send one of"),
    ("432=20251010", R.INVALID_EXPIRY, 432, "say nothing with TimeInForce(59)=0; send 59=6"),
    ("59=1|126=20251010-10:00:00", R.INVALID_EXPIRY, 432, "with TimeInForce(59)=1"),
    (f"{STOP}|59=2", R.CONTRADICTORY_INSTRUCTIONS, 59, "TimeInForce(59)=2 is for one auction"),
    ("40=4|99=190|59=7", R.CONTRADICTORY_INSTRUCTIONS, 59, "OrdType(40)=4 misses"),
    ("40=K|44=-|59=7", R.CONTRADICTORY_INSTRUCTIONS, 59, "OrdType(40)=K misses"),
    ("40=K", R.INVALID_PRICE, 44, "Price(44) '189.50' on a market-to-limit order; leave it out"),
    ("40=3|99=190", R.INVALID_PRICE, 44, "Price(44) '189.50' on a stop order"),
    # Contradictions that are FIX's own: two tags for one thing
    (f"{STOP}|1102=191.00", R.CONTRADICTORY_INSTRUCTIONS, 99, "StopPx(99) and TriggerPrice(1102) are one price"),
    (f"{STOP}|1107=1|1108=3", R.CONTRADICTORY_INSTRUCTIONS, 1108, "the reference price (1108=3) goes with 1107=2"),
    (
        f"{STOP}|40=J|1109=U",
        R.CONTRADICTORY_INSTRUCTIONS,
        1109,
        "OrdType(40)=J waits for the better price; send 1109=D",
    ),
    ("40=P|18=R M", R.CONTRADICTORY_INSTRUCTIONS, 1094, "name several prices to follow"),
    ("40=P|18=R|1094=4", R.CONTRADICTORY_INSTRUCTIONS, 1094, "name several prices to follow"),
    ("40=P|18=R a|211=1", R.CONTRADICTORY_INSTRUCTIONS, 1094, "name several prices to follow"),
    ("211=1", R.CONTRADICTORY_INSTRUCTIONS, 211, "PegOffsetValue(211) is for trailing and pegged orders"),
    ("836=2", R.CONTRADICTORY_INSTRUCTIONS, 211, "is for trailing and pegged orders"),
    ("111=10|1138=20", R.CONTRADICTORY_INSTRUCTIONS, 111, "are one quantity; send one"),
    ("7001=S", R.CONTRADICTORY_INSTRUCTIONS, 7001, "PostOnlyAction(7001) is for post-only orders"),
    # Numbers
    ("38=100|110=1.5", R.INVALID_QTY, 110, "MinQty(110) '1.5': send a multiple of 1"),
    ("111=x", R.INVALID_QTY, 111, "MaxFloor(111) 'x'"),
    ("1138=-1", R.INVALID_QTY, 1138, "DisplayQty(1138) '-1'"),
    ("40=P|18=R|211=x", R.INVALID_PRICE, 211, "PegOffsetValue(211) 'x'"),
    (
        "40=3|44=-|18=a|211=-0.50",
        R.INVALID_STOP_PRICE,
        211,
        "send a distance above 0, at most 1000000.00 with PegOffsetType(836)=0",
    ),
    ("40=J|44=-|59=7|99=1", R.CONTRADICTORY_INSTRUCTIONS, 59, "for one auction, which OrdType(40)=J misses"),
    ("40=P|18=R|211=1.5|836=2", R.INVALID_PRICE, 211, "send a number, at most 100000000 with PegOffsetType(836)=2"),
    ("40=P|18=R|211=0.001", R.PRICE_OFF_TICK, 211, "PegOffsetValue(211) '0.001': send a multiple of the tick 0.01"),
    ("40=3|44=-|18=a", R.INVALID_STOP_PRICE, 211, "a trailing stop needs PegOffsetValue(211)"),
    ("40=3|44=-|18=a|211=0", R.INVALID_STOP_PRICE, 211, "send a distance above 0"),
    ("40=3|44=-|18=a|211=-0.25", R.INVALID_STOP_PRICE, 211, "'-0.25': send a distance above 0"),
    ("40=3|44=-|18=a|211=10000|836=1", R.INVALID_STOP_PRICE, 211, "at most 9999 with PegOffsetType(836)=1"),
    ("40=3|44=-|99=0", R.INVALID_STOP_PRICE, 99, "StopPx(99) '0': send a plain decimal above 0"),
    ("40=3|44=-|99=x", R.INVALID_STOP_PRICE, 99, "StopPx(99) 'x'"),
    ("40=3|44=-|99=190.005", R.PRICE_OFF_TICK, 99, "StopPx(99) '190.005': send a multiple of the tick 0.01"),
    ("59=6|432=20250230", R.INVALID_EXPIRY, 432, "ExpireDate(432) '20250230': send YYYYMMDD"),
    ("59=6|432=2025-02-03", R.INVALID_EXPIRY, 432, "send YYYYMMDD"),
    ("59=6|126=noon", R.INVALID_EXPIRY, 126, "ExpireTime(126) 'noon': send YYYYMMDD-HH:MM:SS"),
    ("59=6|126=20251009-08:53:20", R.INVALID_EXPIRY, 126, "it has passed; send a later time"),
]


@pytest.mark.parametrize(("changes", "reason", "ref_tag", "text"), REFUSED)
def test_what_cannot_be_carried_out_is_refused(changes: str, reason: RejectReason, ref_tag: int, text: str) -> None:
    refusal = command(LIMIT, changes)
    assert isinstance(refusal, RefusedRequest), refusal
    assert (refusal.reason, refusal.ref_tag) == (reason, ref_tag)
    assert text in refusal.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ("38=0|111=10|59=3", R.CONTRADICTORY_INSTRUCTIONS),
        ("38=0|111=10", R.INVALID_QTY),
        ("38=x|111=x|44=x", R.INVALID_QTY),
        ("40=4|99=x|44=x", R.INVALID_PRICE),
        ("40=4|99=190.005|44=x", R.INVALID_PRICE),
        ("40=4|99=x|44=1.005", R.INVALID_STOP_PRICE),
        ("40=4|99=190|44=1.005|59=6", R.INVALID_EXPIRY),
        ("40=4|99=190.005|44=189.00", R.PRICE_OFF_TICK),
        ("7001=S|18=G", R.UNSUPPORTED_INSTRUCTION),
        ("7001=S|59=6", R.CONTRADICTORY_INSTRUCTIONS),
    ],
)
def test_of_two_faults_the_one_that_stands_first_is_answered(changes: str, reason: RejectReason) -> None:
    assert command(LIMIT, changes).reason is reason
