"""Which methods race: limits that are checked without weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from whichpeft.costs import estimate_costs
from whichpeft.costs.in_processes import ask_all
from whichpeft.costs.study_estimates import cost_query
from whichpeft.executors import make_executor
from whichpeft.planning import make_search
from whichpeft.records.race import Arm, Entrant
from whichpeft.running.race.limits import _assumed, describe, entrants, with_fewer
from whichpeft.running.request import Request, check_request
from whichpeft.running.setup import RunSetup, set_up
from whichpeft.study import AutoOptions, Budget, Study

METHODS = ("full", "head", "lora", "few-shot", "top-layers:k=1")


@pytest.fixture(scope="module")
def ready(
    tiny_backbone: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Request, RunSetup]]:
    scratch = tmp_path_factory.mktemp("limits")
    study = Study(
        backbone=str(tiny_backbone),
        task=str(reviews),
        methods=METHODS,
        budget=Budget(tuning_trials=4),
        auto=AutoOptions(),
    )
    with contextlib.closing(make_executor("local", device="cpu", jobs=1)) as executor:
        request = check_request(study, scratch / "out")
        yield request, set_up(request, scratch, executor)


def found(ready: tuple[Request, RunSetup], **limits: str) -> dict[str, Entrant]:
    request, setup = ready
    asked = replace(request, study=replace(request.study, auto=AutoOptions(limits=limits)))
    return {entrant.method: entrant for entrant in entrants(asked, setup)}


def test_without_limits_every_method_that_can_train_races(ready: tuple[Request, RunSetup]) -> None:
    entered = found(ready)
    assert list(entered) == [*METHODS, "zero-shot"]
    assert {method: entrant.out for method, entrant in entered.items()} == dict.fromkeys(
        ("full", "head", "lora", "top-layers:k=1")
    ) | {"few-shot": "refused", "zero-shot": "trains nothing"}
    assert entered["few-shot"].reason == (
        "it needs a language model that answers in words, and this task has a head"
    )
    assert entered["lora"].arms == tuple(Arm(method="lora", number=number) for number in range(4))
    assert entered["few-shot"].arms == ()


def test_candidates_that_are_too_large_are_left_out(ready: tuple[Request, RunSetup]) -> None:
    request, setup = ready
    share = _shares(setup, "lora", request.search_seed)
    limit = sorted(share)[1]  # two of the four candidates fit
    entered = found(ready, max_trainable=f"{limit + 1e-9}%")
    over = tuple(number for number, each in enumerate(share) if each > limit + 1e-9)
    assert len(over) == 2
    assert entered["lora"] == Entrant(method="lora", candidates=4, over=over)
    assert [arm.number for arm in entered["lora"].arms] == [n for n in range(4) if n not in over]
    assert entered["head"].out is None
    assert entered["top-layers:k=1"].out == "over a limit"
    assert (entered["top-layers:k=1"].reason or "").startswith("trainable parameters ")


def test_the_baseline_races_although_it_is_over_a_limit(ready: tuple[Request, RunSetup]) -> None:
    full = found(ready, max_trainable="50%")["full"]
    assert (full.out, full.reason) == ("over a limit", "trainable parameters 100 % is over 50.0 %")
    assert len(full.arms) == full.candidates == 4


def test_memory_and_size_are_those_of_a_plan(ready: tuple[Request, RunSetup]) -> None:
    request, setup = ready
    lora = next(cell for cell in setup.plan.cells if cell.text == "lora")
    search = make_search(lora, request.search_seed)
    assert search is not None
    assumed = _assumed(lora, setup, memory=True)
    costs = [
        estimate_costs(cost_query(replace(lora, method=method), assumed)) for method in search.methods
    ]
    memory = [costs.memory.total for costs in costs if costs.memory is not None]
    default = memory[0]
    # An estimate counts if it is more than 5 % over.
    assert Arm(method="lora") not in found(ready, max_memory=f"{default / 1.06:.0f}B")["lora"].arms
    assert Arm(method="lora") in found(ready, max_memory=f"{default / 1.04:.0f}B")["lora"].arms
    largest = max(range(4), key=memory.__getitem__)
    limit = (memory[largest] + default) / 2 / 1.05
    assert found(ready, max_memory=f"{limit:.0f}B")["lora"].over == (largest,)
    sizes = [costs.adapter_bytes or 0 for costs in costs]
    entered = found(ready, max_adapter_size=f"{max(sizes) - 1}B")
    assert entered["lora"].over == (sizes.index(max(sizes)),)


def test_latency_and_time_leave_out_nothing_yet(ready: tuple[Request, RunSetup]) -> None:
    assert found(ready, max_latency="1ms", max_train_time="1s") == found(ready)


def test_answers_from_several_processes_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whichpeft.costs.in_processes.usable_cores", lambda: 2)
    assert ask_all(abs, list(range(-12, 0))) == list(range(12, 0, -1))


def _shares(setup: RunSetup, method: str, seed: int) -> list[float]:
    cell = next(cell for cell in setup.plan.cells if cell.text == method)
    search = make_search(cell, seed)
    assert search is not None
    shares = []
    for candidate in search.methods:
        query = cost_query(replace(cell, method=candidate), _assumed(cell, setup, memory=False))
        counts = query.bench(query.depth).counts
        shares.append(100 * counts["trainable_parameters"] / counts["total_parameters"])
    return shares


def test_fewer_candidates_leave_out_methods_whose_first_ones_are_too_large() -> None:
    found = (
        Entrant(method="full", candidates=4, out="over a limit", reason="too large"),
        Entrant(method="lora", candidates=4, over=(0, 1)),
        Entrant(method="head", candidates=1),
        Entrant(method="cpt", out="refused", reason="no"),
    )
    assert describe(found) == "3 methods race; full is over a limit; cpt is refused"
    full, lora, head, cpt = with_fewer(found, 2, "full")
    assert full.arms == (Arm(method="full"), Arm(method="full", number=1))
    assert (lora.arms, lora.out) == ((), "over a limit")
    assert lora.reason == "its first 2 candidates are over a limit"
    assert (head, cpt) == found[2:]
    assert with_fewer(found, 3, "full")[1].arms == (Arm(method="lora", number=2),)
