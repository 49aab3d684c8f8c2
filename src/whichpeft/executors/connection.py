"""The connection to a Ray cluster: the one at ``RAY_ADDRESS``, or one that is started here."""

from __future__ import annotations

import os
import signal
import socket
import threading

import ray

from whichpeft.errors import StudyError


def connect() -> bool:
    """Connect this process to its cluster; return False if it was connected before.

    Raises StudyError if there is no cluster at the address.
    """
    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS")
    if address and "://" in address:
        raise StudyError(
            f"RAY_ADDRESS is {address!r}: start the run on one of the cluster's nodes and name the "
            "cluster by host and port (10.0.0.1:6379), or by auto"
        )
    if address and address not in ("auto", "local"):
        _check_reachable(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # report to nobody what runs here
    ray._private.worker._worker_logs_enabled = False  # keep daemons' messages out of the live display
    options: dict[str, object] = {}
    if not address:
        from whichpeft.engine.environment import usable_cores

        options = {"num_cpus": usable_cores(), "include_dashboard": False}
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if in_main else None
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="error", **options)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        reason = " ".join(str(error).split())[:300]
        raise StudyError(f"executor ray: no cluster at RAY_ADDRESS={address!r}: {reason}") from None
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)  # Ray has replaced it with its own
    return True


def disconnect() -> None:
    """Leave the cluster; one that was started here ends."""
    ray.shutdown()
    ray._private.worker._worker_logs_enabled = True


def _check_reachable(address: str) -> None:
    """Raise StudyError if nothing listens at an address; Ray would keep trying for minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10):
            pass
    except (OSError, ValueError) as error:
        raise StudyError(
            f"executor ray: no cluster at RAY_ADDRESS={address!r}: {error}; `ray start --head` prints "
            "a cluster's address; without RAY_ADDRESS one is started on this machine"
        ) from None
