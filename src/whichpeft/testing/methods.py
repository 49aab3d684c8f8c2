"""The contract that every method keeps, checked with a small task."""

from __future__ import annotations

import copy
import json
import pickle
import tempfile
import time
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.errors import MethodError
from whichpeft.methods import Adapter, Method, MethodContext, resolve_method
from whichpeft.planning.batch_norm import set_training
from whichpeft.study import Budget
from whichpeft.tasks import Array, Batch, Examples, Task
from whichpeft.testing.small_tasks import small_task
from whichpeft.units import show_seconds

if TYPE_CHECKING:
    import torch

_STEPS = 3  # training steps
_PLANNED_STEPS = 100  # steps in the context, more than _STEPS since schedules need some
_RATE = 0.05


@dataclass(frozen=True)
class MethodContract:
    """What whichpeft relies on in every method.

    A rule that cannot apply (the method does not merge, or refuses the backbone) raises
    unittest.SkipTest with the reason, which test runners show as a skip.
    """

    text: str
    """The method as a user writes it, such as ``my-method:size=4``."""

    backbone: Backbone | None = None
    """The backbone to check the method on; by default the embedded one."""

    task: Callable[[], Task] = small_task
    """Returns a small task that the backbone can read; for images, `small_tasks.small_image_task`."""

    rules: ClassVar[tuple[str, ...]] = (
        "pickling_and_spelling_agree",
        "gradients_reach_the_adapter",
        "frozen_weights_do_not_change",
        "counts_add_up",
        "counts_without_weights_agree",
        "head_depends_only_on_the_seed",
        "same_seed_repeats",
        "save_and_load_agree",
        "training_resumes_from_saved",
        "merging_agrees",
        "detaching_restores_the_backbone",
    )

    def check(self, tell: Callable[[str], None] | None = print) -> None:
        """Check every rule that applies.

        Parameters
        ----------
        tell
            Gets a line when a rule was checked, with the seconds that it took or why it does not
            apply; None for silence.

        Raises
        ------
        AssertionError
            If a rule is broken; the message says what was expected and what was found.
        """
        tell = tell or (lambda line: None)
        for i, rule in enumerate(self.rules, start=1):
            began = time.perf_counter()
            outcome = "broken"
            try:
                self.check_rule(rule)
                outcome = f"kept, {show_seconds(time.perf_counter() - began)}"
            except unittest.SkipTest as skipped:
                outcome = f"does not apply: {skipped}"
            finally:
                tell(f"{i} of {len(self.rules)}  {rule.replace('_', ' ')}: {outcome}")

    def check_rule(self, rule: str) -> None:
        """Check one of `rules`. Raises unittest.SkipTest if it does not apply."""
        getattr(self, f"_{rule}")()

    @cached_property
    def method(self) -> Method:
        method = resolve_method(self.text)
        refusal = method.refuses(self._backbone, self._task, Budget(epochs=20))
        if refusal is not None:
            raise unittest.SkipTest(f"{self.text} refuses {self._backbone.name}: {refusal}")
        return method

    @cached_property
    def _backbone(self) -> Backbone:
        return self.backbone or resolve_backbone("minilm")

    @cached_property
    def _task(self) -> Task:
        return self.task()

    @cached_property
    def _examples(self) -> Examples:
        return self._task.encode(self._backbone, max_train=None)["train"]

    def _pickling_and_spelling_agree(self) -> None:
        method = self.method
        json.dumps(method.hyperparameters, allow_nan=False)
        assert pickle.loads(pickle.dumps(method)) == method, "pickling changes the method"
        if "@" in method.identity:
            return  # from a file: its identity is a hash of the content
        again = resolve_method(method.identity)
        assert again.hyperparameters == method.hyperparameters, (
            f"{method.identity} does not resolve to {method.hyperparameters}"
        )

    def _gradients_reach_the_adapter(self) -> None:
        adapter = self._apply(seed=0)
        if not adapter.trains:
            raise unittest.SkipTest(f"{self.text} trains nothing")
        set_training(adapter.model)
        # Two steps: a factor of zeros blocks the gradient of the other factor in the first one.
        self._train(adapter, steps=2, keep_gradients=True)
        reached = {
            name: parameter.grad is not None and bool((parameter.grad != 0).any())
            for name, parameter in adapter.model.named_parameters()
            if parameter.requires_grad and parameter.numel()
        }
        head = {name.rpartition(".")[2] for name in self._head}
        assert any(reached.values()), "no gradient reaches anything that trains"
        adapted = [name for name, found in reached.items() if found and not _of_head(name, self._head)]
        if sum(p.numel() for p in adapter.model.parameters() if p.requires_grad) > self._head_size:
            assert adapted, f"no gradient reaches the adapter, only the head ({', '.join(head)})"

    def _frozen_weights_do_not_change(self) -> None:
        before, adapter = self._before_and_trained
        for name, parameter in adapter.model.named_parameters():
            same = bool((parameter == before[name]).all())
            assert same or parameter.requires_grad, f"{name} is frozen but has changed"
        changed = [n for n, p in adapter.model.named_parameters() if not bool((p == before[n]).all())]
        assert bool(changed) == adapter.trains, f"after {_STEPS} steps, these have changed: {changed}"

    def _counts_add_up(self) -> None:
        adapter = self._apply(seed=0)
        trained = sum(p.numel() for p in adapter.model.parameters() if p.requires_grad)
        assert trained == 0 or trained >= self._head_size, "the new head does not train"
        assert adapter.trains == (trained > 0), f"trains is {adapter.trains} with {trained} parameters"

    def _counts_without_weights_agree(self) -> None:
        """Parameter counts without weights equal those with weights."""
        import torch

        real = self._apply(seed=0)
        try:
            with torch.device("meta"):
                model = self._task.build_on_meta(self._backbone)
            on_meta = self.method.apply(model, self._context(model, weightless=True))
        except NotImplementedError as error:
            raise unittest.SkipTest(f"{self.text} needs weights to start: {error}") from None
        expected, found = (
            {
                "trainable": sum(p.numel() for p in adapter.model.parameters() if p.requires_grad),
                "all": sum(p.numel() for p in adapter.model.parameters()),
            }
            for adapter in (real, on_meta)
        )
        assert found == expected, f"without weights: {found}; with weights: {expected}"

    def _head_depends_only_on_the_seed(self) -> None:
        plain = self._build(seed=3)
        adapted = dict(self._apply(seed=3).model.named_parameters())
        for name in self._head:
            last = name.rpartition(".")[2]
            expected = dict(plain.named_parameters())[name]
            found = [
                p
                for other, p in adapted.items()
                if other.endswith(last) and p.shape == expected.shape and bool((p == expected).all())
            ]
            assert found, f"the head's {name} differs from the one without the method"

    def _same_seed_repeats(self) -> None:
        _, adapter = self._before_and_trained
        first = self._outputs(adapter.model)
        again, other = (self._trained_outputs(seed) for seed in (0, 1))
        assert (first == again).all(), "the same seed gives different outputs"
        assert not adapter.trains or not (first == other).all(), "another seed gives the same outputs"

    def _save_and_load_agree(self) -> None:
        _, adapter = self._before_and_trained
        with tempfile.TemporaryDirectory() as folder:
            adapter.save(Path(folder))
            loaded = self.method.load(self._build(seed=0), Path(folder))
        self._agree(self._outputs(adapter.model), self._outputs(loaded), "the loaded method's", 1e-5)

    def _training_resumes_from_saved(self) -> None:
        adapter = self._apply(seed=0)
        if not adapter.trains:
            raise unittest.SkipTest(f"{self.text} trains nothing")
        self._train(adapter)
        model = self._build(seed=0)
        with tempfile.TemporaryDirectory() as folder:
            adapter.save(Path(folder))
            try:
                resumed = self.method.resume(model, self._context(model), Path(folder))
            except ValueError as error:
                raise unittest.SkipTest(str(error)) from None
        for one in (adapter, resumed):
            one.model.eval()  # without dropout, whose masks differ after an interruption
            self._train(one, steps=1, mode=False)
        self._agree(
            self._outputs(adapter.model), self._outputs(resumed.model), "the resumed method's", 1e-4
        )

    def _merging_agrees(self) -> None:
        _, adapter = self._before_and_trained
        unmerged = self._outputs(adapter.model)
        try:
            merged = copy.deepcopy(adapter).merge()
        except ValueError as error:
            raise unittest.SkipTest(f"{self.text} does not merge: {error}") from None
        self._agree(unmerged, self._outputs(merged), "the merged model's", 1e-3)

    def _detaching_restores_the_backbone(self) -> None:
        before = {name: p.clone() for name, p in self._build(seed=0).state_dict().items()}
        adapter = self._apply(seed=0)
        self._train(adapter)
        try:
            bare = adapter.detach().state_dict()
        except ValueError as error:
            raise unittest.SkipTest(f"{self.text} cannot be removed: {error}") from None
        assert set(bare) == set(before), (
            f"the model differs in {sorted(set(bare) ^ set(before))[:3]} from what the task built"
        )
        for name, value in before.items():
            same = name in self._head or bool((bare[name] == value).all())
            assert same, f"{name} differs from before the method"

    @cached_property
    def _before_and_trained(self) -> tuple[dict[str, torch.Tensor], Adapter]:
        """The weights before training, and a trained adapter for the rules that do not change it."""
        adapter = self._apply(seed=0)
        before = {name: p.detach().clone() for name, p in adapter.model.named_parameters()}
        self._train(adapter)
        return before, adapter

    @cached_property
    def _head(self) -> frozenset[str]:
        return frozenset(self._task.head_parameters(self._build(seed=0)))

    @cached_property
    def _head_size(self) -> int:
        sizes = {name: p.numel() for name, p in self._build(seed=0).named_parameters()}
        return sum(sizes[name] for name in self._head)

    @cached_property
    def _loaded(self) -> dict[int, torch.nn.Module]:
        return {}

    def _build(self, seed: int) -> torch.nn.Module:
        """Build the model as a trial does; models are kept, since most rules need them."""
        import torch

        if seed not in self._loaded:
            torch.manual_seed(seed)
            self._loaded[seed] = self._task.build(self._backbone)
        torch.manual_seed(seed)
        return copy.deepcopy(self._loaded[seed])

    def _context(self, model: torch.nn.Module, *, weightless: bool = False) -> MethodContext:
        return MethodContext(
            task_type=self._task.task_type,
            head=frozenset(self._task.head_parameters(model)),
            steps=_PLANNED_STEPS,
            weightless=weightless,
        )

    def _apply(self, seed: int) -> Adapter:
        model = self._build(seed)
        try:
            return self.method.apply(model, self._context(model))
        except MethodError as error:
            raise unittest.SkipTest(f"{self.text} refuses {self._backbone.name}: {error}") from None

    def _batch(self) -> Batch:
        return self._examples.batch(np.arange(6))

    def _train(
        self,
        adapter: Adapter,
        *,
        steps: int = _STEPS,
        mode: bool = True,
        keep_gradients: bool = False,
    ) -> None:
        """Take a few plain steps; dropout draws from the generator that `_build` seeded."""
        import torch

        if not adapter.trains:
            return
        trained = [p for p in adapter.model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=_RATE)
        _ = set_training(adapter.model) if mode else adapter.model.eval()
        for step in range(steps):
            optimizer.zero_grad()
            loss, penalty = self._task.loss(adapter.model, self._batch()), adapter.penalty()
            (loss if penalty is None else loss + penalty).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            adapter.after_step(step)
        if not keep_gradients:
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

    def _agree(self, first: Array, second: Array, whose: str, tolerance: float) -> None:
        difference = float(np.abs(first - second).max())
        assert difference < tolerance, f"{whose} outputs differ by {difference}"


def _of_head(name: str, head: frozenset[str]) -> bool:
    """Whether a parameter of an adapted model belongs to the head, or is PEFT's copy of it."""
    plain = name.replace("modules_to_save.default.", "")
    return any(plain.endswith(part) for part in head)
