from pathlib import Path

import pytest

from sessions.quickfix.store import SessionStore


class Files:
    """Writes a store's files as QuickFIX does, number by number, and can stop half-way like a killed process."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "FIX.4.4-OUTCRY-FIRMA1"
        self.reset()

    def reset(self) -> None:
        for suffix in ("body", "header", "seqnums", "session"):
            self.file(suffix).unlink(missing_ok=True)
            self.file(suffix).touch()
        self.count(1)
        self.file("session").write_text("20261120-10:00:00")

    def file(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")

    def put(self, number: int, body: str) -> None:
        text = f"8=FIX.4.4|9=1|{body[:5]}34={number}|49=OUTCRY|52=t|56=FIRMA1|{body[5:]}10=000|".replace("|", "\x01")
        offset = self.file("body").stat().st_size
        with self.file("body").open("a") as file:
            file.write(text)
        with self.file("header").open("a") as file:
            file.write(f"{number},{offset},{len(text.encode())} ")

    def count(self, next_number: int) -> None:
        self.file("seqnums").write_text(f"{next_number:020d} : {1:020d}")

    def send(self, number: int, body: str) -> None:
        self.put(number, body)
        self.count(number + 1)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path, begin_string="FIX.4.4", venue_comp_id="OUTCRY", client_comp_id="FIRMA1")


def sent(store: SessionStore, begin: int = 1) -> list[tuple[int, str]]:
    return [(number, body.replace("\x01", "|")) for number, body in store.sent_bodies(begin)]


def test_application_messages_are_given_from_a_number_on(files: Files, store: SessionStore):
    files.send(1, "35=A|108=30|")
    files.send(2, "35=8|17=a|")
    files.send(3, "35=8|17=b|")
    assert sent(store) == [(2, "35=8|17=a|"), (3, "35=8|17=b|")]
    assert sent(store, 3) == [(3, "35=8|17=b|")]
    assert sent(store, 4) == []


def test_a_body_reject_is_an_application_message_and_a_session_reject_is_not(files: Files, store: SessionStore):
    files.send(1, "35=3|45=1|")
    files.send(2, "35=j|45=1|")
    assert sent(store) == [(2, "35=j|45=1|")]


def test_a_message_that_was_stored_but_not_counted_was_never_sent(files: Files, store: SessionStore):
    files.send(1, "35=8|17=a|")
    files.put(2, "35=8|17=lost|")
    assert sent(store) == [(1, "35=8|17=a|")]


def test_its_number_used_again_stands_for_the_later_message(files: Files, store: SessionStore):
    files.put(1, "35=8|17=lost|")
    files.send(1, "35=8|17=a|")
    assert sent(store) == [(1, "35=8|17=a|")]


def test_an_index_cut_off_in_the_middle_of_an_entry_is_read_up_to_it(files: Files, store: SessionStore):
    files.send(1, "35=8|17=a|")
    with files.file("header").open("a") as file:
        file.write("2,12")
    files.count(3)
    assert sent(store) == [(1, "35=8|17=a|")]


def test_text_beyond_ascii_keeps_its_place(files: Files, store: SessionStore):
    files.send(1, "35=8|58=é€|")
    files.send(2, "35=8|17=b|")
    assert sent(store) == [(1, "35=8|58=é€|"), (2, "35=8|17=b|")]


def test_the_end_of_a_long_index_is_enough(files: Files, store: SessionStore):
    for number in range(1, 12_001):  # more than two of the chunks in which it is read
        files.put(number, f"35=8|17={number}|")
    files.count(12_001)
    for begin in (1, 2, 4000, 11_999, 12_000):
        assert [number for number, _ in sent(store, begin)] == list(range(begin, 12_001))


def test_a_session_that_never_was_has_sent_nothing(store: SessionStore):
    assert sent(store) == []
    assert store.epoch() is None
    assert not store.is_agreed()
    store.restore()


def test_agreeing_begins_an_epoch_that_lasts_while_messages_are_sent(files: Files, store: SessionStore):
    epoch = store.agree()
    files.send(1, "35=8|17=a|")
    assert store.is_agreed()
    assert store.epoch() == epoch


def test_a_reset_is_noticed_and_can_be_undone(files: Files, store: SessionStore):
    epoch = store.agree()
    files.send(1, "35=8|17=a|")
    files.reset()
    assert not store.is_agreed()
    assert sent(store) == []
    store.restore()
    assert store.is_agreed()
    assert store.epoch() == epoch
    assert sent(store) == [(1, "35=8|17=a|")]


def test_a_restored_store_can_be_restored_again(files: Files, store: SessionStore):
    store.agree()
    files.send(1, "35=8|17=a|")
    for _ in range(3):
        files.reset()
        store.restore()
    files.send(2, "35=8|17=b|")
    files.reset()
    store.restore()
    assert [number for number, _ in sent(store)] == [1, 2]


def test_a_reset_that_stopped_half_way_is_undone(files: Files, store: SessionStore):
    store.agree()
    files.send(1, "35=8|17=a|")
    files.file("body").unlink()
    files.file("header").unlink()
    store.restore()
    assert sent(store) == [(1, "35=8|17=a|")]


def test_agreeing_to_a_reset_begins_a_later_epoch(files: Files, store: SessionStore, monkeypatch: pytest.MonkeyPatch):
    first = store.agree()
    files.reset()
    monkeypatch.setattr("time.time_ns", lambda: 1)  # a clock that was set back
    second = store.agree()
    assert second > first
    assert store.epoch() == second
    assert store.is_agreed()
