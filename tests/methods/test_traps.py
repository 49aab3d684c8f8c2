"""Mistakes seen in practice, each with a test that prevents it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.study import Budget
from whichpeft.tasks import Task, text_task
from whichpeft.testing.small_tasks import small_task


@pytest.fixture
def task() -> Task:
    return small_task()


@pytest.fixture
def backbone(tiny_backbone: Path) -> Backbone:
    return resolve_backbone(str(tiny_backbone))


def build(task: Task, backbone: Backbone) -> tuple[torch.nn.Module, MethodContext]:
    torch.manual_seed(0)
    model = task.build(backbone)
    head = frozenset(task.head_parameters(model))
    return model, MethodContext(task_type="SEQ_CLS", head=head, steps=100)


@pytest.mark.parametrize("name", ["prompt", "p-tuning"])
def test_the_pooler_reads_the_first_real_token(name: str, task: Task, backbone: Backbone) -> None:
    model, context = build(task, backbone)
    adapted = resolve_method(name).apply(model, context).model.eval()
    seen: list[torch.Tensor] = []
    bert = model.bert
    bert.embeddings.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    batch = task.encode(backbone, max_train=None)["train"].batch(torch.arange(2).numpy())
    task.outputs(adapted, batch)
    cls = bert.embeddings.word_embeddings.weight[batch["input_ids"][0, 0]]
    assert seen[0].shape[1] == batch["input_ids"].shape[1] + 20
    torch.testing.assert_close(seen[0][0, 0], cls)


def test_padding_does_not_change_outputs_with_virtual_tokens(task: Task, backbone: Backbone) -> None:
    model, context = build(task, backbone)
    adapted = resolve_method("prompt").apply(model, context).model.eval()
    examples = task.encode(backbone, max_train=None)["train"]
    together = task.outputs(adapted, examples.batch(torch.arange(6).numpy()))
    alone = [task.outputs(adapted, examples.batch(torch.tensor([i]).numpy())) for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_more_virtual_tokens_than_free_positions_are_refused(task: Task, backbone: Backbone) -> None:
    free = backbone.free_positions()
    assert free == 128 - 64 - 2  # half of the few positions are reserved for the input
    fits = resolve_method(f"prompt:num_virtual_tokens={free}")
    assert fits.refuses(backbone, task, Budget()) is None
    many = resolve_method(f"prefix:num_virtual_tokens={free + 1}")
    assert "overflow the position embeddings" in (many.refuses(backbone, task, Budget()) or "")


@pytest.mark.parametrize("family", ["albert", "deberta-v2", "distilbert", "modernbert"])
def test_prefix_is_refused_if_attention_accepts_no_keys(
    family: str, task: Task, backbone: Backbone
) -> None:
    other = replace(backbone, config={**backbone.config, "model_type": family})
    assert family in (resolve_method("prefix").refuses(other, task, Budget()) or "")


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_input_tokens_are_refused_if_the_last_token_is_pooled(
    family: str, task: Task, backbone: Backbone
) -> None:
    other = replace(backbone, config={**backbone.config, "model_type": family})
    for name in ("prompt", "p-tuning"):
        assert "reads padding" in (resolve_method(name).refuses(other, task, Budget()) or "")
    assert resolve_method("prefix").refuses(other, task, Budget()) is None


def test_adalora_prunes_and_the_loss_excludes_its_penalty(task: Task, backbone: Backbone) -> None:
    model, context = build(task, backbone)
    adapter = resolve_method("adalora:r=2,init_r=4").apply(model, replace(context, steps=20))
    batch = task.encode(backbone, max_train=None)["train"].batch(torch.arange(6).numpy())
    optimizer = torch.optim.SGD([p for p in adapter.model.parameters() if p.requires_grad], lr=0.5)
    for step in range(20):
        loss, penalty = task.loss(adapter.model, batch), adapter.penalty()
        assert penalty is not None
        assert loss.item() < 1.5  # two classes: the task's own loss, without the penalty
        (loss + penalty).backward()
        optimizer.step()
        adapter.after_step(step)
        optimizer.zero_grad()
    kept = sum(int((p != 0).sum()) for n, p in adapter.model.named_parameters() if "lora_E" in n)
    assert kept <= 2 * 3 * 2  # rank 2 on average over three projections of two layers


def test_adalora_with_too_few_steps_is_refused(task: Task, backbone: Backbone) -> None:
    reason = resolve_method("adalora").refuses(backbone, task, Budget(epochs=1))
    assert "too few" in (reason or "")


def test_methods_that_target_modules_share_their_targets(task: Task, backbone: Backbone) -> None:
    targeted = {}
    for name in ("lora", "dora", "adalora", "ia3"):
        model, context = build(task, backbone)
        adapted = resolve_method(name).apply(model, context).model
        targeted[name] = sorted(adapted.base_model.targeted_module_names)
    assert len({tuple(names) for names in targeted.values()}) == 1
    assert {name.rpartition(".")[2] for name in targeted["lora"]} == {"query", "key", "value"}


def test_given_and_customary_targets_replace_the_shared_ones(task: Task, backbone: Backbone) -> None:
    model, context = build(task, backbone)
    own = resolve_method("lora:target_modules=[dense]").apply(model, context).model
    assert all(name.endswith("dense") for name in own.base_model.targeted_module_names)
    model, context = build(task, backbone)
    customary = resolve_method("lora").apply(model, replace(context, same_targets=False)).model
    leaves = {name.rpartition(".")[2] for name in customary.base_model.targeted_module_names}
    assert leaves == {"query", "value"}  # what PEFT targets on BERT


@pytest.fixture(scope="module")
def other_backbones(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model families whose head has more than a classifier, with random weights."""
    import shutil

    from transformers import (
        DebertaV2Config,
        DebertaV2Model,
        DistilBertConfig,
        DistilBertModel,
        LlamaConfig,
        LlamaModel,
    )

    made = {
        "deberta-v2": DebertaV2Model(
            DebertaV2Config(
                vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                intermediate_size=64, pooler_hidden_size=32,
            )
        ),
        "distilbert": DistilBertModel(
            DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64)
        ),
        "llama": LlamaModel(
            LlamaConfig(
                vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                intermediate_size=64,
            )
        ),
    }  # fmt: skip
    folders = {}
    for name, model in made.items():
        folders[name] = tmp_path_factory.mktemp("family") / name
        model.save_pretrained(folders[name])
        for path in tiny_backbone.glob("*token*"):
            shutil.copy(path, folders[name])
    return folders


@pytest.mark.parametrize("family", ["deberta-v2", "distilbert"])
@pytest.mark.parametrize("part", ["", "+bitfit", "+series-adapter"])
def test_all_linear_layers_are_those_of_the_backbone(
    part: str, family: str, task: Task, other_backbones: dict[str, Path]
) -> None:
    backbone = resolve_backbone(str(other_backbones[family]))
    model, context = build(task, backbone)
    layers = "transformer." if family == "distilbert" else "encoder."
    linear = {n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and layers in n}
    adapted = resolve_method(f"lora:target_modules=all-linear{part}").apply(model, context).model
    changed = {n.rpartition(".lora_A")[0] for n, _ in adapted.named_parameters() if ".lora_A." in n}
    plain = {n.removeprefix("base_model.model.").replace(".base_layer", "") for n in changed}
    assert plain == linear


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    ("targets", "widths"),
    [
        ("'.*(q|v)_lin'", {32}),
        ("all-linear", {32, 64}),
        ("[lin1,lin2]", {32, 64}),
    ],
)
def test_sizes_fit_the_targets_and_not_the_head(
    targets: str, widths: set[int], classes: int, other_backbones: dict[str, Path]
) -> None:
    """Two or three classes have no large divisor, and no target has so few outputs."""
    labels = [str(i % classes) for i in range(40)]
    task = text_task("few", train=[(f"text {i}", label) for i, label in enumerate(labels)])
    model, context = build(task, resolve_backbone(str(other_backbones["distilbert"])))
    method = resolve_method(f"oft:target_modules={targets}")
    assert method.make_config(model, context).oft_block_size == min(widths)  # type: ignore[attr-defined]


@pytest.mark.parametrize("family", ["deberta-v2", "distilbert"])
@pytest.mark.parametrize("name", ["lora", "bitfit", "ia3", "prompt"])
def test_the_whole_new_head_trains_and_is_counted_separately(
    name: str, family: str, task: Task, other_backbones: dict[str, Path]
) -> None:
    backbone = resolve_backbone(str(other_backbones[family]))
    model, context = build(task, backbone)
    sizes = {n: p.numel() for n, p in model.named_parameters()}
    head = sum(sizes[n] for n in context.head)
    assert len(context.head) == 4  # the classifier and the pooler before it, both new
    adapted = resolve_method(name).apply(model, context).model
    training = {n: p.numel() for n, p in adapted.named_parameters() if p.requires_grad}
    of_head = {n: size for n, size in training.items() if "modules_to_save" in n}
    assert sum(of_head.values()) == head
    assert sum(training.values()) > head
    batch = task.encode(backbone, max_train=None)["train"].batch(torch.arange(2).numpy())
    task.loss(adapted, batch).backward()


def test_bitfit_is_refused_if_there_are_no_biases(task: Task, other_backbones: dict[str, Path]) -> None:
    llama = resolve_backbone(str(other_backbones["llama"]))
    assert "llama has none" in (resolve_method("bitfit").refuses(llama, task, Budget()) or "")
    assert resolve_method("lora").refuses(llama, task, Budget()) is None


def test_learning_rates_of_matrices_fall_with_the_width(backbone: Backbone) -> None:
    narrow, wide = backbone, replace(backbone, config={**backbone.config, "hidden_size": 320})
    for name, ratio in (("full", 10), ("lora", 10), ("bitfit", 1), ("prompt", 1)):
        method = resolve_method(name)
        first, second = (method.resolved_for(b).learning_rate for b in (narrow, wide))
        assert first is not None
        assert second is not None
        assert first / second == pytest.approx(ratio)
    given = resolve_method("lora:learning_rate=0.5")
    assert given.resolved_for(wide).learning_rate == 0.5


def test_adalora_has_to_start_with_a_higher_rank(task: Task, backbone: Backbone) -> None:
    method = resolve_method("adalora:r=4,init_r=4")
    assert "init_r has to be larger" in (method.refuses(backbone, task, Budget(epochs=20)) or "")
    assert resolve_method("adalora:r=1").hyperparameters["init_r"] == 2
