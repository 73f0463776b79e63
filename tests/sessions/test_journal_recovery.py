"""What is left of a journal after any kind of end: whole commits, or a refusal; never half of one, never a guess."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from sessions.journal.journal import JournalError, JournalLimits, SessionJournal
from sessions.journal.records import decode_header, encode_frame
from tests.sessions.journal_house import EPOCH, SESSION, files, numbers, only_file, opened, send, standing

FILE_A_COMMIT = JournalLimits(segment_bytes=1, bytes_max=10_000)


def written(directory: Path, *, syncing: bool = False) -> list[tuple[int, tuple[int, int, int], list[int]]]:
    """A small journal in one file; where each commit ended, and what stood then."""
    journal = opened(directory)
    file = only_file(directory)
    ends = [(file.stat().st_size, standing(journal), numbers(journal))]
    for i in range(1, 6):
        journal.note_inbound(3 * i)
        send(journal, i)
        if syncing:
            journal.end_sync(journal.begin_sync())
        ends.append((file.stat().st_size, standing(journal), numbers(journal)))
    journal.close()
    return ends


def test_cut_off_at_any_byte_the_commits_before_it_stand(tmp_path: Path):
    ends = written(tmp_path)
    file = only_file(tmp_path)
    whole = file.read_bytes()
    for size in range(len(whole) + 1):
        file.write_bytes(whole[:size])
        commits = [end for end in ends if end[0] <= size]
        with capture_logs() as logs:
            journal = opened(tmp_path, epoch=7)
        if not commits:  # not even the beginning was written: a new journal
            assert standing(journal) == (7, 1, 1)
            only_file(tmp_path).unlink()
            continue
        end, stood, sent = commits[-1]
        assert standing(journal) == stood
        assert numbers(journal) == sent
        assert file.stat().st_size == end
        cut = [{"log_level": "warning", "at_byte": end, "bytes_cut": size - end}] if size > end else []
        assert [{key: log[key] for key in ("log_level", "at_byte", "bytes_cut")} for log in logs] == cut


def test_a_journal_goes_on_after_a_cut(tmp_path: Path):
    written(tmp_path)
    file = only_file(tmp_path)
    os.truncate(file, file.stat().st_size - 1)
    for _ in range(2):
        journal = opened(tmp_path)
        send(journal, 2)
        journal.close()
    assert numbers(opened(tmp_path)) == list(range(1, 15))


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_a_change_of_any_byte_is_seen(tmp_path: Path, change: int):
    ends = written(tmp_path)
    file = only_file(tmp_path)
    whole = file.read_bytes()
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
        before = [end for end in ends if end[0] <= at]
        try:
            journal = opened(tmp_path, epoch=7)
        except JournalError:
            assert at < ends[0][0]  # in the header: another program's, version or session
            continue
        if before:
            assert standing(journal) == before[-1][1]
            assert numbers(journal) == before[-1][2]
        else:
            assert standing(journal) == (7, 1, 1)
            only_file(tmp_path).unlink()


def test_what_was_on_disk_and_is_broken_is_never_cut(tmp_path: Path):
    ends = written(tmp_path, syncing=True)
    file = only_file(tmp_path)
    whole = file.read_bytes()
    confirmed = ends[-2][0]  # by the last frame
    for at in range(confirmed):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(JournalError):
            opened(tmp_path)
    assert file.stat().st_size == len(whole)
    for at in range(confirmed, len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert standing(opened(tmp_path)) == ends[-2][1]


def test_a_damaged_journal_is_named_with_the_way_out(tmp_path: Path):
    ends = written(tmp_path, syncing=True)
    file = only_file(tmp_path)
    with file.open("r+b") as writer:
        writer.seek(ends[1][0] + 20)
        writer.write(b"?")
    with pytest.raises(JournalError, match=rf"damaged at byte {ends[1][0]}, .*; restore it from a copy"):
        opened(tmp_path)


def test_torn_at_any_byte_of_several_files_a_prefix_of_the_commits_stands(tmp_path: Path):
    limits = JournalLimits(segment_bytes=150, bytes_max=10_000)
    journal = opened(tmp_path, limits=limits)
    for i in range(1, 8):
        send(journal, i % 4)
        journal.note_inbound(10 * i)
    journal.close()
    contents = {file: file.read_bytes() for file in files(tmp_path)}
    assert len(contents) > 3
    reached = set()
    for broken, content in contents.items():
        for size in range(len(content)):
            for file, whole in contents.items():
                file.write_bytes(whole if file != broken else whole[:size])
            found = opened(tmp_path, limits=limits, epoch=7)
            reached.add(standing(found))
            assert numbers(found) == list(range(1, found.next_outbound))
            for file in files(tmp_path):
                file.unlink()
    assert (7, 1, 1) in reached  # nothing left of it
    assert len(reached) == 9  # and its beginning and each commit but the last, of which something was always missing


def several_files(directory: Path, *, syncing: bool) -> None:
    """A journal in several files: its beginning, and a commit of three messages in each of the others."""
    journal = opened(directory, limits=FILE_A_COMMIT)
    for _ in range(5):
        send(journal, 3)
        if syncing:
            journal.end_sync(journal.begin_sync())
    journal.close()


def damage(file: Path, at: int) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def test_damage_in_an_older_file_that_was_not_on_disk_ends_the_journal_there(tmp_path: Path):
    several_files(tmp_path, syncing=False)
    broken = files(tmp_path)[2]
    damage(broken, broken.stat().st_size - 1)
    journal = opened(tmp_path, limits=FILE_A_COMMIT)
    assert standing(journal) == (EPOCH, 4, 1)
    assert numbers(journal) == [1, 2, 3]


def test_a_header_alone_can_tell_that_an_older_file_was_on_disk(tmp_path: Path):
    several_files(tmp_path, syncing=True)
    older, newest = files(tmp_path)[-2:]
    header = decode_header(newest.read_bytes())
    assert header
    os.truncate(newest, header.size + 5)
    os.truncate(older, older.stat().st_size - 1)
    with pytest.raises(JournalError, match="damaged"):
        opened(tmp_path, limits=FILE_A_COMMIT)


@pytest.mark.parametrize("syncing", [False, True])
def test_a_missing_file_ends_the_journal_unless_it_was_on_disk(tmp_path: Path, *, syncing: bool):
    several_files(tmp_path, syncing=syncing)
    files(tmp_path)[2].unlink()
    if syncing:
        with pytest.raises(JournalError, match="damaged"):
            opened(tmp_path, limits=FILE_A_COMMIT)
    else:
        assert numbers(opened(tmp_path, limits=FILE_A_COMMIT)) == [1, 2, 3]


def test_a_reset_that_was_torn_leaves_the_epoch_before(tmp_path: Path):
    journal = opened(tmp_path)
    send(journal, 3)
    journal.reset(EPOCH + 10)
    newest = files(tmp_path)[-1]
    whole = newest.read_bytes()
    for size in range(len(whole)):
        newest.write_bytes(whole[:size])
        found = opened(tmp_path)
        assert standing(found) == (EPOCH, 4, 1)
        assert numbers(found) == [1, 2, 3]
        assert not newest.exists()


def test_a_frame_in_a_clients_text_is_text(tmp_path: Path):
    journal = opened(tmp_path)
    send(journal, 1)
    size = only_file(tmp_path).stat().st_size
    forged = encode_frame(
        [(2, [b"forged"])], epoch=EPOCH, position=size, synced=size + 999, next_outbound=99, next_inbound=99
    )
    journal.append_sent(2, [b"58=" + forged + b"|10=000|"])
    journal.close()
    assert list(opened(tmp_path).sent(2, 9)) == [(2, b"58=" + forged + b"|10=000|")]
    os.truncate(only_file(tmp_path), only_file(tmp_path).stat().st_size - 1)
    assert standing(opened(tmp_path)) == (EPOCH, 2, 1)


def test_a_file_of_another_version_is_refused(tmp_path: Path):
    written(tmp_path)
    file = only_file(tmp_path)
    whole = bytearray(file.read_bytes())
    whole[7] = 9
    file.write_bytes(whole)
    with pytest.raises(JournalError, match=r"is a journal of version 9, not 1; use the program that wrote it\.$"):
        opened(tmp_path)


def test_a_file_of_another_session_is_refused(tmp_path: Path):
    written(tmp_path)
    SessionJournal.open(tmp_path, "FIX.4.4:FIRMB", epoch=EPOCH + 1).close()
    theirs = next(file for file in files(tmp_path) if "FIRMB" in str(file))
    theirs.rename(tmp_path / quote(SESSION, safe="") / theirs.name)
    with pytest.raises(JournalError, match=r"is the journal of session FIX\.4\.4:FIRMB, not of FIX\.4\.4:FIRMA1\.$"):
        opened(tmp_path)


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path: Path):
    written(tmp_path)
    file = only_file(tmp_path)
    file.write_bytes(b"something else entirely, and long enough to be a header of a journal, or nearly so")
    with pytest.raises(JournalError, match=r"is not a journal; move it away\.$"):
        opened(tmp_path)
    assert file.read_bytes().startswith(b"something else")
    file.rename(file.with_name("notes.journal"))
    with pytest.raises(JournalError, match="is not named as a journal's file is"):
        opened(tmp_path)


def test_a_file_under_another_name_is_refused(tmp_path: Path):
    written(tmp_path)
    file = only_file(tmp_path)
    file.rename(file.with_name(file.name.replace(str(EPOCH), str(EPOCH + 1))))
    with pytest.raises(JournalError, match="was written under another name"):
        opened(tmp_path)


def test_any_session_id_is_a_directory_of_its_own(tmp_path: Path):
    for session_id in ("FIX.4.4:../../A", "FIX.4.4:A/B", "FIX.4.4:é"):
        journal = SessionJournal.open(tmp_path, session_id, epoch=1)
        send(journal, 1)
        journal.close()
        assert numbers(SessionJournal.open(tmp_path, session_id, epoch=1)) == [1]
    assert len(list(tmp_path.iterdir())) == 3
