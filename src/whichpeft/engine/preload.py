"""Imports what every trial needs, for a fork server to load once.

It computes nothing: a server that had run a threaded tensor operation, or touched an accelerator,
would leave its children hanging.
"""

import inspect
from contextlib import suppress

import peft  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
import torch
import transformers.models.auto.modeling_auto  # noqa: F401

import whichpeft.engine.carry_out
import whichpeft.methods.tuners  # noqa: F401

# The libraries work these out when they are first asked for, half a second in each trial: how names in
# checkpoints are translated, and which of torch's modules are layers of a tuner.
with suppress(ImportError):
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_checkpoint_conversion_mapping("bert")
with suppress(ImportError):
    from peft.tuners.tuners_utils import BaseTunerLayer

    for _, kind in inspect.getmembers(torch.nn, inspect.isclass):
        issubclass(kind, BaseTunerLayer)
