"""Examples that share a row are read, learnt and counted as if each were alone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.engine.batches import learnt_positions, padded_length, training_batches
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.planning import make_plan
from whichpeft.study import Study
from whichpeft.tasks import GenerativeTask, Prompted, Task, generative_task, text_task
from whichpeft.tasks.generative.model_outputs import completion_logits
from whichpeft.tasks.generative.packing import PackedExamples, first_fit

LENGTHS = (30, 3, 1, 9, 2, 17, 5, 8, 1, 12)
EVERY = np.arange(len(LENGTHS))


def words_task(lengths: Sequence[int] = LENGTHS) -> GenerativeTask:
    """Prompts with the given numbers of words, and completions of one to five words."""
    rng = np.random.default_rng(0)
    words = ["three", "plus", "four", "is", "seven", "what", "answer"]
    examples = [
        Prompted(
            prompt=" ".join(rng.choice(words, length)),
            completion=" ".join(rng.choice(words, 1 + i % 5)),
        )
        for i, length in enumerate(lengths)
    ]
    return generative_task("words", train=examples, validation=examples[:2], test=examples[:2])


@pytest.fixture(scope="session")
def writers(tiny_writer: Backbone, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    """A model with rotary positions (LLaMA), and one with position embeddings (GPT-2)."""
    from transformers import GPT2Config, GPT2LMHeadModel

    folder: Path = tmp_path_factory.mktemp("gpt2") / "tiny-gpt2"
    shutil.copytree(
        tiny_writer.files, folder, ignore=shutil.ignore_patterns("*.safetensors", "*config*")
    )
    for name in ("tokenizer_config.json", "tokenizer.json"):
        shutil.copy(tiny_writer.files / name, folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=tiny_writer.config["vocab_size"], n_positions=256, n_embd=64, n_layer=2, n_head=4,
        bos_token_id=0, eos_token_id=1, pad_token_id=2, initializer_range=0.2,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    return {"llama": tiny_writer, "gpt2": resolve_backbone(str(folder))}


def packed_and_not(backbone: Backbone) -> tuple[PackedExamples, object]:
    asked = words_task()
    train = asked.encode(backbone, max_train=None)["train"]
    packed = asked.packed(train)  # type: ignore[arg-type]
    assert isinstance(packed, PackedExamples)
    return packed, train


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("method", ["full", "lora:r=4", "ia3", "series-adapter:bottleneck=8"])
def test_loss_and_gradients_match_the_padded_batch(
    method: str, family: str, writers: dict[str, Backbone]
) -> None:
    asked, backbone = words_task(), writers[family]
    packed, train = packed_and_not(backbone)
    assert packed.rows(EVERY) < len(EVERY)
    chosen = resolve_method(method).resolved_for(backbone)
    model = asked.build(backbone)
    chosen.apply(model, MethodContext(task_type=asked.task_type, head=frozenset(), steps=10))
    trained = [p for p in model.parameters() if p.requires_grad]
    with torch.no_grad():
        for parameter in trained:
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    found = []
    for examples in (packed, train):
        loss = asked.loss(model.eval(), examples.batch(EVERY))  # type: ignore[attr-defined]
        found.append((loss.detach(), torch.autograd.grad(loss, trained, allow_unused=True)))
    (loss, gradients), (as_ever, padded) = found
    torch.testing.assert_close(loss, as_ever, rtol=0, atol=1e-5)
    largest = max(float(g.abs().max()) for g in padded if g is not None)
    for one, other in zip(gradients, padded, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * max(1.0, largest))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_an_example_does_not_see_others_in_its_row(
    attention: str, family: str, writers: dict[str, Backbone]
) -> None:
    packed, _ = packed_and_not(writers[family])
    model = words_task().build(writers[family]).eval()
    model.set_attn_implementation(attention)
    batch = packed.batch(EVERY)
    # Positions restart with each example.
    texts = (batch["position_ids"] == 0).cumsum(dim=1)[:, batch["columns"]]
    row = int((texts.max(dim=1).values > 1).nonzero()[0])
    changed = {key: value.clone() for key, value in batch.items()}
    first = int((batch["position_ids"][row, 1:] == 0).nonzero()[0]) + 1
    changed["input_ids"][row, :first] = (changed["input_ids"][row, :first] + 7) % 200 + 3
    with torch.inference_mode():
        before, after = (completion_logits(model, b)[0][row] for b in (batch, changed))
    own = texts[row] == 1
    assert 0 < int(own.sum()) < len(own)
    assert not torch.allclose(before[own], after[own], atol=0.1)
    torch.testing.assert_close(before[~own], after[~own], rtol=0, atol=0)


def test_rows_fit_the_longest_and_hold_each_example_once() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        sizes = rng.integers(1, 60, rng.integers(1, 33))
        rows = first_fit(sizes)
        assert sorted(i for row in rows for i in row) == list(range(len(sizes)))
        assert all(sizes[row].sum() <= sizes.max() for row in rows)
        assert len(rows) < sizes.sum() / sizes.max() * 2 + 1


def test_a_batch_that_cannot_be_packed_stays_padded(tiny_writer: Backbone) -> None:
    packed, train = packed_and_not(tiny_writer)
    alike = np.argsort(-packed.sizes)[:2]
    assert packed.rows(alike) == 2
    one, other = packed.batch(alike), train.batch(alike)  # type: ignore[attr-defined]
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_costs_count_the_packed_rows(tiny_writer: Backbone) -> None:
    packed, train = packed_and_not(tiny_writer)
    longest, count = int(packed.sizes.max()), len(EVERY)
    assert padded_length(train, count) == longest  # type: ignore[arg-type]
    assert padded_length(packed, count) == round(packed.rows(EVERY) * longest / count)
    batch = packed.batch(EVERY)
    assert batch["input_ids"].shape == (packed.rows(EVERY), longest)
    for examples in (packed, train):
        rows, learnt = examples.batch(EVERY)["labels"].shape  # type: ignore[attr-defined]
        assert learnt_positions(examples, count) == (learnt, round(rows * learnt / count))  # type: ignore[arg-type]
        few = [
            examples.batch(batch)["labels"].shape[1]
            for batch in training_batches(  # type: ignore[attr-defined]
                examples.sizes, 3, seed=0, epoch=0
            )
        ]  # type: ignore[attr-defined]
        most, mean = learnt_positions(examples, 3) or (0, 0)  # type: ignore[arg-type]
        assert most == max(few) > mean >= min(few)


def refusals(methods: Sequence[str], backbone: Backbone, task: Task) -> dict[str, str | None]:
    study = Study(backbone=backbone.name, task="t", methods=methods, seeds=1, packing=True)
    resolved = {text: resolve_method(text) for text in methods}
    return {cell.text: cell.refusal for cell in make_plan(study, [backbone], [task], resolved).cells}


def test_methods_that_read_whole_rows_are_refused(tiny_writer: Backbone) -> None:
    works = ["full", "lora", "ia3", "adaption-prompt", "parallel-adapter", "zero-shot", "few-shot"]
    virtual = ["prefix", "prompt", "p-tuning", "cpt", "lora+prompt"]
    found = refusals([*works, *virtual, "loreft", "lily"], tiny_writer, words_task(LENGTHS * 4))
    assert [text for text, reason in found.items() if reason is None] == works
    assert all("virtual tokens precede a row" in (found[text] or "") for text in virtual)
    assert "first and last positions of a row" in (found["loreft"] or "")
    assert "averages over all positions" in (found["lily"] or "")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "bloom", "hidden_size": 32, "n_layer": 2, "n_head": 4}, "transformers' bloom"),
        ({"model_type": "mamba", "hidden_size": 32, "num_hidden_layers": 2}, "transformers' mamba"),
        ({"model_type": "qwen3_next", "num_hidden_layers": 4}, "qwen3_next's linear_attention layers"),
    ],
)
def test_backbones_that_would_mix_examples_are_refused(config: dict[str, object], reason: str) -> None:
    backbone = Backbone(name="b", revision="r", config=config, folder=None)
    refusal = words_task().refuses_packing(backbone)
    assert refusal is not None
    assert reason in refusal


def test_other_tasks_cannot_be_packed(minilm: Backbone) -> None:
    texts = [(f"text {i}", i % 2) for i in range(40)]
    found = refusals(["full"], minilm, text_task("t", train=texts, validation=texts, test=texts))
    assert "language model's training examples" in (found["full"] or "")
