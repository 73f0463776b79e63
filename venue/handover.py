"""`./outcry handover`: has a standby lead a shard, such as before work on the leader's machine."""

import argparse
import asyncio
import sys

from bus.connection import Bus, BusError, NobodyThere
from bus.subjects import handover_subject
from configs.loader import ConfigError
from matcher.process.leadership import HandedOver, decode_handed_over
from venue import running
from venue.process import EX_CONFIG, EX_TEMPFAIL, load_venue

PATIENCE_S = 10.0
"""For the leader to finish what it has begun, and the standby to lead."""


def main(argv: list[str] | None = None) -> int:
    """Hand over a shard; returns 0, 75 if nobody could take it, 78 if it cannot be as asked."""
    parser = argparse.ArgumentParser(prog="outcry handover", description="Have a standby lead a shard.")
    running.add_arguments(parser)
    parser.add_argument("--shard", type=int, default=0, metavar="N", help="which shard; default: 0")
    options = parser.parse_args(argv)
    try:
        done = asyncio.run(_hand_over(options))
    except ConfigError as error:
        return _refuse(str(error), EX_CONFIG)
    except NobodyThere:
        return _refuse(f"nobody leads shard {options.shard}; is the venue up?", EX_TEMPFAIL)
    except BusError as error:
        return _refuse(f"{error}; is the venue up?", EX_TEMPFAIL)
    if done.error:
        return _refuse(done.error, EX_TEMPFAIL)
    sys.stdout.write(
        f"replica {done.replica} leads shard {options.shard} as epoch {done.leader_epoch}; nothing was matched for "
        f"{done.pause_ms:.1f} ms\n"
    )
    return 0


async def _hand_over(options: argparse.Namespace) -> HandedOver:
    options.config = running.chosen_config(options)
    venue = load_venue(options)
    if not 0 <= options.shard < venue.config.shards:
        raise ConfigError(f"--shard {options.shard}, but {options.config} has shards 0 to {venue.config.shards - 1}")
    bus = await Bus.connect(venue.config.nats.url, name="handover", patience_s=1.0, is_command=True)
    try:
        return decode_handed_over(await bus.request(handover_subject(options.shard), b"", PATIENCE_S))
    finally:
        await bus.close()


def _refuse(sentence: str, status: int) -> int:
    sys.stderr.write(f"outcry: {sentence}\n")
    return status
