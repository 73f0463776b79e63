"""The command `torture`, as far as it needs no venue: what it refuses, and how it tells what it found."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from simulators.torture.command import main, told
from simulators.torture.run import Summary
from simulators.torture.violations import Violation

RECORDED = Path(__file__).parent / "torture_history.jsonl.gz"


def test_an_unknown_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kinds", "kill-gateway,flood"]) == 64
    assert "there is no kind 'flood'; choose of kill-gateway," in capsys.readouterr().err


def test_what_is_kept_is_not_put_among_other_things(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "venue.toml"
    mine.write_text("mine")
    for keep in (tmp_path, mine):
        assert main(["--keep", str(keep)]) == 64
        assert capsys.readouterr().err == (
            f"outcry torture: {keep} is not an empty directory; name one that is, or one to be made, with --keep\n"
        )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("venue.toml", "mine")]


@pytest.mark.parametrize(
    ("text", "fault"), [(None, "cannot be read: No such file or directory"), ("?", "is no history")]
)
def test_what_is_no_history_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, fault: str
) -> None:
    path = tmp_path / "history.jsonl"
    if text is not None:
        path.write_text(text)
    assert main(["--audit", str(path)]) == 64
    told_of = capsys.readouterr().err
    assert told_of.startswith(f"outcry torture: {path} {fault}")
    assert told_of.count("\n") == 1


def test_a_kept_history_can_be_audited_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "history.jsonl"
    lines = gzip.decompress(RECORDED.read_bytes()).decode().splitlines(keepends=True)
    path.write_text("".join(lines))
    assert main(["--audit", str(path)]) == 0
    assert capsys.readouterr().out == "violations: 0\n"
    path.write_text("".join(line for line in lines if "35=8\\u0001" not in line))
    assert main(["--audit", str(path)]) == 1
    assert "was not answered at all" in capsys.readouterr().out


def test_the_verdict_names_seed_kinds_waits_and_violations() -> None:
    summary = Summary(
        7,
        seconds=60,
        struck=Counter({"kill-nats": 2, "cut-nats": 1}),
        skipped={"full-disk": "mounting a small disk needs Linux and root"},
        requests=10,
        answered=9,
        waits_s={"kill-nats": [0.25, 0.75]},
        violation_count=1,
        violations=[Violation("answered once", "FIRMA1's D a-1 (34=5) was not answered at all")],
    )
    text = told(summary)
    for part in (
        "kill-nats               2   longest wait p50 0.50 s, worst 0.75 s",
        "full-disk            not here: mounting a small disk needs Linux and root",
        "3 faults of 2 kinds in 60 s, seed 7",
        "10 requests, 9 answered",
        "violations: 1\n  answered once: FIRMA1's D a-1 (34=5) was not answered at all\n",
    ):
        assert part in text
