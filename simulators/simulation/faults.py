"""What may befall the venue besides bad weather: each fault at its moment, to a process or to the server."""

from collections.abc import Callable, Sequence
from typing import Final

from bus.subjects import exec_stream, handover_subject, ord_stream
from simulators.simulation.gateway import Gateway
from simulators.simulation.matcher import Matcher
from simulators.simulation.process import Process, World
from simulators.simulation.server import SHARD

_OPERATOR: Final = "_INBOX.operator.1"


Fault = Callable[["Stage"], str]
"""Returns what it did; nothing, if there was nobody to do it to."""


class Stage:
    """The venue, as faults see it."""

    def __init__(self, world: World, gateways: Sequence[Gateway], matchers: Sequence[Matcher]) -> None:
        self.world = world
        self.gateways = gateways
        self.matchers = matchers
        self.struck = 0
        """Faults so far."""
        self.wall_offset_ns = 0
        """How much the wall clock was set."""

    @property
    def processes(self) -> list[Process]:
        """All of them."""
        return [*self.gateways, *self.matchers]

    def strike(self, fault: Fault) -> None:
        """Have one fault happen."""
        if told := fault(self):
            self.struck += 1
            self.world.tell(told)

    def leader(self) -> Matcher | None:
        """One that believes that it leads."""
        return next((matcher for matcher in self.matchers if matcher.is_leading), None)

    def standby(self) -> Matcher | None:
        """One that does not; drawn."""
        others = [matcher for matcher in self.matchers if not matcher.is_leading]
        return self.world.random.choice(others) if others else None

    def any_process(self) -> Process:
        """Drawn."""
        return self.world.random.choice(self.processes)

    def seconds(self, most: float) -> float:
        """Drawn; short ones as often as long ones."""
        return self.world.random.choice((0.02, 0.2, 1.0)) * self.world.random.random() * most


def _kill(process: Process | None) -> str:
    if process is None or process.loop is None:
        return ""
    process.kill()
    process.restart_later()
    return f"kill {process.name}"


def _pause(stage: Stage, process: Process | None) -> str:
    if process is None or not process.is_running:
        return ""
    seconds = stage.seconds(3.0)
    process.pause(seconds)
    return f"pause {process.name} for {seconds:.3f} s"


def kill_leader(stage: Stage) -> str:
    """Another one takes over, or the same one comes back."""
    return _kill(stage.leader())


def kill_standby(stage: Stage) -> str:
    """It recovers while the other one leads."""
    return _kill(stage.standby())


def kill_gateway(stage: Stage) -> str:
    """Its clients send again what did not reach the log."""
    return _kill(stage.world.random.choice(stage.gateways))


def kill_leader_after_write(stage: Stage) -> str:
    """Its next answer is stored, but it does not live to hear of that."""
    stage.world.server.on_stored[exec_stream(SHARD)] = lambda: stage.strike(kill_leader)
    return "kill the leader after its next write"


def kill_matchers_after_order(stage: Stage) -> str:
    """Something is asked, and nobody lives to answer it."""
    stage.world.server.on_stored[ord_stream(SHARD)] = lambda: stage.world.agenda.call_later(
        stage.seconds(0.1), stage.strike, kill_all_matchers
    )
    return "kill all matchers after the next record of ORD"


def kill_gateway_after_write(stage: Stage) -> str:
    """A record of somebody's is stored; a gateway does not live to hear of that."""
    stage.world.server.on_stored[ord_stream(SHARD)] = lambda: stage.strike(kill_gateway)
    return "kill a gateway after the next record of ORD"


def kill_leader_unheard(stage: Stage) -> str:
    """The standby has not heard of the last answers when the leader dies."""
    standby = stage.standby()
    if standby is not None and standby.bus is not None:
        standby.bus.hold(0.2 + stage.seconds(2.0))
    stage.world.agenda.call_later(stage.seconds(0.5), stage.strike, kill_leader)
    return "hold what the standby hears, and kill the leader soon"


def restart_leader(stage: Stage) -> str:
    """As in a rolling restart: it is asked to end."""
    leader = stage.leader()
    if leader is None:
        return ""
    leader.stop()
    return f"stop {leader.name}"


def stop_successor(stage: Stage) -> str:
    """A standby is asked to end while it takes over."""
    standby, killed = stage.standby(), kill_leader(stage)
    if standby is None or not killed:
        return killed
    stage.world.agenda.call_later(stage.seconds(1.0), standby.stop)
    return f"{killed}, and stop {standby.name} soon"


def reset_session(stage: Stage) -> str:
    """A client begins its numbers anew; what it had asked before is no longer its concern."""
    client = stage.world.random.choice(stage.world.random.choice(stage.gateways).clients)
    client.begin_anew()
    return f"{client.session_id} begins epoch {client.session_epoch}"


def kill_all_matchers(stage: Stage) -> str:
    """Whoever starts first leads."""
    return ", ".join(filter(None, [_kill(matcher) for matcher in stage.matchers]))


def pause_leader(stage: Stage) -> str:
    """A zombie: it goes on later, and may find that another one leads."""
    return _pause(stage, stage.leader())


def pause_process(stage: Stage) -> str:
    """Any."""
    return _pause(stage, stage.any_process())


def cut_process(stage: Stage) -> str:
    """Its connection breaks."""
    process, seconds = stage.any_process(), stage.seconds(2.0)
    process.cut(seconds)
    return f"cut {process.name} off for {seconds:.3f} s"


def hold_process(stage: Stage) -> str:
    """Its connection carries nothing for a while, then all of it."""
    process, seconds = stage.any_process(), stage.seconds(3.0)
    if process.bus is not None:
        process.bus.hold(seconds)
    return f"hold what {process.name} sends and receives for {seconds:.3f} s"


def restart_server(stage: Stage) -> str:
    """All connections break; they come back one after the other."""
    for process in stage.processes:
        process.cut(0.1 + stage.seconds(1.0))
    return "restart the server"


def pause_server(stage: Stage) -> str:
    """What is in its sockets is done later, be the senders alive or not."""
    seconds = stage.seconds(3.0)
    stage.world.server.stand_still(seconds)
    return f"pause the server for {seconds:.3f} s"


def fill_log(stage: Stage) -> str:
    """A stream refuses new records for a while."""
    server, seconds = stage.world.server, stage.seconds(3.0)
    log = stage.world.random.choice((server.ord, server.exec))
    log.is_full = True
    stage.world.agenda.call_later(seconds, setattr, log, "is_full", False)
    return f"fill {log.name} for {seconds:.3f} s"


def elect_leader(stage: Stage) -> str:
    """The streams have no leader for a while, as in a cluster."""
    server, seconds = stage.world.server, stage.seconds(2.0)
    server.is_electing = True
    stage.world.agenda.call_later(seconds, server.elect)
    return f"elect the streams' leader for {seconds:.3f} s"


def hand_over(stage: Stage) -> str:
    """An operator asks the leader to hand over."""
    stage.world.server.arrive(None, handover_subject(SHARD), b"", _OPERATOR, None)
    return "hand over"


def step_clock(stage: Stage) -> str:
    """Somebody sets the wall clock."""
    step_s = stage.world.random.choice((-3600, -1, 1, 3600, 7200))
    stage.wall_offset_ns += step_s * 10**9
    return f"set the clock by {step_s} s"


FAULTS: Final[Sequence[Fault]] = (
    *(kill_leader, kill_standby, kill_gateway, kill_all_matchers, kill_leader_unheard),
    *(kill_leader_after_write, kill_gateway_after_write, kill_matchers_after_order),
    *(pause_leader, pause_leader, pause_process, cut_process, cut_process, hold_process),
    *(restart_leader, stop_successor, reset_session),
    *(restart_server, pause_server, fill_log, elect_leader, hand_over, hand_over, step_clock),
)
