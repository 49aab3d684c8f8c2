"""Virtual tokens that start from a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.tasks import Prompted, generative_task
from whichpeft.tasks.text_encoding import load_tokenizer
from whichpeft.testing.small_tasks import small_task

TEXT = "What is three plus four? It's seven, of course: 3+4."
SUM = [Prompted(prompt="three plus four is", completion="seven")]


@pytest.mark.parametrize("count", [3, 100])
@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_virtual_tokens_start_as_the_texts_tokens(
    kind: str, count: int, tiny_writer: Backbone, tiny_backbone: Path, tmp_path: Path
) -> None:
    """The text is cut or repeated to the number of virtual tokens, and trained tokens load equal."""
    backbone = tiny_writer if kind == "decoder" else resolve_backbone(str(tiny_backbone))
    quoted = TEXT.replace("'", "''")
    method = resolve_method(f"prompt:init_text='{quoted}',num_virtual_tokens={count}")
    assert resolve_method(method.identity) == method
    writing = generative_task("sum", train=SUM, validation=SUM, test=SUM)
    task = writing if kind == "decoder" else small_task()
    model = task.build(backbone)
    head = frozenset(task.head_parameters(model))
    ids = load_tokenizer(backbone)(TEXT)["input_ids"]
    assert 3 < len(ids) < 100
    wanted = model.get_input_embeddings()(torch.tensor((ids * count)[:count])).detach().clone()
    context = MethodContext(task_type=task.task_type, head=head, steps=3)
    adapter = method.apply(model, context)
    tokens = adapter.model.prompt_encoder["default"].embedding.weight
    assert torch.equal(tokens, wanted)
    assert tokens.requires_grad
    with torch.no_grad():
        tokens += 1
    adapter.save(tmp_path)
    loaded: Any = method.load(task.build(backbone), tmp_path)
    assert torch.equal(loaded.prompt_encoder["default"].embedding.weight, wanted + 1)


def test_the_backbones_tokenizer_reads_a_context(tiny_writer: Backbone) -> None:
    """Its tokens start at the text's embeddings, and move no farther than the method allows."""
    method = resolve_method("cpt:init_text='three plus four is seven',opt_projection_format_epsilon=0.5")
    resolved: Any = method.resolved_for(tiny_writer)
    ids = load_tokenizer(tiny_writer)("three plus four is seven")["input_ids"]
    assert resolved.virtual_tokens == len(ids)
    task = generative_task("sum", train=SUM, validation=SUM, test=SUM)
    model = task.build(tiny_writer)
    wanted = model.get_input_embeddings()(torch.tensor(ids)).detach().clone()
    context = MethodContext(task_type="CAUSAL_LM", head=frozenset(), steps=3)
    prompts = resolved.apply(model, context).model.prompt_encoder["default"]
    every = torch.arange(len(ids))
    assert torch.equal(prompts(every), wanted)
    with torch.no_grad():
        prompts.delta_embedding.weight += 3
    moved = (prompts(every) - wanted).norm(dim=1)
    assert torch.allclose(moved, torch.tensor(0.5 * (64 / 2048) ** 0.5), atol=1e-5)
