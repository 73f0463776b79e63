"""The table of commands behind `./outcry`: each is a module with `main(argv) -> int`, loaded when it is used."""

import importlib
import sys
from typing import Final, cast

import msgspec

EX_USAGE: Final = 64


class _Command(msgspec.Struct, frozen=True):
    module: str
    summary: str


COMMANDS: Final = {
    "demo": _Command("simulators.demo", "a whole venue with trading bots and a live view; nothing to configure"),
    "test": _Command("venue.checks", "every check that the project must pass; arguments go to pytest"),
    "up": _Command("venue.up", "run a whole venue in the foreground"),
    "reload": _Command("venue.reload", "have a venue that is up read its sessions from the configuration again"),
    "gateway": _Command("gateway.__main__", "one process of a venue: FIX order entry and market data"),
    "matcher": _Command("matcher.__main__", "one process of a venue: the matcher of one shard"),
    "marketdata": _Command("marketdata.__main__", "one process of a venue: market data"),
    "websocket": _Command("marketdata.websocket.__main__", "one process of a venue: market data over WebSocket"),
    "operator": _Command("venue.operator", "orders to a running venue: halt, resume, limits, busts, new instruments"),
    "handover": _Command("venue.handover", "have a standby lead a shard, without waiting for a time-out"),
    "replay-log": _Command("matcher.process.replay_log", "rebuild a venue's shards from their logs alone, and compare"),
    "trade-file": _Command("gateway.drop_copy.trade_file", "all trades of a trading day as CSV, with totals"),
    "replay": _Command("simulators.replay", "play recorded order flow into a venue"),
    "torture": _Command("simulators.torture.command", "hurt a venue under load, and check every promise from outside"),
    "bench": _Command("simulators.bench", "measure a venue under load"),
}
HELP_WORDS: Final = ("help", "-h", "--help")


def main(argv: list[str] | None = None) -> int:
    """Run the command that the arguments name; returns its exit status."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["help"]
    if name in HELP_WORDS:
        sys.stdout.write(_help())
        return 0
    command = COMMANDS.get(name)
    if command is None:
        sys.stderr.write(f"outcry: there is no command {name!r}; choose one of {', '.join(COMMANDS)}, help\n")
        return EX_USAGE
    try:
        return cast(int, importlib.import_module(command.module).main(rest))
    except KeyboardInterrupt:
        return 130


def _help() -> str:
    lines = [f"  {name:<11} {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: ./outcry COMMAND [ARGUMENTS]", "", *lines, "", "./outcry COMMAND --help says more.", ""])


if __name__ == "__main__":
    sys.exit(main())
