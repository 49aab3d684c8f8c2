"""The contract that every task keeps."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.tasks import SPLITS, Array, DecodedTask, Examples, Task, scores

if TYPE_CHECKING:
    import torch

# Natural data repeat a little between splits; a larger share would leak the test.
MOST_SHARED = 0.05
# Number of training inputs that validation and test inputs are compared with.
MOST_COMPARED = 2000
# Size, in bytes, of a pickled task without examples, which every trial receives.
MOST_PICKLED = 100_000


@dataclass(frozen=True)
class TaskContract:
    """What whichpeft relies on in every task."""

    load: Callable[[], Task]
    """Returns the task; called twice."""

    backbone: Backbone | None = None
    """The backbone to check the task on; by default the embedded one."""

    max_train: int | None = 200
    """Number of training examples to encode, so that large data sets are quick to check.

    Choose a larger number, or None, if these examples do not cover all classes of the task.
    """

    rules: ClassVar[tuple[str, ...]] = (
        "splits_exist",
        "splits_do_not_overlap",
        "fingerprint_is_stable",
        "subset_is_fixed",
        "batches_are_padded_to_their_longest_example",
        "equal_indices_give_equal_batches",
        "loss_is_finite_and_differentiable",
        "head_is_new_and_trains",
        "outputs_have_one_row_per_example",
        "scores_are_finite",
        "chance_is_the_score_of_the_constant",
        "task_pickles",
        "task_without_examples_is_small",
    )

    def check(self) -> None:
        """Check every rule.

        Raises
        ------
        AssertionError
            If a rule is broken; the message says what was expected and what was found.
        """
        for rule in self.rules:
            getattr(self, rule)()

    def splits_exist(self) -> None:
        task = self._task
        for split in SPLITS:
            count = task.counts.get(split, 0)
            _expect(count > 0, f"at least one example in split {split!r}, but counts has {count}")
        for split in ("validation", "test"):
            found = len(self._examples[split])
            _expect(
                found == task.counts[split],
                f"{task.counts[split]} encoded {split} examples, not {found}",
            )
        train = min(task.counts["train"], self.max_train or task.counts["train"])
        found = len(self._examples["train"])
        _expect(found == train, f"train cut to {train} examples, not {found}")
        for split, examples in self._examples.items():
            for name in ("labels", "sizes", "tokens"):
                values = getattr(examples, name)
                shape = None if values is None else values.shape
                right: tuple[int, ...] = (len(examples),)
                if name == "labels" and task.problem == "multilabel":
                    right = (len(examples), task.build_on_meta(self._backbone).num_labels)
                _expect(
                    shape == right or (name == "tokens" and values is None),
                    f"{split}: {name} of shape {right}, not {shape}",
                )
            _expect(bool((examples.sizes > 0).all()), f"sizes above 0 for all {split} examples")

    def splits_do_not_overlap(self) -> None:
        """Few test and validation inputs are training inputs, compared in the form of batches."""
        known = self._task.encode(self._backbone, max_train=MOST_COMPARED)["train"]
        train = {_input(known, i) for i in range(len(known))}
        for split in ("validation", "test"):
            examples = self._examples[split]
            compared = range(min(len(examples), 1000))
            shared = sum(_input(examples, i) in train for i in compared) / len(compared)
            _expect(
                shared <= MOST_SHARED,
                f"at most {MOST_SHARED:.0%} of {split} inputs in train, not {shared:.0%}",
            )

    def fingerprint_is_stable(self) -> None:
        first, second = self._task.fingerprint, self.load().fingerprint
        _expect(first == second, f"equal fingerprints after two loads, not {first} and {second}")
        _expect(len(first) >= 16, f"a fingerprint of 16 characters or more, not {first!r}")

    def subset_is_fixed(self) -> None:
        again = self._task.encode(self._backbone, max_train=self.max_train)["train"]
        train = self._examples["train"]
        _expect(np.array_equal(again.labels, train.labels), "the same training subset each time")

    def batches_are_padded_to_their_longest_example(self) -> None:
        examples = self._examples["train"]
        if examples.tokens is None:
            return
        order = np.argsort(examples.tokens, kind="stable")
        for indices in (order[:2], order[-2:], order[[0, -1]]):
            mask = examples.batch(indices).get("attention_mask")
            if mask is None:
                continue
            longest = int(examples.tokens[indices].max())
            _expect(
                tuple(mask.shape) == (2, longest),
                f"a mask of shape (2, {longest}), not {tuple(mask.shape)}",
            )
            _expect(
                mask.sum(dim=1).tolist() == examples.tokens[indices].tolist(),
                "the number of unmasked tokens in `tokens`",
            )

    def equal_indices_give_equal_batches(self) -> None:
        examples = self._examples["train"]
        indices = np.arange(min(3, len(examples)))
        first, second = examples.batch(indices), examples.batch(indices)
        _expect(_equal(first, second), "the same batch for the same indices")
        _expect(not any(value.is_cuda for value in first.values()), "batches on the CPU")
        reversed_labels = examples.batch(indices[::-1].copy())["labels"].tolist()
        _expect(first["labels"].tolist()[::-1] == reversed_labels, "rows in the order of the indices")

    def loss_is_finite_and_differentiable(self) -> None:
        model = self._model
        model.zero_grad()
        loss = self._task.loss(model, self._batch)
        _expect(loss.dim() == 0, f"one mean loss, not a tensor of shape {tuple(loss.shape)}")
        _expect(math.isfinite(loss.item()), f"a finite loss, not {loss.item()}")
        _expect(loss.dtype.itemsize >= 4, f"a loss in float32, not {loss.dtype}")
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        _expect(any(bool(g.abs().sum() > 0) for g in gradients), "gradients that are not all zero")

    def head_is_new_and_trains(self) -> None:
        model = self._model
        names = {name for name, _ in model.named_parameters()}
        head = self._task.head_parameters(model)
        _expect(
            bool(head) != self._answers_untrained,
            "either a head with parameters or no constant prediction",
        )
        _expect(
            head <= names,
            f"head parameters in the model, which does not have {sorted(head - names)[:3]}",
        )
        _expect(head < names, "parameters other than the head's")
        same, other = self._build(0), self._build(1)
        again, others = dict(same.named_parameters()), dict(other.named_parameters())
        for name, value in model.named_parameters():
            _expect(bool((value == again[name]).all()), f"the same {name} for the same seed")
            if name not in head:
                _expect(bool((value == others[name]).all()), f"the same {name} for every seed")
        differ = any(not bool((again[name] == others[name]).all()) for name in head)
        _expect(differ or not head, "a head drawn from torch's global generator")

    def outputs_have_one_row_per_example(self) -> None:
        import torch

        tested = self._examples["test"]
        count = min(4, len(tested))
        with torch.no_grad():
            rows = self._task.outputs(self._model, tested.batch(np.arange(count)))
        _expect(rows.dim() >= 2 and len(rows) == count, f"{count} rows, not {tuple(rows.shape)}")
        constant = self._task.constant_baseline(count)
        if constant is None:
            return
        # A prediction that has to be decoded may be one column, for everything in an example.
        short = isinstance(self._task, DecodedTask) and constant.shape == (count, 1)
        _expect(
            short or constant.shape == tuple(rows.shape),
            f"constant predictions of shape {tuple(rows.shape)}, not {constant.shape}",
        )
        if self._task.problem == "regression":
            _expect(rows.shape[1] == 1, f"one value per example, not {rows.shape[1]}")

    def scores_are_finite(self) -> None:
        task = self._task
        labels = self._examples["test"].labels
        constant = task.constant_baseline(len(labels))
        if constant is None:
            found = self._predictions
            for metric, score in scores(
                task.metrics, labels, found["outputs"], found.get("groups")
            ).items():
                _expect(math.isfinite(score), f"a finite {metric} of the model's outputs, not {score}")
            return
        constant = self._decoded(constant)
        perfect = self._perfect(labels, constant)
        names = [metric.name for metric in task.metrics]
        _expect(len(set(names)) == len(names) > 0, f"metrics with different names, not {names}")
        for name, outputs in (("perfect", perfect), ("constant", constant)):
            for metric, score in scores(task.metrics, labels, outputs).items():
                _expect(math.isfinite(score), f"a finite {metric} of {name} outputs, not {score}")
        first = task.metrics[0].compute
        best, worst = float(first(labels, perfect)), float(first(labels, constant))
        _expect(
            best >= worst, f"higher scores for better outputs, but perfect ones get {best} < {worst}"
        )

    def chance_is_the_score_of_the_constant(self) -> None:
        task = self._task
        labels = self._examples["test"].labels
        constant = task.constant_baseline(len(labels))
        if constant is None:
            _expect(
                task.chance is None or 0 <= task.chance <= 1, f"a chance from 0 to 1, not {task.chance}"
            )
            return
        score = float(task.metrics[0].compute(labels, self._decoded(constant)))
        _expect(
            task.chance is not None and math.isclose(task.chance, score, abs_tol=1e-9),
            f"a chance of {score} (the constant prediction on test), not {task.chance}",
        )

    def task_pickles(self) -> None:
        again = pickle.loads(pickle.dumps(self._task))
        _expect(again.fingerprint == self._task.fingerprint, "the same task after pickling")

    def task_without_examples_is_small(self) -> None:
        task = self._task
        small = task.without_examples()
        size = len(pickle.dumps(small))
        _expect(size <= MOST_PICKLED, f"at most {MOST_PICKLED:,} bytes pickled, not {size:,}")
        for name in ("name", "problem", "fingerprint", "chance", "task_type"):
            _expect(getattr(small, name) == getattr(task, name), f"the same {name} without examples")
        _expect(dict(small.counts) == dict(task.counts), "the same counts without examples")
        first, second = small.constant_baseline(2), task.constant_baseline(2)
        same = first is second if first is None or second is None else np.array_equal(first, second)
        _expect(same, "the same constant prediction")
        loss = small.loss(self._model, self._batch)
        _expect(math.isfinite(loss.item()), "a loss without examples")

    @cached_property
    def _task(self) -> Task:
        return self.load()

    @property
    def _answers_untrained(self) -> bool:
        """Whether the task adds no head, so that it has no constant prediction."""
        return self._task.constant_baseline(1) is None

    @cached_property
    def _predictions(self) -> Mapping[str, Any]:
        """Return the untrained model's predictions on the test split."""
        import torch

        tested = self._examples["test"]
        with torch.no_grad():
            parts = [
                self._task.outputs(self._model, tested.batch(np.arange(i, min(i + 16, len(tested)))))
                for i in range(0, len(tested), 16)
            ]
        outputs = np.concatenate([part.float().numpy() for part in parts])
        if isinstance(self._task, DecodedTask):
            return self._task.predictions(outputs, tested, self._backbone)
        return {"outputs": outputs}

    def _decoded(self, outputs: Array) -> Array:
        """Return outputs on the test split as metrics read them."""
        if isinstance(self._task, DecodedTask):
            return self._task.predictions(outputs, self._examples["test"], self._backbone)["outputs"]
        return outputs

    def _perfect(self, labels: Array, constant: Array) -> Array:
        """Return outputs that are right for all test examples, as metrics read them."""
        if self._task.problem == "classification":
            return np.eye(constant.shape[1], dtype=np.float32)[labels]
        if self._task.problem == "multilabel":
            return 2 * labels - 1
        if isinstance(self._task, DecodedTask):  # only the task knows what is right
            outputs = self._predictions["outputs"]
            first = self._task.metrics[0].compute
            return max(outputs, constant, key=lambda found: float(first(labels, found)))
        return labels[:, None].astype(np.float32)

    @cached_property
    def _backbone(self) -> Backbone:
        return self.backbone or resolve_backbone("minilm")

    @cached_property
    def _examples(self) -> Mapping[str, Examples]:
        return self._task.encode(self._backbone, max_train=self.max_train)

    @cached_property
    def _model(self) -> torch.nn.Module:
        return self._build(0)

    @cached_property
    def _batch(self) -> dict[str, Any]:
        return self._examples["train"].batch(np.arange(min(4, len(self._examples["train"]))))

    def _build(self, seed: int) -> torch.nn.Module:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._task.build(self._backbone).eval()


def _input(examples: Examples, index: int) -> tuple[bytes, ...]:
    batch = examples.batch(np.array([index]))
    return tuple(value.numpy().tobytes() for key, value in sorted(batch.items()) if key != "labels")


def _equal(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        bool((first[key] == second[key]).all()) for key in first
    )


def _expect(holds: bool, expectation: str) -> None:
    if not holds:
        raise AssertionError(f"expected {expectation}")
