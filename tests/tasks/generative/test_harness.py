"""Tasks of lm-evaluation-harness: trained on their documents and scored by the harness."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from whichpeft.backbones import Backbone
from whichpeft.engine import FinalWork, Job, Placement
from whichpeft.engine.carry_out import carry_out
from whichpeft.errors import DataError
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.metrics.per_example import per_example
from whichpeft.planning import make_plan
from whichpeft.study import Budget, Study, TaskSource
from whichpeft.tasks import GenerativeTask, generative_task, load_task
from whichpeft.tasks.encoded_data import write_data
from whichpeft.testing import TaskContract

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HINTS = ("by two", "or not")
MEAN = {"aggregation": "mean", "higher_is_better": True}
CHOSEN = {
    "task": "parity",
    "output_type": "multiple_choice",
    "doc_to_text": "{{words}}\nThis is",
    "doc_to_choice": ["even", "odd"],
    "doc_to_target": "label",
    "metric_list": [{"metric": "acc", **MEAN}, {"metric": "acc_norm", **MEAN}],
}
WRITTEN = {
    "task": "spelling",
    "output_type": "generate_until",
    "doc_to_text": "Spell {{words}}:",
    "doc_to_target": "{{['even', 'odd'][label]}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4},
    "metric_list": [{"metric": "exact_match", **MEAN}],
    "filter_list": [
        {"name": "first", "filter": [{"function": "take_first"}]},
        {"name": "word", "filter": [
            {"function": "regex", "regex_pattern": "(even|odd)"}, {"function": "take_first"}]},
    ],
}  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks of a user, and one without training documents."""
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: the extra lm-eval")
    folder = tmp_path_factory.mktemp("harness")
    rows = [
        {"words": f"{a} {b} {HINTS[i % 2]}", "label": i % 2} for a in WORDS for i, b in enumerate(WORDS)
    ]
    rng = np.random.default_rng(0)
    rows = [rows[i] for i in rng.permutation(len(rows))]
    for split, part in (("train", rows[:60]), ("test", rows[60:84])):
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, part)))
    files = {split: str(folder / f"{split}.jsonl") for split in ("train", "test")}
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test"}
    for config in (CHOSEN, WRITTEN):
        text = yaml.safe_dump({**data, "training_split": "train", **config})
        (folder / f"{config['task']}.yaml").write_text(text)
    (folder / "bare.yaml").write_text(yaml.safe_dump({**data, **CHOSEN, "task": "bare"}))
    (folder / "both.yaml").write_text(yaml.safe_dump({"group": "both", "task": ["parity", "spelling"]}))
    return folder


def harness_scores(name: str, folder: Path, model: Any, backbone: Backbone) -> list[Mapping[str, Any]]:
    """Return the harness's own scores, document by document."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(backbone.files)
    found = lm_eval.evaluate(
        HFLM(pretrained=model, tokenizer=tokenizer, batch_size=3),
        TaskManager(include_path=str(folder), include_defaults=False).load(name),
        bootstrap_iters=0,
    )
    return found["samples"][name]


def adapted(method: str, task: GenerativeTask, backbone: Backbone) -> torch.nn.Module:
    """Return a model in which every trained parameter has an effect."""
    torch.manual_seed(1)
    context = MethodContext(task_type="CAUSAL_LM", head=frozenset(), steps=9)
    model = (
        resolve_method(method).resolved_for(backbone).apply(task.build(backbone), context).model.eval()
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def outputs(task: GenerativeTask, model: torch.nn.Module, test: Any) -> np.ndarray:
    with torch.inference_mode():
        parts = [task.outputs(model, test.batch(part)) for part in np.split(np.arange(24), [5, 21])]
    return torch.cat(parts).numpy()


@pytest.mark.parametrize("name", ["parity", "spelling"])
@pytest.mark.parametrize("method", ["full", "lora:r=4+prompt:num_virtual_tokens=3"])
def test_scores_match_the_harness(name: str, method: str, folder: Path, tiny_writer: Backbone) -> None:
    task = load_task(TaskSource(name=f"lm-eval:{name}", folder=str(folder)))
    model = adapted(method, task, tiny_writer)
    test = task.encode(tiny_writer, max_train=None)["test"]
    rows = outputs(task, model, test)
    expected = harness_scores(name, folder, model, tiny_writer)
    for column, metric in enumerate(task.metrics):
        key, _, of = metric.name.removeprefix("lm-eval:").partition(",")
        own = [sample[key] for sample in expected if of in ("", sample["filter"])]
        assert rows[:, column].tolist() == own
    if name == "spelling":
        written = [sample["resps"][0][0] for sample in expected if sample["filter"] == "first"]
        answers = task.predictions(rows, test, tiny_writer)["answers"].tolist()
        assert answers == [text.rstrip("\0") for text in written]


@pytest.mark.parametrize("method", ["loreft:rank=2,positions=2", "prefix:num_virtual_tokens=3"])
def test_methods_know_where_a_prompt_ends(method: str, folder: Path, tiny_writer: Backbone) -> None:
    """The harness gives the same likelihoods as the forward passes of training."""
    task = load_task(TaskSource(name="lm-eval:parity", folder=str(folder)))
    own = generative_task("own", **task.splits, metric="acc")
    model = adapted(method, task, tiny_writer)
    rows = outputs(task, model, task.encode(tiny_writer, max_train=None)["test"])
    test = own.encode(tiny_writer, max_train=None)["test"]
    right = outputs(own, model, test)[:, :, 0].argmax(axis=1) == test.labels
    assert rows[:, 0].tolist() == right.tolist()


@pytest.mark.parametrize("rule", TaskContract.rules)
def test_rule(rule: str, folder: Path, tiny_writer: Backbone) -> None:
    source = TaskSource(name="lm-eval:parity", folder=str(folder))
    getattr(TaskContract(load=lambda: load_task(source), backbone=tiny_writer, max_train=40), rule)()


def trained(source: TaskSource, method: str, backbone: Backbone, folder: Path, **budget: Any) -> Any:
    """Run one trial and return its result."""
    asked = load_task(source)
    study = Study(
        backbone=backbone.name,
        task=source,
        methods=[method],
        seeds=1,
        budget=Budget(**budget),
    )
    data, _ = write_data(asked, backbone, study.budget, folder)
    (cell,) = make_plan(study, [backbone], [asked], {method: resolve_method(method)}).cells
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
    return result


@pytest.mark.parametrize(("name", "metric"), [("parity", "acc"), ("spelling", "exact_match,word")])
def test_a_model_learns_from_the_training_documents(
    name: str, metric: str, folder: Path, tiny_writer: Backbone, tmp_path: Path
) -> None:
    """Training uses the prompts of the harness; scores per document are available for verdicts."""
    source = TaskSource(name=f"lm-eval:{name}", folder=str(folder), metric=metric)
    result = trained(source, "full", tiny_writer, tmp_path, epochs=12, batch_size=8)
    record = result.record
    assert record.value("score", "test") > 0.9
    assert "lm_eval" in record.setting.versions
    measured = record.measurement("score", "test")
    values = per_example(measured.source, result.predictions["labels"], result.predictions["outputs"])
    assert values is not None
    assert values.mean() == pytest.approx(measured.value)
    if name == "spelling":
        assert {" even", " odd"} <= set(result.predictions["answers"].tolist())


def test_the_harness_chooses_the_shown_examples(
    folder: Path, tiny_writer: Backbone, tmp_path: Path
) -> None:
    source = TaskSource(name="lm-eval:parity", folder=str(folder))
    task = load_task(source)
    splits = resolve_method("few-shot:shots=2").examples(task.encode(tiny_writer, max_train=None))
    assert int(splits["test"].batch(np.arange(2))["shots"]) == 2
    found = trained(source, "few-shot:shots=2", tiny_writer, tmp_path)
    assert 0 <= found.record.value("score", "test") <= 1


def test_a_file_replaces_missing_training_documents(
    folder: Path, tiny_writer: Backbone, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"has no training documents; give a file .* with --train"):
        load_task(TaskSource(name="lm-eval:bare", folder=str(folder)))
    rows = [{"prompt": f"{a} {b} {HINTS[i % 2]}\nThis is", "completion": ["even", "odd"][i % 2]}
            for a in WORDS for i, b in enumerate(WORDS)]  # fmt: skip
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = TaskSource(name="lm-eval:bare", folder=str(folder), train=str(tmp_path / "own.jsonl"))
    notes = load_task(source).notes
    assert any("skipped 24 training examples that are also in the test set" in note for note in notes)
    assert any("likeliest held-out examples" in note for note in notes)
    record = trained(source, "full", tiny_writer, tmp_path, epochs=12, batch_size=8).record
    assert record.value("score", "test") > 0.9
    assert record.value("validation_score", "validate") < 0  # nats per token


def test_unknown_metrics_and_names_are_named(folder: Path) -> None:
    def load(name: str, **keys: Any) -> Any:
        return load_task(TaskSource(name=f"lm-eval:{name}", folder=str(folder), **keys))

    assert load("parity", metric="acc_norm").metrics[0].name == "lm-eval:acc_norm"
    assert load("spelling").metrics[0].name == "lm-eval:exact_match,first"
    assert load("spelling", metric="exact_match,word").metrics[0].name == "lm-eval:exact_match,word"
    with pytest.raises(DataError, match=r"[Cc]hoose acc or acc_norm"):
        load("parity", metric="bleu")
    with pytest.raises(DataError, match="did you mean 'parity'"):
        load("party")
    with pytest.raises(DataError, match="is a group of 2 tasks; name one of them: lm-eval:parity, "):
        load("both")
    with pytest.raises(DataError, match="prompt cannot be given"):
        load("parity", prompt="{words}")


def test_a_missing_harness_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(DataError, match=r"pip install 'whichpeft\[lm-eval\]'"):
        load_task(TaskSource(name="lm-eval:arc_easy"))
