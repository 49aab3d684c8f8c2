"""The contract of a method, run on a real backbone with a task of a few real sentences."""

from __future__ import annotations

import copy
import json
import pickle
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.methods import Adapter, Method, Situation, resolve_method
from whichpeft.study import Budget
from whichpeft.tasks import Array, Batch, Examples, Task, text_task

if TYPE_CHECKING:
    import torch

_POSITIVE = ("a warm and funny film", "gripping from start to finish", "the cast is a delight")
_NEGATIVE = ("a dull and endless mess", "nothing here works", "i wanted my money back at once")
_STEPS = 3  # of training
_PLANNED_STEPS = 100  # what the method is told, since schedules need room


def small_task() -> Task:
    """Two classes of short sentences, enough for a step of training."""
    examples = [(text, "good") for text in _POSITIVE] + [(text, "bad") for text in _NEGATIVE]
    return text_task("small", train=examples, validation=examples, test=examples)


@dataclass(frozen=True)
class MethodContract:
    """What every method owes the rest of the house.

    text: the method as typed. backbone: what it is tried on, the embedded one where not given.
    """

    text: str
    backbone: Backbone | None = None

    rules: ClassVar[tuple[str, ...]] = (
        "it_travels",
        "frozen_weights_stay_put",
        "counts_add_up",
        "the_head_depends_on_the_seed_alone",
        "a_seed_repeats",
        "save_and_load_agree",
        "merging_agrees",
    )

    def check(self) -> None:
        """Check every rule. Raises AssertionError at the first that is broken."""
        for rule in self.rules:
            self.check_rule(rule)

    def check_rule(self, rule: str) -> None:
        """Check one of `rules` by its name."""
        getattr(self, f"_{rule}")()

    @cached_property
    def method(self) -> Method:
        method = resolve_method(self.text)
        refusal = method.refuses(self._backbone, self._task, Budget(epochs=20))
        assert refusal is None, f"{self.text} refuses {self._backbone.name}: {refusal}"
        return method

    @cached_property
    def _backbone(self) -> Backbone:
        return self.backbone or resolve_backbone("minilm")

    @cached_property
    def _task(self) -> Task:
        return small_task()

    @cached_property
    def _examples(self) -> Examples:
        return self._task.encode(self._backbone, max_train=None)["train"]

    def _it_travels(self) -> None:
        method = self.method
        json.dumps(method.hyperparameters, allow_nan=False)
        assert pickle.loads(pickle.dumps(method)) == method, "pickling changes the method"
        again = resolve_method(method.identity)
        assert again.hyperparameters == method.hyperparameters, (
            f"{method.identity} does not read back to {method.hyperparameters}"
        )

    def _frozen_weights_stay_put(self) -> None:
        adapter = self._apply(seed=0)
        before = {name: p.detach().clone() for name, p in adapter.model.named_parameters()}
        self._train(adapter)
        for name, parameter in adapter.model.named_parameters():
            same = bool((parameter == before[name]).all())
            assert same or parameter.requires_grad, f"{name} is frozen and has moved"
        moved = [n for n, p in adapter.model.named_parameters() if not bool((p == before[n]).all())]
        assert bool(moved) == adapter.trains, f"after {_STEPS} steps these have moved: {moved}"

    def _counts_add_up(self) -> None:
        model = self._build(seed=0)
        head = self._task.head_parameters(model)
        in_head = sum(p.numel() for name, p in model.named_parameters() if name in head)
        adapter = self._apply(seed=0)
        trained = sum(p.numel() for p in adapter.model.parameters() if p.requires_grad)
        assert trained == 0 or trained >= in_head, "the new head does not train"
        assert adapter.trains == (trained > 0), f"trains is {adapter.trains} with {trained} parameters"

    def _the_head_depends_on_the_seed_alone(self) -> None:
        plain = self._build(seed=3)
        head = self._task.head_parameters(plain)
        adapted = dict(self._apply(seed=3).model.named_parameters())
        for name in head:
            last = name.rpartition(".")[2]
            expected = dict(plain.named_parameters())[name]
            found = [
                p
                for other, p in adapted.items()
                if other.endswith(last) and p.shape == expected.shape and bool((p == expected).all())
            ]
            assert found, f"the head's {name} was drawn otherwise than without the method"

    def _a_seed_repeats(self) -> None:
        first, again, other = (self._trained_outputs(seed) for seed in (1, 1, 2))
        assert (first == again).all(), "the same seed gives other outputs"
        assert not self._apply(seed=1).trains or not (first == other).all(), (
            "another seed gives the same outputs"
        )

    def _save_and_load_agree(self) -> None:
        adapter = self._apply(seed=0)
        self._train(adapter)
        with tempfile.TemporaryDirectory() as folder:
            adapter.save(Path(folder))
            loaded = self.method.load(self._build(seed=0), Path(folder))
        difference = np.abs(self._outputs(adapter.model) - self._outputs(loaded)).max()
        assert difference < 1e-5, f"the loaded method's outputs differ by {difference}"

    def _merging_agrees(self) -> None:
        adapter = self._apply(seed=0)
        merge = getattr(adapter.model, "merge_and_unload", None)
        self._train(adapter)
        apart = self._outputs(adapter.model)
        if merge is None or not hasattr(adapter.model.base_model, "merge_and_unload"):
            return
        if not self.method.merges:
            _assert_merging_is_refused(adapter)
            return
        merged = self._outputs(copy.deepcopy(adapter.model).merge_and_unload(safe_merge=True))
        difference = np.abs(apart - merged).max()
        assert difference < 1e-3, f"the merged model's outputs differ by {difference}"

    def _build(self, seed: int) -> torch.nn.Module:
        import torch

        torch.manual_seed(seed)
        return self._task.build(self._backbone)

    def _apply(self, seed: int) -> Adapter:
        model = self._build(seed)
        situation = Situation(
            task_type=self._task.task_type,
            head=frozenset(self._task.head_parameters(model)),
            steps=_PLANNED_STEPS,
        )
        return self.method.apply(model, situation)

    def _batch(self) -> Batch:
        return self._examples.batch(np.arange(6))

    def _train(self, adapter: Adapter) -> None:
        """Take a few plain steps; dropout draws from the generator that `_build` seeded."""
        import torch

        if not adapter.trains:
            return
        trained = [p for p in adapter.model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=0.1)
        adapter.model.train()
        for step in range(_STEPS):
            loss, penalty = self._task.loss(adapter.model, self._batch()), adapter.penalty()
            (loss if penalty is None else loss + penalty).backward()
            optimizer.step()
            adapter.after_step(step)
            optimizer.zero_grad()

    def _trained_outputs(self, seed: int) -> Array:
        adapter = self._apply(seed)
        self._train(adapter)
        return self._outputs(adapter.model)

    def _outputs(self, model: torch.nn.Module) -> Array:
        import torch

        model.eval()
        with torch.inference_mode():
            outputs: Array = self._task.outputs(model, self._batch()).float().numpy()
        return outputs


def _assert_merging_is_refused(adapter: Adapter) -> None:
    """A method without weights to merge into says so, and does not give back a model without it."""
    try:
        copy.deepcopy(adapter.model).merge_and_unload()
    except ValueError:
        return
    raise AssertionError("the method says that it does not merge, and merging raises no ValueError")
