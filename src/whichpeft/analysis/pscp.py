"""PSCP, the composite of PEFT-Bench: a score with penalties for the costs of a method."""

from __future__ import annotations

import math
from dataclasses import replace

from whichpeft.analysis.comparison import Comparison
from whichpeft.analysis.method_result import MethodResult, PscpBounds

# The costs that halve the score (arXiv 2511.21285v1): trainable parameters, extra TFLOP of inference
# compared with the bare model, and GB of peak memory in training.
PARAMETERS, TFLOP, GIGABYTES = 5e8, 10.0, 94.0


def pscp(score: float, *, trainable: float, extra_tflop: float, memory_gigabytes: float) -> float:
    """Return the score with PEFT-Bench's penalties.

    Parameters
    ----------
    score
        Higher is better, not negative.
    trainable
        Number of trainable parameters.
    extra_tflop
        TFLOP of inference beyond those of the model without the method.
    memory_gigabytes
        Peak memory of training, in GB.

    Returns
    -------
    float
        PSCP in the unit of the score.

    Raises
    ------
    ValueError
        If a number is negative or not finite.
    """
    for name, value in (
        ("score", score),
        ("trainable", trainable),
        ("extra_tflop", extra_tflop),
        ("memory_gigabytes", memory_gigabytes),
    ):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value}; it has to be a finite number of 0 or more")
    penalties = (
        (1 + trainable / PARAMETERS) * (1 + extra_tflop / TFLOP) * (1 + memory_gigabytes / GIGABYTES)
    )
    return score / penalties


def with_pscp(comparison: Comparison) -> Comparison:
    """Return the comparison with PSCP in each result, as fractions.

    The extra cost of inference is 0 if a method folds into the weights or adds nothing to them. For
    the others it is known to be less than one training step takes, which bounds PSCP from below; on
    small backbones the two bounds are the same to all digits shown.
    """
    scored = (replace(result, pscp=_bounds(result)) for result in comparison.results)
    return replace(comparison, results=tuple(scored))


def _bounds(result: MethodResult) -> PscpBounds:
    score, trainable = result.score_mean, result.trainable_parameters
    memory = result.peak_memory_bytes
    if score is None or score < 0 or trainable is None or memory is None:
        return PscpBounds(None, None)

    def at(extra: float) -> float:
        return pscp(score, trainable=trainable, extra_tflop=extra, memory_gigabytes=memory / 1e9)

    adds_nothing = result.adapter_parameters == 0 or result.percent_of_full == 100
    if adds_nothing or result.records.value("merged_inference_milliseconds") is not None:
        return PscpBounds(at(0), at(0))
    training = result.records.value("flops_per_sample")
    return PscpBounds(None if training is None else at(training / 1e12), at(0))
