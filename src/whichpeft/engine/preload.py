"""Imports what every trial needs, for a fork server to load once.

It only imports: a server that had run a threaded tensor operation, or touched an accelerator,
would leave its children hanging.
"""

import peft  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
import torch  # noqa: F401
import transformers.models.auto.modeling_auto  # noqa: F401

import whichpeft.engine.trial
import whichpeft.methods.tuners  # noqa: F401
