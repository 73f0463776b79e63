"""A restored engine is the engine that was dumped, and what is not a snapshot of this shard is refused."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from matcher.books.snapshot import SNAPSHOT_VERSION, SnapshotError
from matcher.commands import GatewayStarted
from matcher.engine.engine import Engine
from matcher.orders import BUY, SELL
from tests.matcher.desk import Desk, instruments
from tests.matcher.random_commands import FINISHED_ORDERS_MAX, ORDERS_MAX, new_engine, seeded_commands
from tests.matcher.replay_hash import replay

ROOT = Path(__file__).resolve().parents[2]


def restored(snapshot: bytes) -> Engine:
    return Engine.restore(snapshot, orders_max=ORDERS_MAX, finished_orders_max=FINISHED_ORDERS_MAX)


@pytest.mark.parametrize("seed", range(5))
def test_a_restored_engine_goes_on_as_if_nothing_had_happened(seed: int) -> None:
    run = list(seeded_commands(seed, 1000))
    uninterrupted, engine = new_engine(), new_engine()
    for number, (input_seq, command) in enumerate(run):
        expected = uninterrupted.apply(command, input_seq)
        assert engine.apply(command, input_seq) == expected
        if number % 50 == 0:
            snapshot = engine.dump()
            engine = restored(snapshot)
            engine.check()
            assert engine.dump() == snapshot
    assert engine.state_hash() == uninterrupted.state_hash()


def test_a_snapshot_keeps_gateways_and_sessions() -> None:
    engine = new_engine()
    engine.apply_record("gw1", 5, 1, [GatewayStarted("gw1", 0)], 7)
    for _, command in seeded_commands(1, 50):
        engine.apply(command, 7)
    again = restored(engine.dump())
    assert again.last_input_seq == 7
    assert again.apply_record("gw1", 5, 1, [GatewayStarted("gw1", 0)], 8) == ([], [])
    *_, mine = engine.apply_record("gw1", 6, 1, [GatewayStarted("gw1", 0)], 9)[0]
    *_, theirs = again.apply_record("gw1", 6, 1, [GatewayStarted("gw1", 0)], 9)[0]
    assert mine == theirs
    assert len(mine.sessions) == 4


def test_the_queue_keeps_its_order() -> None:
    desk = Desk()
    desk.new("a1", BUY, 10, 100)
    desk.new("a2", BUY, 10, 100)
    desk.replace("a3", "a1", BUY, 11, 100)
    again = Desk(Engine.restore(desk.engine.dump(), orders_max=9, finished_orders_max=9))
    assert again.new("s1", SELL, 10, 100, session="B1")[2] == "filled 10@100 match 1 resting #2 a2 10+0/10 FILLED"
    assert again.increment == "4: change bid 11@100 x1, trade 10@100 match 1 by ask"


def test_the_instruments_are_in_the_snapshot_with_their_rules() -> None:
    desk = Desk(protection_ticks=3)
    [other] = instruments("NEW", price_band_bps=100)
    desk.define(other)
    again = restored(desk.engine.dump())
    assert list(again.instruments.items()) == list(desk.engine.instruments.items())
    assert again.symbols == ["TEST", "OTHER", "NEW"]


def test_a_smaller_memory_forgets_the_oldest() -> None:
    desk = Desk()
    for number in range(20):
        desk.new(f"a{number}", BUY, 10, 100)
        desk.cancel(f"c{number}", f"a{number}", BUY)
    engine = restored(desk.engine.dump())
    engine.check()
    assert engine.finished_order_count == FINISHED_ORDERS_MAX


def test_another_version_is_refused() -> None:
    version, *rest = msgspec.msgpack.decode(new_engine().dump())
    snapshot = msgspec.msgpack.encode([version + 1, *rest])
    with pytest.raises(SnapshotError, match=f"has version {SNAPSHOT_VERSION + 1}, but this build reads"):
        restored(snapshot)


def test_any_damage_is_noticed() -> None:
    engine = new_engine()
    for input_seq, command in seeded_commands(1, 30):
        engine.apply(command, input_seq)
    snapshot = engine.dump()
    for position in range(len(snapshot)):
        damaged = bytearray(snapshot)
        damaged[position] ^= 0x10
        with pytest.raises(SnapshotError):
            restored(bytes(damaged))


@pytest.mark.parametrize("snapshot", [b"", b"no snapshot", msgspec.msgpack.encode([1, b"", {}])])
def test_what_is_not_a_snapshot_is_refused(snapshot: bytes) -> None:
    with pytest.raises(SnapshotError):
        restored(snapshot)


def test_a_truncated_snapshot_is_refused() -> None:
    with pytest.raises(SnapshotError, match="does not decode"):
        restored(new_engine().dump()[:-1])


def test_the_state_hash_is_the_digest_of_the_dump() -> None:
    engine = new_engine()
    empty = engine.state_hash()
    assert empty == sha256(engine.dump()).hexdigest()
    for input_seq, command in seeded_commands(1, 30):
        engine.apply(command, input_seq)
    assert engine.state_hash() != empty


def test_a_replay_in_another_process_gives_the_same_bytes() -> None:
    here = replay(7, 2000)
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-m", "tests.matcher.replay_hash", "7", "2000"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert run.stdout == here
