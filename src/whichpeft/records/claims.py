"""Claims: which process works on what in a run folder, so that several may share one study.

A claim is a file that names its owner, a process. On the owner's own host the operating system tells
whether it lives, since it holds a lock for as long as it does; from another host, which may not see
such locks, by the time at which it last touched its own file. So a claim outlives its owner not at all
on one host, and for `expires` seconds on a shared folder. Where two hosts both find a claim expired and
their file system has no locks, a trial may be done twice; its record is the same.
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
"""Seconds after which a process on another host that gives no sign counts as dead."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed, and by whom: the owner's own name, its host and its process id there."""

    name: str
    owner: str
    host: str
    pid: int

    @property
    def words(self) -> str:
        """Name the owner to a user."""
        return f"process {self.pid} on {self.host.partition('/')[0]}"


class Claims:
    """The claims in a run folder, to be entered by a process for as long as it works there.

    expires: seconds without a sign after which a process on another host counts as dead. What is
    claimed is released on leaving, or by the owner's death.
    """

    def __init__(self, folder: Path, *, expires: float = EXPIRES) -> None:
        self._folder = folder / "claims"
        self._expires = expires
        self._host = this_host()
        boot = hashlib.sha256(self._host.encode()).hexdigest()[:8]
        self._ours = f"{socket.gethostname()[:40]}-{boot}-"  # how the owners of this host begin
        self._owner = f"{self._ours}{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._life = FileLock(self._owner_file(self._owner))
        self._held: set[str] = set()
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._give_signs, name="whichpeft claims", daemon=True)

    def __enter__(self) -> Claims:
        self._folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError, NotImplementedError):  # then its signs alone speak for it
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
        """Claim all of these or none; False where another living process has one of them."""
        with self.alone():
            if any(self._holder(name) for name in names if name not in self._held):
                return False
            for name in names:
                text = json.dumps({"owner": self._owner, "host": self._host, "pid": os.getpid()})
                written = self._folder / f".{self._owner}.part"
                written.write_text(text, encoding="utf-8")
                written.replace(self._claim_file(name))  # nobody sees half of it
                self._held.add(name)
        return True

    def release(self, *names: str) -> None:
        """Give up claims of this process."""
        for name in names:
            if name in self._held:
                self._held.discard(name)
                self._claim_file(name).unlink(missing_ok=True)

    def holder(self, name: str) -> Claim | None:
        """Return the claim that another living process has on something, or None."""
        return None if name in self._held else self._holder(name)

    def others(self) -> list[Claim]:
        """Return the claims of other living processes."""
        names = sorted(path.name.removesuffix(".claim") for path in self._folder.glob("*.claim"))
        return [claim for name in names if (claim := self.holder(name)) is not None]

    def here(self, claim: Claim) -> bool:
        """Whether a claim is that of a process on this host."""
        return claim.host == self._host

    def only_one(self) -> bool:
        """Whether no other living process works in the folder, as far as signs and locks tell."""
        owners = [path.stem for path in self._folder.glob("*.owner")]
        return not any(self._lives(owner) for owner in owners if owner != self._owner)

    def _holder(self, name: str) -> Claim | None:
        """Return who holds a claim; what a dead process left is cleared away."""
        path = self._claim_file(name)
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            claim = Claim(name, str(held["owner"]), str(held["host"]), int(held["pid"]))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, OSError):  # not ours, or its owner died over it
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
            except (OSError, NotImplementedError):  # no locks here: by its signs
                return self._gives_signs(file)
            file.unlink(missing_ok=True)
            return False
        return self._gives_signs(file)

    def _gives_signs(self, file: Path) -> bool:
        """Whether a process's file was touched of late, by the clock of the folder's own host."""
        own = self._owner_file(self._owner)
        try:
            own.touch()
            return own.stat().st_mtime - file.stat().st_mtime < self._expires
        except OSError:
            return file.exists()

    def _give_signs(self) -> None:
        while not self._stop.wait(self._expires / 6):
            with contextlib.suppress(OSError):
                os.utime(self._owner_file(self._owner))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from claiming or doing the same meanwhile, where there are locks."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError, NotImplementedError):
                stack.enter_context(FileLock(self._folder / ".lock"))
            yield

    def _claim_file(self, name: str) -> Path:
        return self._folder / f"{name}.claim"

    def _owner_file(self, owner: str) -> Path:
        return self._folder / f"{owner}.owner"


def this_host() -> str:
    """Name this host and its boot: locks tell nothing of processes from before."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        started = boot.read_text(encoding="ascii").strip()
    except OSError:
        started = ""
    return f"{socket.gethostname()}/{started}"
