"""Replays seeded random commands of all kinds and prints the state hash, and a digest of all that was answered."""

import sys
from hashlib import sha256

import msgspec

from matcher.commands import GatewayStarted
from tests.matcher.random_commands import new_engine, seeded_commands


def replay(seed: int, count: int) -> str:
    engine = new_engine()
    answered = sha256()
    encode = msgspec.msgpack.encode
    # Strings that live in sets and dicts, in an order that must not depend on their hashes.
    for number in range(5):
        answered.update(
            encode(engine.apply_record(f"gw{number}", 1, 1, [GatewayStarted(f"gw{number}", 0)], number + 1))
        )
    match_ids: dict[str, int] = {}
    for input_seq, command in seeded_commands(seed, count, match_ids):
        output = engine.apply(command, input_seq + 5)
        answered.update(encode(output))
        match_ids |= {one.symbol: trade.match_id for one in output.increments for trade in one.trades}
    return f"{engine.state_hash()} {answered.hexdigest()}"


if __name__ == "__main__":
    sys.stdout.write(replay(int(sys.argv[1]), int(sys.argv[2])))
