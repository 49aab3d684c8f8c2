"""Pretraining that gives the same weights each time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.metadata import version


def recipe_cache_name(name: str, recipe: int, *libraries: str) -> str:
    """Return a name in the cache that changes with the recipe and the libraries that follow it."""
    versions = (f"{each}{'.'.join(version(each).split('.')[:2])}" for each in libraries)
    return "-".join((name, str(recipe), *versions))


@contextlib.contextmanager
def seeded_single_thread(seed: int) -> Iterator[None]:
    """Seed torch and keep it to one thread, leaving both as they were."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
