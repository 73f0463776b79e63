"""Which answers a former life sent: the marks file, and each stored message speaking for one answer."""

from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway import sent_marks
from gateway.sent_marks import AlreadySent, SentMark, comparable
from tests.gateway.memory_engine import MemoryEngine

S = "FIX.4.4:FIRMA1"
MARKS = {S: SentMark(2, 17, [40, 50])}


def body(text: str) -> str:
    return text.replace("|", "\x01")


A, B, C = (body(f"35=8|17={exec_id}|58=x|") for exec_id in "ABC")


def already_sent(stored: list[str], mark: SentMark | None, *, epoch: int = 1, shards: int = 1) -> AlreadySent:
    engine = MemoryEngine(S)
    engine.stored[S] = stored
    engine.epochs[S] = epoch
    return AlreadySent(engine, S, mark, shards)


def test_marks_come_back(tmp_path: Path) -> None:
    path = tmp_path / "gateway.marks"
    sent_marks.store(path, "gw1", MARKS)
    assert sent_marks.load(path, "gw1", 2) == MARKS
    assert [file.name for file in tmp_path.iterdir()] == ["gateway.marks"]


def test_marks_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "gateway.marks"
    sent_marks.store(path, "gw1", MARKS)
    sent_marks.store(path, "gw1", {})
    assert sent_marks.load(path, "gw1", 2) == {}


def test_without_a_file_there_are_no_marks_and_no_warning(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert sent_marks.load(tmp_path / "gateway.marks", "gw1", 2) == {}
    assert logs == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b'{"version":1,"gateway_id":"gw1","marks":{"S"',
        b'{"version":1,"gateway_id":"gw1\xff","marks":{}}',
        b'{"version":2,"gateway_id":"gw1","marks":{}}',
        b'{"version":1,"gateway_id":"gw2","marks":{}}',
        b'{"version":1,"gateway_id":"gw1","marks":{"S":[1,2,3]}}',
    ],
)
def test_a_file_that_cannot_be_used_is_told_and_ignored(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gateway.marks"
    path.write_bytes(content)
    with capture_logs() as logs:
        assert sent_marks.load(path, "gw1", 2) == {}
    assert [(line["event"], line["path"]) for line in logs] == [("sent_marks_ignored", str(path))]


def test_a_torn_write_leaves_the_old_marks(tmp_path: Path) -> None:
    path = tmp_path / "gateway.marks"
    sent_marks.store(path, "gw1", MARKS)
    path.with_suffix(".unfinished").write_bytes(b'{"version":1,')
    assert sent_marks.load(path, "gw1", 2) == MARKS


def test_marks_of_another_number_of_shards_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "gateway.marks"
    sent_marks.store(path, "gw1", MARKS)
    assert sent_marks.load(path, "gw1", 3) == {}


def test_the_file_is_json_with_a_version(tmp_path: Path) -> None:
    path = tmp_path / "gateway.marks"
    sent_marks.store(path, "gw1", MARKS)
    mark = {"session_epoch": 2, "next_msg_seq_num": 17, "positions": [40, 50]}
    assert msgspec.json.decode(path.read_bytes()) == {"version": 1, "gateway_id": "gw1", "marks": {S: mark}, "boot": 0}


def test_a_stored_body_was_sent_and_any_other_was_not() -> None:
    sent = already_sent([A, B], None)
    assert sent.claims(0, 1, A)
    assert not sent.claims(0, 2, C)
    assert sent.claims(0, 3, B)


def test_each_stored_message_speaks_for_one_answer() -> None:
    sent = already_sent([A, A], None)
    assert [sent.claims(0, exec_seq, A) for exec_seq in (1, 2, 3)] == [True, True, False]


def test_the_order_of_fields_and_of_messages_does_not_matter() -> None:
    sent = already_sent([B, body("35=8|58=x|17=A|")], None)
    assert sent.claims(0, 1, A)
    assert sent.claims(0, 2, B)


def test_a_repeated_field_is_not_the_same_as_one() -> None:
    assert comparable(body("35=W|269=0|269=0|")) != comparable(body("35=W|269=0|"))


def test_answers_up_to_the_marked_position_of_their_shard_were_sent_whatever_is_stored() -> None:
    sent = already_sent([], SentMark(1, 1, [10, 5]), shards=2)
    assert sent.claims(0, 10, A)
    assert sent.claims(1, 5, A)
    assert not sent.claims(0, 11, A)
    assert not sent.claims(1, 6, A)


def test_only_messages_from_the_marked_number_on_are_compared() -> None:
    """An answer behind the position that equals an older message is another answer."""
    sent = already_sent([A, B], SentMark(1, 2, [3]))
    assert not sent.claims(0, 4, A)
    assert sent.claims(0, 5, B)


def test_after_a_reset_everything_in_the_store_is_compared() -> None:
    sent = already_sent([A], SentMark(1, 80, [3]), epoch=2)
    assert sent.claims(0, 4, A)
    assert sent.claims(0, 3, B)


def test_without_a_mark_everything_is_compared_from_the_beginning() -> None:
    sent = already_sent([A], None, shards=2)
    assert sent.positions == [0, 0]
    assert sent.claims(1, 1, A)


def test_the_next_life_is_later_than_the_last_even_if_the_clock_was_set_back(tmp_path: Path) -> None:
    path = tmp_path / "gateway.marks"
    assert sent_marks.next_boot(path, 1_000) == 1_000
    sent_marks.store(path, "gw1", MARKS, boot=5_000)
    assert sent_marks.next_boot(path, 1_000) == 5_001
    assert sent_marks.next_boot(path, 9_000) == 9_000
