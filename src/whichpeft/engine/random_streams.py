"""The streams of random numbers of one trial."""

from __future__ import annotations

import random

import numpy as np
import torch

# Streams of random numbers within one seed. Each is seeded separately, so that the numbers that one
# consumes (for an adapter's weights) do not change the next (which activations are dropped).
HEAD, ADAPTER, TRAINING = range(3)


def start_stream(seed: int, stream: int, rank: int = 0) -> None:
    """Seed every global generator for one stream of a trial's random numbers, in one process."""
    entropy = [seed, stream, rank] if rank else [seed, stream]
    state = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)
    torch.manual_seed(state)
