"""Tokens, batches, the fixed subset, and heads on backbones of several families."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from whichpeft.backbones import Backbone
from whichpeft.errors import BackboneError, DataError
from whichpeft.tasks import TextTask, text_task
from whichpeft.tasks.text_encoding import length_cap, load_tokenizer


def sentences(count: int = 60) -> TextTask:
    return text_task("plain", train=[(f"word {'and word ' * (i % 5)}{i}", i % 3) for i in range(count)])


@pytest.fixture
def tiny(tmp_path: Path) -> Any:
    """Make a backbone of any family, without a head, with a small tokenizer."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    def make(family: str, *, pad: bool = True, positions: int = 128, head: bool = False) -> Backbone:
        folder = tmp_path / family
        words = ["<pad>", "</s>", "<unk>", "word", "and", *map(str, range(100))]
        tokens = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
        tokens.pre_tokenizer = pre_tokenizers.Whitespace()
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokens,
            eos_token="</s>",
            unk_token="<unk>",
            **({"pad_token": "<pad>"} if pad else {}),
        ).save_pretrained(folder)
        sizes: dict[str, Any] = {
            "vocab_size": len(words),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": positions,
            "pad_token_id": 0 if pad else None,
            "num_labels": 3,
        }
        if family == "GPT2":
            sizes = {
                "vocab_size": len(words),
                "n_embd": 16,
                "n_layer": 2,
                "n_head": 2,
                "n_positions": positions,
                "bos_token_id": 1,
                "eos_token_id": 1,
            }
        config = getattr(transformers, f"{family}Config")(**sizes)
        kind = "ForSequenceClassification" if head else "Model"
        getattr(transformers, family + kind)(config).save_pretrained(folder)
        raw = json.loads((folder / "config.json").read_text())
        return Backbone(name=family, revision="0", folder=folder, config=raw)

    return make


@pytest.mark.parametrize(
    ("family", "head"),
    [
        ("Bert", {"classifier"}),
        ("Roberta", {"classifier.dense", "classifier.out_proj"}),
        ("DebertaV2", {"pooler.dense", "classifier"}),
        ("GPT2", {"score"}),
        ("Llama", {"score"}),
    ],
)
def test_the_head_is_what_is_missing_in_the_checkpoint(tiny: Any, family: str, head: set[str]) -> None:
    backbone = tiny(family, pad=family not in ("GPT2", "Llama"))
    task = sentences()
    model = task.build(backbone)
    found = task.head_parameters(model)
    assert {name.rpartition(".")[0] for name in found} == head
    batch = task.encode(backbone, max_train=None)["train"].batch(np.arange(4))
    assert task.outputs(model, batch).shape == (4, 3)
    # A decoder's classifier reads the last token before the padding, alone or in a batch.
    model.eval()
    alone = task.encode(backbone, max_train=None)["train"].batch(np.arange(1))
    assert torch.allclose(task.outputs(model, alone)[0], task.outputs(model, batch)[0], atol=1e-5)


def test_a_head_in_the_checkpoint_is_redrawn(tiny: Any) -> None:
    backbone, task = tiny("Bert", head=True), sentences()
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        models.append(dict(task.build(backbone).named_parameters())["classifier.weight"])
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])


def test_loading_is_quiet_and_names_faults(
    tiny: Any, capfd: pytest.CaptureFixture[str], minilm: Backbone
) -> None:
    sentences().build(minilm)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    backbone = tiny("Bert")
    (backbone.folder / "config.json").write_text(json.dumps({**backbone.config, "hidden_size": 32}))
    with pytest.raises(BackboneError, match=r"do not have the shape that its config.json gives"):
        sentences().build(backbone)
    (backbone.folder / "model.safetensors").unlink()
    with pytest.raises(BackboneError, match="'Bert': cannot be loaded as a classifier of text"):
        sentences().build(backbone)


def test_a_missing_tokenizer_is_named(tiny: Any) -> None:
    backbone = tiny("Bert")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (backbone.folder / name).unlink(missing_ok=True)
    with pytest.raises(BackboneError, match=r"cannot load a tokenizer.*save_pretrained"):
        sentences().encode(backbone, max_train=None)


def test_batches_carry_labels_and_types(minilm: Backbone) -> None:
    rows = [((f"one {i}", f"two and {i}"), i / 3) for i in range(40)]
    task = text_task("pairs", train=rows)
    examples = task.encode(minilm, max_train=None)["train"]
    batch = examples.batch(np.array([3, 1]))
    assert batch["labels"].dtype == torch.float32
    assert batch["input_ids"].dtype == torch.int64
    assert sorted(set(batch["token_type_ids"].flatten().tolist())) == [0, 1]
    assert batch["labels"].tolist() == pytest.approx(examples.labels[[3, 1]].tolist())


def test_empty_texts_are_encoded(tiny: Any) -> None:
    rows = [((f"word {i}", ""), i % 2) for i in range(30)]
    assert text_task("half", train=rows).encode(tiny("GPT2", pad=False), max_train=None)
    blank = text_task("blank", train=[*((f"word {i}", i % 2) for i in range(30)), (" ", 1)])
    examples = blank.encode(tiny("Llama", pad=False), max_train=None)
    assert min(int(split.tokens.min()) for split in examples.values() if split.tokens is not None) == 1


def test_long_texts_are_cut_the_same_for_all_methods(tiny: Any, minilm: Backbone) -> None:
    tokenizer = load_tokenizer(minilm)
    assert length_cap(minilm, tokenizer) == 512 - 66
    few = tiny("Bert", positions=80)
    assert length_cap(few, load_tokenizer(few)) == 40
    small = tiny("Bert", positions=140)
    assert length_cap(small, load_tokenizer(small)) == 140 - 66
    rows = [(("word " * 100, f"and {i}"), i % 2) for i in range(10)]
    rows += [((f"word {i}", "and"), i % 2) for i in range(10)]
    task = text_task("long", train=rows, test=rows)
    test = task.encode(small, max_train=None)["test"]
    assert test.sizes.max() == length_cap(small, load_tokenizer(small))
    assert test.truncated == 0.5  # type: ignore[attr-defined]
    # Longest first: the short text of a pair stays whole.
    words = load_tokenizer(small).decode(test.batch(np.array([7]))["input_ids"][0])
    assert words.endswith("and 7")


def test_a_subset_does_not_depend_on_the_order() -> None:
    rows = [(f"word {i}", i % 3) for i in range(90)]
    held = [("word and word", 0)]
    tasks = [text_task("some", train=r, validation=held, test=held) for r in (rows, rows[::-1])]
    chosen = [subset_texts(task, 20) for task in tasks]
    assert chosen[0] == chosen[1]
    assert chosen[0] < subset_texts(tasks[0], 40)
    assert len(subset_texts(tasks[0], 500)) == 90


def subset_texts(task: TextTask, count: int) -> set[tuple[str, ...]]:
    from whichpeft.tasks.splits import subset

    train = task.splits["train"]
    return {train.inputs[i] for i in subset(train.inputs, train.labels.tolist(), count)}


def test_a_subset_without_a_class_names_the_size_needed(minilm: Backbone) -> None:
    task = sentences()
    with pytest.raises(DataError, match=r"'plain'.*leaves 1 of 3 classes.*--max-train (\d+)") as caught:
        task.encode(minilm, max_train=2)
    enough = int(str(caught.value).split("--max-train ")[1].split()[0])
    assert len(task.encode(minilm, max_train=enough)["train"]) == enough
    with pytest.raises(DataError):
        task.encode(minilm, max_train=enough - 1)


def test_regression_outputs_have_the_units_of_the_labels(minilm: Backbone) -> None:
    task = text_task("values", train=[(f"word {i}", 100.0 + i / 2) for i in range(60)])
    batch = task.encode(minilm, max_train=None)["train"].batch(np.arange(8))
    model = task.build(minilm).eval()
    with torch.no_grad():
        outputs = task.outputs(model, batch)[:, 0]
        loss = task.loss(model, batch)
    assert (outputs - 115).abs().max() < 30
    expected = (((outputs - batch["labels"]) / task.deviation) ** 2).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-3)
    assert task.constant_baseline(2)[:, 0].tolist() == pytest.approx([task.mean] * 2)
    with pytest.raises(DataError, match="load the task again"):
        task.without_examples().encode(minilm, max_train=None)
