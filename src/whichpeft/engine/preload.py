"""Imports what every trial needs, so that a fork server loads it once.

It computes nothing: if the server had run a threaded tensor operation, or used an accelerator, its
children would hang or fail.
"""

import inspect
import sys
from contextlib import suppress

# bitsandbytes asks for the GPU's capability when it is imported, which initialises CUDA. So libraries do
# without it here. If a trial needs it, it is imported in the trial's own process.
_BLOCKED = "bitsandbytes" not in sys.modules
if _BLOCKED:
    sys.modules["bitsandbytes"] = None  # type: ignore[assignment]
try:
    import peft
    import scipy.stats  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import torch
    import transformers.models.auto.modeling_auto

    import whichpeft.engine.carry_out
    import whichpeft.methods.tuners  # noqa: F401
finally:
    if _BLOCKED:
        del sys.modules["bitsandbytes"]

# If one of them has already looked for bitsandbytes, it has to look again in the trial.
for _looks in (
    peft.import_utils.is_bnb_available,
    peft.import_utils.is_bnb_4bit_available,
    transformers.utils.import_utils.is_bitsandbytes_available,
):
    with suppress(AttributeError):  # another version may look each time
        _looks.cache_clear()

# The libraries compute these on first use, which takes half a second in each trial: how names in
# checkpoints are translated, and which of torch's modules are tuner layers.
with suppress(ImportError):
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_checkpoint_conversion_mapping("bert")
with suppress(ImportError):
    from peft.tuners.tuners_utils import BaseTunerLayer

    for _, kind in inspect.getmembers(torch.nn, inspect.isclass):
        issubclass(kind, BaseTunerLayer)
