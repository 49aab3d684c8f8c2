"""The card of a kept adapter: the hub can parse it, and its code loads the tested model."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard

from whichpeft import Budget, Study, run
from whichpeft.executors import SilentObserver
from whichpeft.methods import PeftMethod, methods
from whichpeft.records import Record, Store

METHODS = (
    "full", "lora:r=4", "pissa", "bitfit", "loreft", "p-tuning", "prefix", "ln-tuning",
    "trainable-tokens", "lora+bitfit",
)  # fmt: skip


@pytest.fixture(scope="module")
def kept(tiny_backbone: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("runs") / "cards"
    study = Study(
        name="cards",
        backbone=str(tiny_backbone),
        task=str(reviews),
        methods=METHODS,
        seeds=2,
        budget=Budget(epochs=1, max_train=64),
        precision="float32",
    )
    run(study, out=folder, keep_adapters=True, device="cpu", observer=SilentObserver())
    return Store(folder)


def of_method(store: Store, method: str) -> tuple[Record, Path]:
    record = next(
        record
        for record in store
        if record.trial.method == method
        and record.trial.purpose == "final"
        and record.outcome.status == "completed"
    )
    return record, store.adapter_folder(record.trial.fingerprint)


@pytest.mark.slow
def test_the_hub_parses_a_card(kept: Store, reviews: Path) -> None:
    cards = list((kept.folder / "adapters").glob("*/README.md"))
    assert len(cards) == 2 * len(METHODS)
    record, folder = of_method(kept, "lora:r=4")
    read = ModelCard.load(folder / "README.md")
    data = read.data.to_dict()
    assert data["library_name"] == "peft"
    assert "license" not in data
    assert "base_model" not in data  # a local folder is not a model on the hub
    assert {"whichpeft", "lora"} <= set(data["tags"])
    assert data["metrics"] == ["accuracy"]
    (result,) = read.data.eval_results
    assert result.metric_value == record.value("score", "test")
    assert result.dataset_name == reviews.name
    score = f"{100 * record.value('score', 'test'):.1f}"
    assert f"| accuracy on the test split | {score} |" in read.text
    assert "over 2 seeds" in read.text
    assert "95 % interval" in read.text
    assert "## Licence" in read.text


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_code_of_a_card_loads_the_tested_model(method: str, kept: Store, reviews: Path) -> None:
    import torch
    from transformers import AutoTokenizer

    record, folder = of_method(kept, method)
    text = (folder / "README.md").read_text()
    names: dict[str, object] = {}
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code.replace("PATH", str(folder)), names)
    model = names["model"]
    assert model.config.id2label == {0: "bad", 1: "good"}
    model.eval()
    with (reviews / "test.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    tokenizer = AutoTokenizer.from_pretrained(model.config._name_or_path)
    inputs = tokenizer([row["sentence"] for row in rows], padding=True, return_tensors="pt")
    with torch.inference_mode():
        found = model(**inputs).logits.float().numpy()
    known = kept.predictions(record.trial.fingerprint)
    assert known is not None
    np.testing.assert_allclose(found, known["outputs"], atol=1e-4)


def test_methods_declare_adapters_that_need_an_import() -> None:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    import whichpeft.methods.tuners  # noqa: F401

    ours = {
        str(kind.value)
        for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()
        if config.__module__.startswith("whichpeft.")
    }
    declared = {
        method.peft.peft_type
        for method in methods().values()
        if issubclass(method, PeftMethod) and method.peft.loads_with == "tuners"
    }
    assert ours == declared
