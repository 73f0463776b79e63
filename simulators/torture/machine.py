"""
What the machine lends for torture: a disk of our own that can be full or slow, and who is whose child.

Each facility says by `why_not` why it cannot be had here, in one sentence; nothing is pretended then.
"""

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

DISK_BYTES: Final = 4 << 30
"""Of a disk that is not full; it takes memory only for what is written."""

_CLONE_NEWNS: Final = 0x00020000
_MS_REC_PRIVATE: Final = (1 << 14) | (1 << 18)
_MS_REMOUNT: Final = 32
_MNT_DETACH: Final = 2


class Disk:
    """
    A disk in memory (tmpfs), mounted on a directory in a mount namespace of this process and its children.

    Nobody else sees it, and it is gone with the last of them.
    """

    def __init__(self, directory: Path | None) -> None:
        """Mount it; None: none is wanted."""
        self.directory = directory
        self.why_not = self._mount()
        """Empty if the disk is there."""

    def fill(self) -> None:
        """Make it so small that nothing more fits."""
        status = os.statvfs(self._place())
        used_bytes = (status.f_blocks - status.f_bfree) * status.f_frsize
        self._remount(max(used_bytes, status.f_frsize))

    def free(self) -> None:
        """Give it room again."""
        self._remount(DISK_BYTES)

    def release(self) -> None:
        """Take it away, with all that is on it; what the directory held before is there again."""
        if not self.why_not:
            ctypes.CDLL(None).umount2(os.fsencode(self._place()), _MNT_DETACH)

    def _mount(self) -> str:
        if self.directory is None:
            return "several servers have disks of their own"
        if sys.platform != "linux" or os.geteuid() != 0:
            return "mounting a small disk needs Linux and root"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None):
            return f"this process may not have a mount namespace of its own ({os.strerror(ctypes.get_errno())})"
        if libc.mount(b"tmpfs", os.fsencode(self._place()), b"tmpfs", 0, f"size={DISK_BYTES}".encode()):
            return f"no tmpfs can be mounted ({os.strerror(ctypes.get_errno())})"
        return ""

    def _place(self) -> Path:
        assert self.directory is not None
        return self.directory

    def _remount(self, size_bytes: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"size={size_bytes}".encode()
        if libc.mount(b"tmpfs", os.fsencode(self._place()), b"tmpfs", _MS_REMOUNT, options):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(self._place()))


class SlowSync:
    """Makes each fsync of a process slow, by strace, as long as it is attached."""

    def __init__(self) -> None:
        self.why_not = _why_no_strace()

    async def hold(self, pid: int, delay_us: int, seconds: float) -> None:
        """Delay each fsync and fdatasync of a process for some seconds; raises OSError if ptrace is not allowed."""
        strace = shutil.which("strace")
        assert strace is not None
        calls = "fsync,fdatasync"
        command = ["-f", "-qq", "-p", str(pid), "-e", f"trace={calls}", "-e", f"inject={calls}:delay_enter={delay_us}"]
        tracer = await asyncio.create_subprocess_exec(
            strace, *command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert tracer.stderr is not None
        reading = asyncio.create_task(_first_line_and_drain(tracer.stderr))
        try:
            await asyncio.wait({asyncio.create_task(tracer.wait())}, timeout=seconds)
            if tracer.returncode not in (None, 0) and is_running(pid):
                raise OSError(f"strace could not attach: {(await reading).strip()}")
        finally:
            if tracer.returncode is None:
                tracer.send_signal(signal.SIGINT)  # so it lets go of its threads
                await tracer.wait()
            await asyncio.wait({reading})


def _why_no_strace() -> str:
    strace = shutil.which("strace")
    if strace is None:
        return "strace is not installed"
    if os.geteuid() != 0 and _ptrace_scope() != "0":
        return "strace may be attached by root only (kernel.yama.ptrace_scope)"
    tried = subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, check=False)  # noqa: S603
    return "" if tried.returncode == 0 else "strace may not trace here, as in some containers"


def _ptrace_scope() -> str:
    """As the kernel has it; 0: everybody may trace what is his own, and so it is without this restriction."""
    try:
        return Path("/proc/sys/kernel/yama/ptrace_scope").read_text().strip()
    except OSError:
        return "0"


async def _first_line_and_drain(stream: asyncio.StreamReader) -> str:
    first = (await stream.readline()).decode(errors="replace")
    while await stream.read(1 << 16):
        pass
    return first


def children(pid: int) -> list[int]:
    """The processes that a process has started, as far as Linux says so."""
    with suppress(OSError, ValueError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes_naming(text: str) -> Iterator[int]:
    """Processes with this text in their command line, this one aside."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(entry.name) != os.getpid() and text.encode() in (entry / "cmdline").read_bytes():
                yield int(entry.name)
