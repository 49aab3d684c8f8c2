"""Imports what every trial needs, so that a fork server loads it once.

It computes nothing: if the server had run a threaded tensor operation, or used an accelerator, its
children would hang.
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

# The libraries compute these on first use, which takes half a second in each trial: how names in
# checkpoints are translated, and which of torch's modules are tuner layers.
with suppress(ImportError):
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_checkpoint_conversion_mapping("bert")
with suppress(ImportError):
    from peft.tuners.tuners_utils import BaseTunerLayer

    for _, kind in inspect.getmembers(torch.nn, inspect.isclass):
        issubclass(kind, BaseTunerLayer)
