"""A gateway needs EXEC from where the session is that was sent least: whether it is here, elsewhere or nowhere."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bus.places import Place
from configs.loader import FirmConfig, FurtherGateway, GatewayConfig, SessionConfig, Venue, VenueConfig
from gateway import sent_marks
from gateway.executions import Executions
from gateway.log_places import LogPlaces
from gateway.sent_marks import SentMark, path_of
from sessions.accounts import Accounts

A1, A2, COPY, GONE = "FIX.4.4:A1", "FIX.4.4:A2", "FIX.4.4:COPY", "FIX.4.4:GONE"
BOTH = ("gw1", "gw2")


def session(comp_id: str, gateways: tuple[str, ...] = (), kind: Any = "orders") -> SessionConfig:
    return SessionConfig(comp_id, "password", kind, versions=("FIX.4.4",), gateways=gateways)


SESSIONS = (
    *(session("A1"), session("A2", BOTH), session("FEED", kind="marketdata"), session("COPY", BOTH, kind="dropcopy")),
)


def venue(*sessions: SessionConfig) -> Venue:
    gateway = GatewayConfig(id="gw1", further=(FurtherGateway("gw2", 9999),))
    return Venue(VenueConfig(shards=2, gateway=gateway, firms=(FirmConfig("A", sessions),)), {})


def places(directory: Path, sessions: dict[str, SentMark], *, here: tuple[str, ...] = (A1, A2)) -> list[Place]:
    executions = SimpleNamespace(positions=[100, 200], sessions=list(here), stored_marks=sessions)
    seen = venue(*SESSIONS)
    made = LogPlaces(seen, Accounts(seen), cast(Executions, executions), directory)
    return list(made.places().values())


def test_the_session_that_was_sent_least_of_a_shard_counts(tmp_path: Path) -> None:
    marks = {A1: SentMark(1, 9, [40, 90]), A2: SentMark(1, 5, [60, 70])}
    assert places(tmp_path, marks) == [Place(40, A1), Place(70, A2)]


def test_nothing_is_needed_of_what_was_handed_over_to_nobody(tmp_path: Path) -> None:
    executions = SimpleNamespace(positions=[100, 200], sessions=[], stored_marks={})
    seen = venue(session("FEED", kind="marketdata"))
    made = LogPlaces(seen, Accounts(seen), cast(Executions, executions), tmp_path)
    assert made.places() == {"EXEC0": Place(100), "EXEC1": Place(200)}


def test_as_long_as_a_session_has_no_mark_nothing_is_told(tmp_path: Path) -> None:
    assert places(tmp_path, {A1: SentMark(1, 9, [40, 90])}) == []


@pytest.mark.parametrize(
    ("here", "there", "place"),
    [
        (SentMark(1, 5, [10, 10]), SentMark(1, 8, [50, 60]), 50),  # it went on there
        (SentMark(1, 8, [30, 30]), SentMark(1, 5, [10, 10]), 30),  # it was left behind here
        (None, SentMark(1, 5, [10, 10]), 10),
    ],
)
def test_a_session_that_is_elsewhere_or_nowhere_counts_with_its_latest_mark(
    tmp_path: Path, here: SentMark | None, there: SentMark, place: int
) -> None:
    sent_marks.store(path_of(tmp_path, "gw2"), "gw2", {A2: there})
    marks = {A1: SentMark(1, 9, [90, 90])} | ({A2: here} if here is not None else {})
    assert places(tmp_path, marks, here=(A1,))[0] == Place(place, A2)


def test_a_drop_copy_needs_what_its_client_has_not_surely_read(tmp_path: Path) -> None:
    marks = {session_id: SentMark(1, 9, [90, 90]) for session_id in (A1, A2)}
    assert places(tmp_path, marks) == [Place(90, A1), Place(90, A1)]  # it never logged on
    assert places(tmp_path, marks | {COPY: SentMark(1, 9, [80, 80], [50, 95])}) == [Place(50, COPY), Place(80, COPY)]
    assert places(tmp_path, marks, here=(A1, A2, COPY)) == []  # it has just logged on


def test_a_session_that_is_no_longer_configured_is_not_waited_for(tmp_path: Path) -> None:
    marks = {A1: SentMark(1, 9, [90, 90]), A2: SentMark(1, 9, [90, 90]), GONE: SentMark(1, 2, [3, 3])}
    assert places(tmp_path, marks)[0].seq == 90


def test_one_that_was_removed_in_this_life_and_is_still_sent_to_is(tmp_path: Path) -> None:
    marks = {A1: SentMark(1, 9, [90, 90]), A2: SentMark(1, 9, [90, 90]), GONE: SentMark(1, 2, [80, 80])}
    assert places(tmp_path, marks, here=(A1, A2, GONE))[0] == Place(80, GONE)
