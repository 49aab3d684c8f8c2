"""Makes pretraining reproducible: the same weights each time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.metadata import version


def recipe_cache_name(name: str, recipe: int, *libraries: str) -> str:
    """Return a name for the cache that changes with the recipe and the versions of the libraries."""
    versions = (f"{each}{'.'.join(version(each).split('.')[:2])}" for each in libraries)
    return "-".join((name, str(recipe), *versions))


@contextlib.contextmanager
def seeded_single_thread(seed: int) -> Iterator[None]:
    """Seed torch and limit it to one thread; restore both afterwards."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
