"""Records as a run writes them, with numbers that a test can choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whichpeft.analysis import Predictions
from whichpeft.records import Measurement, Outcome, Record, Setting
from whichpeft.records.selection import SEARCH_SEED
from whichpeft.study import Budget, Study, Trial

HARDWARE = {"processor": "Test CPU", "cores": 2, "memory_bytes": 8_000_000_000, "accelerator": None}
VERSIONS = {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.1.0", "peft": "0.21.0"}
SETTING = Setting(hardware=HARDWARE, versions=VERSIONS, device="cpu", precision="bfloat16")
BUDGET = Budget(epochs=3, max_train=2000, batch_size=16)
BASE, HEAD = 22_000_000, 1_000


def study(methods: Sequence[str] = ("full", "lora:r=8"), **changed: Any) -> Study:
    """Return a study on minilm and sst2; `changed` replaces any of its fields."""
    fields = {"backbone": "minilm", "task": "glue/sst2", "seeds": (0, 1, 2), "budget": BUDGET}
    return Study(methods=tuple(methods), **(fields | changed))


def trial(method: str, seed: int = 0, **changed: Any) -> Trial:
    """Return a final trial of a method; `changed` replaces any of its fields."""
    fields: dict[str, Any] = {
        "purpose": "final",
        "backbone": "minilm",
        "backbone_revision": "r1",
        "task": "glue/sst2",
        "data": "d1",
        "method": method,
        "method_id": method,
        "hyperparameters": {"learning_rate": 0.001},
        "seed": seed,
        "budget": BUDGET,
    }
    return Trial(**(fields | changed))


def measurements(
    values: Mapping[str, float], phase: str, source: str = "trial"
) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(name=name, value=value, unit="", phase=phase, source=source)
        for name, value in values.items()
    )


def parameters(adapter: int, phase: str) -> tuple[Measurement, ...]:
    """Return parameter counts for an adapter of this size; BASE means full fine-tuning."""
    total = BASE + HEAD + (0 if adapter == BASE else adapter)
    return measurements(
        {
            "trainable_parameters": adapter + HEAD,
            "adapter_parameters": adapter,
            "head_parameters": HEAD,
            "total_parameters": total,
            "full_parameters": BASE + HEAD,
        },
        phase,
    )


def final(
    method: str, seed: int, score: float, *, adapter: int = 10_000, metric: str = "accuracy",
    setting: Setting = SETTING, **changed: Any,
) -> Record:  # fmt: skip
    """Return a completed final record."""
    return Record(
        trial=trial(method, seed, **changed),
        setting=setting,
        outcome=Outcome(status="completed"),
        measurements=(
            Measurement(name="score", value=score, unit="fraction", phase="test", source=metric),
            *measurements({"chance": 0.5}, "test"),
            *measurements({"train_examples": 2000, "test_examples": 872}, "set-up"),
            *measurements({"seconds": 30.0}, "fit"),
            *measurements({"total_seconds": 40.0 + seed}, "all"),
            *parameters(adapter, "set-up"),
        ),
    )


def profile(
    method: str, *, adapter: int = 10_000, seconds: float = 30.0, memory: float = 4e8,
    speed: float = 100.0, setting: Setting = SETTING, **changed: Any,
) -> Record:  # fmt: skip
    """Return a completed profile record."""
    step = Measurement(
        name="step_milliseconds",
        value=80.0,
        unit="ms",
        phase="profile",
        source="profile",
        low=75.0,
        high=90.0,
    )
    return Record(
        trial=trial(method, purpose="profile", **changed),
        setting=setting,
        outcome=Outcome(status="completed"),
        measurements=(
            step,
            *measurements(
                {
                    "samples_per_second": speed,
                    "train_seconds": seconds,
                    "peak_memory_bytes": memory,
                    "adapter_bytes": 4 * adapter,
                },
                "profile",
            ),
            *parameters(adapter, "profile"),
        ),
    )


def idle_profile(method: str = "zero-shot") -> Record:
    """Return the profile of a method that trains nothing."""
    return Record(
        trial=trial(method, purpose="profile"),
        setting=SETTING,
        outcome=Outcome(status="completed"),
        measurements=measurements(
            {
                "train_seconds": 0,
                "trainable_parameters": 0,
                "adapter_parameters": 0,
                "head_parameters": 0,
                "total_parameters": BASE + HEAD,
                "full_parameters": BASE + HEAD,
                "adapter_bytes": 0,
            },
            "profile",
        ),
    )


def ended(method: str, status: str, reason: str, *, seed: int = 0, phase: str | None = None,
          purpose: str = "final", **changed: Any) -> Record:  # fmt: skip
    """Return a record that failed or was refused."""
    return Record(
        trial=trial(method, seed, purpose=purpose, **changed),
        setting=SETTING,
        outcome=Outcome(status=status, phase=phase, reason=reason),  # type: ignore[arg-type]
    )


def whole(method: str, scores: Sequence[float], **changed: Any) -> list[Record]:
    """Return a profile and one final record for each score, at seeds 0, 1, ..."""
    shared = {key: value for key, value in changed.items() if key in ("adapter", "setting", "method_id")}
    return [
        profile(method, **changed),
        *(final(method, seed, score, **shared) for seed, score in enumerate(scores)),
    ]


def beside_other_work(profile: Record, share: float, name: str = "taken_share") -> Record:
    """Return a profile as it is if other work took a share of its processors."""
    taken = measurements({name: share}, "profile")
    return replace(profile, measurements=(*profile.measurements, *taken))


def timed(
    method: str, parts: Sequence[float], *, adapter: int = 100_000, seconds: float | None = None,
    scores: Sequence[float] = (0.80, 0.801, 0.802),
) -> list[Record]:  # fmt: skip
    """Return the records of a method whose step has these parts, in milliseconds."""
    names = ("forward_milliseconds", "backward_milliseconds", "optimizer_milliseconds")
    seconds = sum(parts) if seconds is None else seconds
    first, *rest = whole(method, scores, adapter=adapter, seconds=seconds)
    more = measurements(dict(zip(names, parts, strict=True)), "profile")
    return [replace(first, measurements=(*first.measurements, *more)), *rest]


def with_chance(
    method: str, scores: Sequence[float], chance: float | None = 0.665, metric: str = "accuracy",
    **changed: Any,
) -> list[Record]:  # fmt: skip
    """Return the records of a method on data with this chance level; None if it has none."""
    records = []
    for record in whole(method, scores, **changed):
        kept = []
        for measured in record.measurements:
            if measured.name == "score":
                measured = replace(measured, source=metric)
            if measured.name == "chance" and chance is not None:
                measured = replace(measured, value=chance)
            if measured.name != "chance" or chance is not None:
                kept.append(measured)
        records.append(replace(record, measurements=tuple(kept)))
    return records


def other_machine() -> Setting:
    return replace(SETTING, hardware={**HARDWARE, "processor": "Another CPU"})


def tuned(method: str, number: int, validation: float, *, status: str = "completed",
          **changed: Any) -> Record:  # fmt: skip
    """Return a tuning record; number 0 has the default learning rate, later ones a larger one."""
    given = {"hyperparameters": {"learning_rate": 0.001 * (1 + number)}, "seed": SEARCH_SEED} | changed
    return Record(
        trial=trial(method, purpose="tune", number=number, **given),
        setting=SETTING,
        outcome=Outcome(status=status, phase=None if status == "completed" else "validate"),  # type: ignore[arg-type]
        measurements=measurements({"validation_score": validation, "steps": 375.0}, "validate"),
    )


def screened(method: str, number: int, step: int, validation: float, *, loss: float | None = None,
             status: str = "stopped", **changed: Any) -> Record:  # fmt: skip
    """Return the record of a screening trial, with the learning rate that `tuned` has."""
    whole = tuned(method, number, validation, **changed)
    found = {"validation_score": validation, **({} if loss is None else {"validation_loss": loss})}
    counts = {"steps": float(step), "examples_trained": 16.0 * step}
    reason = f"paused after {step} of 375 steps" if status == "stopped" else "the loss is not finite"
    return replace(
        whole,
        trial=whole.trial.beginning(step),
        outcome=Outcome(status=status, phase="validate", reason=reason),  # type: ignore[arg-type]
        measurements=(*measurements(found, "validate"), *measurements(counts, "fit")),
    )


def predictions(
    records: Iterable[Record], *, examples: int = 1000, agreement: float = 2.0
) -> Predictions:
    """Return a function that gives each final record predictions whose accuracy is its score.

    Scores have to be whole numbers of examples. The higher `agreement`, the more the difficulty of an
    example decides whether it is right, rather than chance.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, examples)
    difficulty = agreement * rng.standard_normal(examples)
    found = {}
    for record in sorted(records, key=lambda record: record.trial.fingerprint):
        score = record.value("score", "test")
        if record.trial.purpose != "final" or score is None:
            continue
        order = np.argsort(difficulty + rng.standard_normal(examples))
        right = np.isin(np.arange(examples), order[: round(score * examples)])
        outputs = np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)]
        found[record.trial.fingerprint] = {"outputs": outputs, "labels": labels}
    return found.get
