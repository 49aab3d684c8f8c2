"""Claims: which process works on which trial in a run folder, so that several can share one study.

A claim is a file that names its owner, a process. On the owner's own host, the operating system shows
whether the owner is alive, since it holds a lock while it is. Another host may not see such locks, so
it uses the time at which the owner last touched its own file. On one host, a claim ends with its owner;
on a shared folder, `expires` seconds later. If two hosts both find a claim expired and their file system
has no locks, a trial may run twice; its record is the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

EXPIRES = 180.0
"""Seconds without a heartbeat after which a process on another host counts as dead."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of one process on one trial or search."""

    name: str
    """What is claimed."""

    owner: str
    """The name of the owner's own file."""

    host: str
    """The owner's host and its boot."""

    pid: int
    """The owner's process id on that host."""

    @property
    def owner_in_words(self) -> str:
        """The owner, in words."""
        return f"process {self.pid} on {self.host.partition('/')[0]}"


class Claims:
    """The claims in a run folder, a context that a process stays in while it works there.

    Its claims are released when it leaves the context, or when it dies.

    Parameters
    ----------
    folder
        The run folder.
    expires
        Seconds without a heartbeat after which a process on another host counts as dead.
    """

    def __init__(self, folder: Path, *, expires: float = EXPIRES) -> None:
        self._folder = folder / "claims"
        self._expires = expires
        self._host = this_host()
        boot = hashlib.sha256(self._host.encode()).hexdigest()[:8]
        self._ours = f"{socket.gethostname()[:40]}-{boot}-"  # the prefix of owners on this host
        self._owner = f"{self._ours}{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._life = FileLock(self._owner_file(self._owner))
        self._held: set[str] = set()
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._send_heartbeats, name="whichpeft claims", daemon=True)

    def __enter__(self) -> Claims:
        self._folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError, NotImplementedError):  # no locks: the heartbeat has to do
            self._life.acquire()
        self._owner_file(self._owner).touch()
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._beat.join()
        for name in list(self._held):
            self.release(name)
        self._life.release(force=True)
        self._owner_file(self._owner).unlink(missing_ok=True)

    def take(self, *names: str) -> bool:
        """Claim all of these or none. Returns False if another living process holds one of them."""
        with self.lock():
            if any(self._holder(name) for name in names if name not in self._held):
                return False
            for name in names:
                text = json.dumps({"owner": self._owner, "host": self._host, "pid": os.getpid()})
                written = self._folder / f".{self._owner}.part"
                written.write_text(text, encoding="utf-8")
                written.replace(self._claim_file(name))  # no process sees half of it
                self._held.add(name)
        return True

    def release(self, *names: str) -> None:
        """Give up claims of this process."""
        for name in names:
            if name in self._held:
                self._held.discard(name)
                self._claim_file(name).unlink(missing_ok=True)

    def holder(self, name: str) -> Claim | None:
        """Return another living process's claim of this name, or None."""
        return None if name in self._held else self._holder(name)

    def others(self) -> list[Claim]:
        """Return the claims of other living processes."""
        names = sorted(path.name.removesuffix(".claim") for path in self._folder.glob("*.claim"))
        return [claim for name in names if (claim := self.holder(name)) is not None]

    def remove_dead(self) -> None:
        """Delete the claims of dead processes, also on trials that no process will claim again.

        A process that is killed after it wrote a record and before it released the trial leaves one.
        """
        self.others()  # deletes each claim that it finds dead

    def is_local(self, claim: Claim) -> bool:
        """Whether the owner of a claim is on this host."""
        return claim.host == self._host

    def only_one(self) -> bool:
        """Whether no other living process works in the folder, by its heartbeats and locks."""
        owners = [path.stem for path in self._folder.glob("*.owner")]
        return not any(self._lives(owner) for owner in owners if owner != self._owner)

    def _holder(self, name: str) -> Claim | None:
        """Return the claim of another living process; delete that of a dead one."""
        path = self._claim_file(name)
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            claim = Claim(name, str(held["owner"]), str(held["host"]), int(held["pid"]))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, OSError):  # damaged, or its owner died while writing it
            path.unlink(missing_ok=True)
            return None
        if claim.owner == self._owner:
            return None
        if self._lives(claim.owner):
            return claim
        path.unlink(missing_ok=True)
        return None

    def _lives(self, owner: str) -> bool:
        file = self._owner_file(owner)
        if not file.exists():
            return False
        if owner.startswith(self._ours):
            try:
                with FileLock(file, timeout=0):
                    pass
            except Timeout:
                return True
            except (OSError, NotImplementedError):  # no locks here: use the heartbeat
                return self._has_heartbeat(file)
            file.unlink(missing_ok=True)
            return False
        return self._has_heartbeat(file)

    def _has_heartbeat(self, file: Path) -> bool:
        """Whether a process touched its file recently, by the clock of the folder's file system."""
        own = self._owner_file(self._owner)
        try:
            own.touch()
            return own.stat().st_mtime - file.stat().st_mtime < self._expires
        except OSError:
            return file.exists()

    def _send_heartbeats(self) -> None:
        while not self._stop.wait(self._expires / 6):
            with contextlib.suppress(OSError):
                os.utime(self._owner_file(self._owner))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from claiming or entering this context meanwhile, if there are locks."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError, NotImplementedError):
                stack.enter_context(FileLock(self._folder / ".lock"))
            yield

    def _claim_file(self, name: str) -> Path:
        return self._folder / f"{name}.claim"

    def _owner_file(self, owner: str) -> Path:
        return self._folder / f"{owner}.owner"


def this_host() -> str:
    """Return this host and its boot; locks do not show processes from before a boot."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        started = boot.read_text(encoding="ascii").strip()
    except OSError:
        started = ""
    return f"{socket.gethostname()}/{started}"
