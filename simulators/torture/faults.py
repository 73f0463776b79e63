"""All kinds of faults, by name."""

from typing import Final

from simulators.torture.disk_faults import FullDisk, SlowDisk
from simulators.torture.leader_faults import HandOver, KillLeader, PauseLeader
from simulators.torture.network_faults import BreakMessage, CrashClient, CutClients, CutServer
from simulators.torture.process_faults import (
    KillGateway,
    KillInBatch,
    KillInMassCancel,
    KillInSnapshot,
    KillMarketData,
    KillMatcher,
    KillPaused,
    KillServer,
    KillTwo,
    PauseGateway,
    PauseMarketData,
    PauseMatcher,
    PauseServer,
)
from simulators.torture.stage import Fault

KINDS: Final[dict[str, type[Fault]]] = {
    kind.name: kind
    for kind in (
        KillGateway,
        KillMatcher,
        KillMarketData,
        KillServer,
        KillTwo,
        KillInBatch,
        KillInSnapshot,
        KillInMassCancel,
        KillPaused,
        KillLeader,
        PauseLeader,
        HandOver,
        PauseGateway,
        PauseMatcher,
        PauseServer,
        PauseMarketData,
        CutServer,
        CutClients,
        BreakMessage,
        CrashClient,
        SlowDisk,
        FullDisk,
    )
}
"""By name, as `--kinds` has it."""
