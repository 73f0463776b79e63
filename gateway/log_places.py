"""
How far a gateway needs EXEC no more: as far as each of its sessions was sent all, and has it in its store.

A session may be at another gateway, or at none, left behind where its client was last. Its place is then the latest of
the marks that the gateways keep; each gateway where it may log on sees to it, so that it finds what it missed there. Of
a drop copy counts what its client has read, and nothing before its first Logon. A session that is no longer configured
is not waited for: it misses what is trimmed until it returns.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bus.places import Place
from bus.subjects import exec_stream
from configs.loader import Venue
from gateway import sent_marks
from gateway.executions import Executions
from gateway.sent_marks import SentMark
from sessions.accounts import Accounts


class LogPlaces:
    """The places of one gateway."""

    def __init__(self, venue: Venue, accounts: Accounts, executions: Executions, data_dir: Path) -> None:
        """
        Args:
            venue: As this gateway sees it.
            accounts: Of all sessions that may log on here; changes with the configuration.
            executions: Has the marks of those that are here.
            data_dir: Where all gateways keep their marks.
        """
        self._accounts = accounts
        self._executions = executions
        _, *others = venue.gateway_ids
        self._load_others = [
            partial(sent_marks.load, sent_marks.path_of(data_dir, each), each, venue.config.shards) for each in others
        ]

    def places(self) -> Mapping[str, Place]:
        """By log; nothing as long as a session has no mark, which it has soon."""
        executions = self._executions
        least = [Place(position) for position in executions.positions]
        kinds = dict.fromkeys(executions.sessions, "") | {
            account.key.session_id: account.kind for account in self._accounts if account.kind != "marketdata"
        }
        others = [load() for load in self._load_others]
        for session_id, kind in sorted(kinds.items()):
            mark = executions.stored_marks.get(session_id)
            for theirs in others:
                mark = sent_marks.later(mark, theirs.get(session_id))
            if mark is not None:
                least = _least(least, session_id, mark)
            elif kind != "dropcopy" or session_id in executions.sessions:
                return {}
        return {exec_stream(shard): place for shard, place in enumerate(least)}


def _least(least: list[Place], session_id: str, mark: SentMark) -> list[Place]:
    return [
        Place(position, session_id) if position < place.seq else place
        for place, position in zip(least, mark.needed_positions, strict=True)
    ]
