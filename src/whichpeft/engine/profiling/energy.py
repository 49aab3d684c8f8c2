"""Energy, if the machine counts it: RAPL for a processor, NVML for an NVIDIA GPU.

Both count the whole package or board, including other processes, so energy is only measured with nothing
else running. If there is no counter, or it may not be read, there is no reading.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch

_logger = logging.getLogger(__name__)

RAPL = Path("/sys/class/powercap")
# Packages and memory add up to the machine's energy. Cores are part of a package, and the platform
# (psys) includes all of them.
_DOMAINS = ("package", "dram")

# Seconds between two changes of a GPU's counter that make its own interval, a tenth of a second, small;
# and how long to wait for them.
_SPAN, _PATIENCE = 2.0, 6.0


class RaplCounter:
    """The energy counters of a machine's processors, in a folder such as Linux's ``powercap``.

    Each counts microjoules up to its own range, then starts again at 0; on a busy processor that happens
    about once an hour, so it has to be read more often. Raises OSError if no counter can be read.
    """

    source = "RAPL"

    def __init__(self, folder: Path = RAPL) -> None:
        self._zones = [
            (zone / "energy_uj", _number(zone / "max_energy_range_uj"))
            for zone in sorted(folder.glob("*rapl:*"))
            if (zone / "name").is_file()
            and (zone / "name").read_text(encoding="ascii").startswith(_DOMAINS)
        ]
        if not self._zones:
            raise FileNotFoundError(f"{folder}: contains no energy counter of a processor")
        self._last = [_number(path) for path, _ in self._zones]
        self._joules = 0.0

    def joules(self) -> float:
        """Return the joules used since this counter was created."""
        for i, (path, span) in enumerate(self._zones):
            now = _number(path)
            used = now - self._last[i]
            self._joules += (used if used >= 0 else used + span) / 1e6
            self._last[i] = now
        return self._joules


class NvmlCounter:
    """The energy counter of one NVIDIA GPU, by NVML, which updates it about ten times per second.

    Raises ImportError without pynvml, and pynvml's NVMLError if the GPU has no counter.
    """

    source = "NVML"

    def __init__(self, device: torch.device) -> None:
        import pynvml  # type: ignore[import-not-found]

        pynvml.nvmlInit()
        # By its unique name, since CUDA_VISIBLE_DEVICES changes the numbers.
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        self._read: Callable[[], int] = lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        self._first = self._read()

    def joules(self) -> float:
        """Return the joules used since this counter was created."""
        return float(self._read() - self._first) / 1000


class StepEnergy:
    """The energy of a step, by a counter that is read after every step and changes only now and then.

    It is counted between two changes, since what a counter holds between them is not known.
    """

    def __init__(self, counter: NvmlCounter) -> None:
        self._counter = counter
        self._joules = counter.joules()
        self._steps = 0
        self._changes: list[tuple[float, int, float]] = []
        self._began = time.perf_counter()

    def stepped(self) -> None:
        """Read the counter after a step that the device has finished."""
        self._steps += 1
        joules, now = self._counter.joules(), time.perf_counter()
        if joules != self._joules:
            self._joules = joules
            self._changes.append((now, self._steps, joules))

    @property
    def needs_more(self) -> bool:
        """Whether the changes lie too near to each other, and waiting for more of them makes sense."""
        return self._span < _SPAN and time.perf_counter() - self._began < _PATIENCE

    def per_step(self) -> float | None:
        """Return the joules of a step, or None if the counter changed too rarely to tell."""
        if self._span < _SPAN:
            return None
        (_, first, before), (_, last, after) = self._changes[0], self._changes[-1]
        return (after - before) / (last - first)

    @property
    def _span(self) -> float:
        """Seconds between the first change and the last."""
        return self._changes[-1][0] - self._changes[0][0] if self._changes else 0.0


def find_counter(device: torch.device) -> RaplCounter | NvmlCounter | None:
    """Return the energy counter of a device, or None if none can be read."""
    try:
        if device.type == "cuda":
            return NvmlCounter(device)
        return RaplCounter() if device.type == "cpu" else None
    except Exception:  # pynvml raises classes of its own, and none of them can be helped
        _logger.debug("no energy counter of %s can be read", device, exc_info=True)
        return None


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
