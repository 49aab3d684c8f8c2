"""The bundled word problems are fixed and right, and their splits and the corpus do not overlap."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.backbones.reproducible import seeded_single_thread
from whichpeft.backbones.tiny_corpus import held_out_texts, training_texts
from whichpeft.backbones.tiny_llama import make_tokenizer, new_model
from whichpeft.engine import FinalWork, Job, Placement
from whichpeft.engine.carry_out import carry_out
from whichpeft.methods import resolve_method
from whichpeft.planning import make_plan
from whichpeft.study import Budget, Study, load_study
from whichpeft.tasks import GenerativeTask
from whichpeft.tasks.catalogue import default_backbone
from whichpeft.tasks.encoded_data import write_data
from whichpeft.tasks.generative.sums import SIZES, sums

EXAMPLE = Path(__file__).parents[3] / "examples" / "arithmetic.yaml"
METHODS = load_study(EXAMPLE).methods
LORA = next(method for method in METHODS if method.startswith("lora"))


def test_it_is_fixed_and_its_splits_do_not_overlap() -> None:
    task = sums()
    assert task.fingerprint == sums().fingerprint
    assert task.counts == SIZES
    prompts = [example.prompt for split in task.splits.values() for example in split]
    assert len(set(prompts)) == len(prompts)
    assert task.held_out == held_out_texts()
    assert default_backbone("sums") == "tiny-llama"


def test_each_answer_is_the_right_sum_or_difference() -> None:
    for split in sums().splits.values():
        for example in split:
            first, second = (int(number) for number in re.findall(r"\d+", example.prompt))
            away = re.search(r"left|How many more", example.prompt)
            assert int(example.right) == (first - second if away else first + second)


def test_no_problem_occurs_in_the_corpus() -> None:
    problems = {e.prompt.partition("\n")[0] for split in sums().splits.values() for e in split}
    lines = "\n".join((*training_texts(), *held_out_texts())).splitlines()
    sentences = [re.split(r"(?<=\.) ", line) for line in lines if line.endswith("?")]
    asked = {" ".join(found[-count:]) for found in sentences for count in (1, 2, 3)}
    assert len(asked) > 10_000
    assert not problems & asked


def test_the_corpus_answers_in_words_and_the_task_in_figures() -> None:
    whole = "\n".join((*training_texts(), *held_out_texts()))
    assert len(re.findall(r"Answer: [a-z]+\.", whole)) == whole.count("Answer:") > 10_000
    assert all(e.prompt.endswith("\nAnswer:") for split in sums().splits.values() for e in split)


def test_no_constant_answer_scores_high() -> None:
    chance = sums().chance
    assert chance is not None
    assert chance < 0.2


def test_the_example_names_the_eight_methods() -> None:
    assert [method.partition(":")[0] for method in METHODS] == [
        "full", "lora", "dora", "prefix", "ia3", "series-adapter", "parallel-adapter", "loreft",
    ]  # fmt: skip


@pytest.mark.slow
def test_every_method_beats_chance_and_random_weights(
    tmp_path: Path,
) -> None:
    """Use fewer examples than the example study, in one test, because all share one pretraining."""
    task, pretrained = sums(), resolve_backbone("tiny-llama")
    learnt = marks(("zero-shot", *METHODS), pretrained, task, tmp_path)
    commonest = Counter(example.right for example in task.splits["train"]).most_common(1)[0][0]
    chance = np.array([example.right == commonest for example in task.splits["test"]])
    assert chance.mean() == pytest.approx(task.chance)
    assert learnt["zero-shot"].mean() <= chance.mean()  # otherwise there is nothing to learn
    p_values = {method: better(learnt[method], chance) for method in METHODS}
    assert max(p_values.values()) < 1e-3 / len(METHODS), p_values

    folder = tmp_path / "untrained"
    shutil.copytree(pretrained.files, folder)
    with seeded_single_thread(0):
        new_model(make_tokenizer(training_texts())).save_pretrained(folder)
    drawn = marks((LORA,), resolve_backbone(str(folder)), task, tmp_path)[LORA]
    assert better(learnt[LORA], drawn) < 1e-4
    assert learnt[LORA].mean() > drawn.mean() + 0.2


def better(one: np.ndarray, other: np.ndarray) -> float:
    """Return the sign test's p-value for one being right more often, on examples only one has right."""
    only, without = int((one & ~other).sum()), int((other & ~one).sum())
    return float(binomtest(only, only + without, alternative="greater").pvalue) if only else 1.0


def marks(
    methods: tuple[str, ...], backbone: Backbone, task: GenerativeTask, folder: Path
) -> dict[str, np.ndarray]:
    """Train each method and return which test examples it gets right."""
    study = Study(
        backbone=backbone.name,
        task=task.name,
        methods=methods,
        seeds=1,
        budget=Budget(epochs=2, max_train=1200, batch_size=16),
        precision="float32",
    )
    data, _ = write_data(task, backbone, study.budget, folder)
    cells = make_plan(study, [backbone], [task], {m: resolve_method(m) for m in methods}).cells
    found = {}
    for method, cell in zip(methods, cells, strict=True):
        (trial,) = cell.finals
        job = Job(
            trial=trial,
            backbone=backbone,
            method=cell.method,
            data=data,
            placement=Placement(device="cpu"),
            work=FinalWork(),
        )
        result = carry_out(job, lambda progress: None)
        assert result.record.outcome.status == "completed", result.record.outcome
        found[method] = result.predictions["outputs"][:, 0].astype(bool)
    return found
