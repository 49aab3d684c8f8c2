"""The result of one method on one backbone and task: scores, gaps and costs, each with its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from whichpeft.analysis.comparable_groups import MethodRecords, Variant
from whichpeft.analysis.statistics.gap import Verdict
from whichpeft.analysis.statistics.intervals import Interval
from whichpeft.analysis.status import MethodStatus

Row = dict[str, Any]
"""A result as JSON, CSV, Parquet and DataFrames have it: the values by `KEYS`; unknown is None."""


class PscpBounds(NamedTuple):
    """Bounds of PEFT-Bench's composite of score and costs, as fractions; None if unknown."""

    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MethodResult:
    """What the records of one method on one backbone and task amount to.

    Scores, gaps and reductions are fractions. None means unknown. Two results are equal only if they
    are the same object.
    """

    backbone: str
    """Short name of the backbone."""

    task: str
    """Short name of the task."""

    metric: str | None = None
    """Name of the metric that scores the task."""

    chance: float | None = None
    """Score that guessing reaches, a fraction."""

    method: str
    """The method as written in the study."""

    method_id: str | None = None
    """Canonical name of the method, with its options in order."""

    hyperparameters: Mapping[str, Any] | None = None
    """All hyperparameters by name, defaults included."""

    variant: Variant
    """Whether the method ran at its ``default`` hyperparameters or ``tuned``."""

    seeds: tuple[int, ...] = ()
    """Seeds of the completed trials."""

    status: MethodStatus
    """How far the method got: ``completed``, ``partial``, ``failed`` or ``refused``."""

    error: str | None = None
    """Why the method is not completed."""

    score_mean: float | None = None
    """Mean test score over the seeds, a fraction."""

    score_low: float | None = None
    """Lower bound of the score's 95 % interval, a fraction."""

    score_high: float | None = None
    """Upper bound of the score's 95 % interval, a fraction."""

    gap_mean: float | None = None
    """Score minus the baseline's, paired by seed, a fraction."""

    gap_low: float | None = None
    """Lower bound of the gap's 95 % interval, a fraction."""

    gap_high: float | None = None
    """Upper bound of the gap's 95 % interval, a fraction."""

    verdict_low: float | None = None
    """Lower bound of the gap's interval that the verdict rests on, a fraction (see `verdict_gap`)."""

    verdict_high: float | None = None
    """Upper bound of the gap's interval that the verdict rests on, a fraction."""

    p_value: float | None = None
    """Two-sided p-value of no gap."""

    p_adjusted: float | None = None
    """The p-value after correction for the number of methods (step-down maximum)."""

    seed_degrees_of_freedom: float | None = None
    """Degrees of freedom of the gap's variance between seeds; above the seeds less one if borrowed."""

    verdict: Verdict | Literal["baseline"] | None = None
    """Verdict on the gap, from the adjusted p-value; ``baseline`` for the baseline itself."""

    decided_with_seeds: int | None = None
    """Number of seeds that the verdict rests on, if the study gives seeds until methods are decided."""

    proved_margin: float | None = None
    """Smallest margin within which equivalence to the baseline is proved, a fraction."""

    retention_percent: float | None = None
    """Score as a share of the baseline's, mean over the seeds, in per cent."""

    trainable_parameters: int | None = None
    """Number of parameters that get a gradient, adapter and head."""

    adapter_parameters: int | None = None
    """Number of trainable parameters outside the head."""

    head_parameters: int | None = None
    """Number of trainable parameters in the task's head."""

    trainable_percent: float | None = None
    """Trainable parameters as a share of the adapted model's, in per cent."""

    percent_of_full: float | None = None
    """Trainable parameters as a share of what full fine-tuning trains, in per cent."""

    parameter_reduction: float | None = None
    """1 - trainable parameters / those of full fine-tuning."""

    train_seconds: float | None = None
    """Optimisation time of one trial: profiled step time times steps, in seconds."""

    total_seconds: float | None = None
    """Wall-clock seconds of one final trial, loading and evaluation included, mean over the seeds."""

    train_seconds_reduction: float | None = None
    """1 - training time / the baseline's."""

    memory_reduction: float | None = None
    """1 - peak memory / the baseline's."""

    speedup: float | None = None
    """Training examples per second / the baseline's."""

    normalised_score: float | None = None
    """Score / the best score among the comparable methods."""

    time_efficiency: float | None = None
    """1 - training time / that of the slowest comparable method."""

    step_milliseconds: float | None = None
    """Median time of one optimiser step, in milliseconds."""

    samples_per_second: float | None = None
    """Training examples per second, after warm-up."""

    tokens_per_second: float | None = None
    """Tokens per second in training without padding, after warm-up."""

    residues_per_second: float | None = None
    """Residues of proteins per second in training without padding, after warm-up."""

    peak_memory_bytes: int | None = None
    """Peak memory of training, in bytes."""

    adapter_bytes: int | None = None
    """Size of the saved adapter, in bytes."""

    inference_milliseconds: float | None = None
    """Median latency of one example, in milliseconds."""

    taken_share: float | None = None
    """Share of the processors or the GPU that other work took while times were measured, a fraction."""

    on_frontier: bool | None = None
    """Whether no method beats it in observed score and all costs of `frontier_costs`."""

    records: MethodRecords
    """The records that the result rests on."""

    comparable_scores: bool = False
    """Whether the scores were taken in the setting that the comparison is made in."""

    comparable_costs: bool = False
    """Whether the costs were measured in the setting that the comparison is made in."""

    is_answer: bool = False
    """Whether this variant stands for the method: the tuned one if it was tested, else the default."""

    over_examples: bool = False
    """Whether the score's interval holds for other test examples too, not only for other seeds."""

    planned_seeds: tuple[int, ...] = ()
    """Seeds that the study gives the method, as far as that is known yet."""

    would_decide: str | None = None
    """What would decide if the verdict is undecided, in words."""

    pscp: PscpBounds | None = None
    """PEFT-Bench's composite of score and costs; None if it was not requested."""

    @property
    def score(self) -> Interval:
        """Return the mean score with its 95 % interval, as fractions."""
        return Interval(self.score_mean, self.score_low, self.score_high)

    @property
    def gap(self) -> Interval:
        """Return the gap to the baseline with its 95 % interval, as fractions."""
        return Interval(self.gap_mean, self.gap_low, self.gap_high)

    @property
    def verdict_gap(self) -> Interval:
        """Return the gap to the baseline with the interval that the verdict rests on, as fractions.

        It leaves out zero if the verdict is better or worse, it is within the margin if the verdict is
        equivalent, and otherwise the verdict is undecided. For a difference it holds for all methods
        together; for equivalence it is the 90 % interval of two one-sided tests at 5 %. There is none if
        too few seeds were run for one and nothing is decided.
        """
        if self.verdict is None:
            return self.gap
        return Interval(self.gap_mean, self.verdict_low, self.verdict_high)

    @property
    def trains_nothing(self) -> bool:
        """Whether the method is known to have no trainable parameters."""
        return self.trainable_parameters == 0

    def as_row(self) -> Row:
        """Return the values of `KEYS` as a dict, followed by `PSCP_KEYS` if PSCP was requested."""
        row: Row = {key: getattr(self, key) for key in KEYS}
        row["seeds"] = list(self.seeds)
        if self.hyperparameters is not None:
            row["hyperparameters"] = dict(self.hyperparameters)
        if self.pscp is not None:
            row |= zip(PSCP_KEYS, self.pscp, strict=True)
        return row


_NOT_IN_ROWS = (
    "records",
    "comparable_scores",
    "comparable_costs",
    "is_answer",
    "over_examples",
    "planned_seeds",
    "would_decide",
    "pscp",
)
KEYS = tuple(field.name for field in fields(MethodResult) if field.name not in _NOT_IN_ROWS)
"""The keys of a row, in order."""

PSCP_KEYS = ("pscp_low", "pscp_high")
"""The keys that follow if PSCP was requested."""

IDENTITY = KEYS[: KEYS.index("error") + 1]
"""The keys that say what a row is about and how far it got."""

COUNTS = (
    "trainable_parameters",
    "adapter_parameters",
    "head_parameters",
    "peak_memory_bytes",
    "adapter_bytes",
)
"""The keys of whole numbers: counts and bytes."""
