"""The rules of the streams in memory are JetStream's: each case is done on a real server as well."""

import pytest

from bus.connection import Bus, PubAck, PubFailure
from bus.streams import ensure_shard
from simulators.simulation.stored_log import StoredLog, StoreError
from tests.jetstream import LOG_BYTES_MAX
from tests.processes import until

Write = tuple[bytes, dict[str, str]]


def record(payload: bytes, expected_last_seq: int | None = None) -> Write:
    return payload, {} if expected_last_seq is None else {"Nats-Expected-Last-Sequence": str(expected_last_seq)}


def part(payload: bytes, number: int, expected_last_seq: int | None = None, *, is_last: bool = False) -> Write:
    headers = {"Nats-Batch-Id": "b", "Nats-Batch-Sequence": str(number)}
    if is_last:
        headers["Nats-Batch-Commit"] = "1"
    return payload, headers | record(payload, expected_last_seq)[1]


CASES: dict[str, list[Write]] = {
    "in order": [record(b"1"), record(b"2"), record(b"3")],
    "as expected": [record(b"1", 0), record(b"2", 1)],
    "behind what is expected": [record(b"1", 0), record(b"2", 0), record(b"3", 1)],
    "ahead of what is expected": [record(b"1", 0), record(b"2", 5), record(b"3", 1)],
    "a batch": [record(b"1"), part(b"2", 1, 1), part(b"3", 2), part(b"4", 3, is_last=True), record(b"5", 4)],
    "a batch behind another writer": [record(b"1"), record(b"2"), part(b"3", 1, 1), part(b"4", 2, is_last=True)],
    "a batch with a hole": [part(b"1", 1, 0), part(b"3", 3, is_last=True), record(b"4", 0)],
    "a batch without a beginning": [part(b"2", 2, is_last=True), record(b"3", 0)],
}


def in_memory(writes: list[Write]) -> list[int | str]:
    log = StoredLog("ORD0")
    answers: list[int | str] = []
    for payload, headers in writes:
        try:
            seq = log.store(payload, headers)
        except StoreError as error:
            answers.append(f"error {error.code}")
        else:
            answers += [] if seq is None else [seq]
    return answers


async def on_a_server(bus: Bus, writes: list[Write]) -> list[int | str]:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    answers: list[int | str] = []
    for payload, headers in writes:
        if "Nats-Batch-Id" in headers and "Nats-Batch-Commit" not in headers:
            bus.publish_now("ord.0.A", payload, headers=headers)
            continue
        told: list[PubAck | PubFailure] = []
        bus.publish_acked("ord.0.A", payload, told.append, headers=headers)
        await until(lambda: bool(told))  # noqa: B023 -- awaited here
        answers.append(told[0].seq if isinstance(told[0], PubAck) else f"error {told[0].code}")
    return answers


@pytest.mark.parametrize("case", CASES)
async def test_it_answers_as_a_server_does(bus: Bus, case: str) -> None:
    assert in_memory(CASES[case]) == await on_a_server(bus, CASES[case])
