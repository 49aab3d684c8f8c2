"""Exact parameter counts of published adapters, from shapes alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from tests.protein_models import esm_config, sequences, write_config

from whichpeft.backbones import resolve_backbone
from whichpeft.costs.query import CostQuery, count_parameters_of
from whichpeft.engine.compute import Compute
from whichpeft.methods import resolve_method
from whichpeft.methods.catalogue import methods
from whichpeft.study import parse_method
from whichpeft.tasks.no_task import NoTask
from whichpeft.tasks.tagging.assemble import tagging_task

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
_TARGETS = "target_modules=[q_proj,k_proj,v_proj,up_proj,down_proj]"
# The published tables that `whichpeft reference` shows, as their own code counted them.
PUBLISHED = [
    ("llama-7b", f"lora:r=32,{_TARGETS}", 56_098_816),
    ("llama-7b", f"dora:r=32,{_TARGETS}", 56_975_360),
    ("llama-7b", f"dora:r=16,{_TARGETS}", 28_925_952),
    ("llama-7b", "parallel-adapter:bottleneck=256,target_modules=[up_proj,down_proj]", 247_463_936),
    ("llama-7b", "series-adapter:bottleneck=256,target_modules=[down_proj]", 67_108_864),
    ("llama-7b", "prefix:num_virtual_tokens=10", 2_621_440),
    ("llama-7b", "loreft:rank=8", 2_097_408),
    ("llama-13b", f"lora:r=32,{_TARGETS}", 87_818_240),
    ("llama-13b", f"dora:r=32,{_TARGETS}", 89_190_400),
]


def counts(name: str, method: str) -> dict[str, int]:
    backbone = resolve_backbone(name, weights=False)
    return count_parameters_of(
        CostQuery(
            method=resolve_method(method),
            backbone=backbone,
            task=NoTask(backbone),
            compute=Compute(torch.device("cpu"), "float32"),
            batch_size=1,
            length=8,
        )
    )


@pytest.mark.parametrize(("backbone", "method", "published"), PUBLISHED)
def test_counts_equal_the_published_ones(backbone: str, method: str, published: int) -> None:
    name = parse_method(method).parts[0].name
    if name not in methods():
        pytest.skip(f"this version has no method {name!r}")
    found = counts(backbone, method)
    assert found["adapter_parameters"] == published
    assert found["base_parameters"] == {"llama-7b": 6_738_415_616, "llama-13b": 13_015_864_320}[backbone]
    assert found["head_parameters"] == 0


@pytest.mark.parametrize(
    ("layers", "width", "expected"),
    [(6, 320, 23_682), (12, 480, 70_082), (30, 640, 231_682), (33, 1280, 509_442)],
    ids=["8M", "35M", "150M", "650M"],
)
def test_a_tagger_of_residues_trains_as_much_as_published(
    tmp_path: Path, layers: int, width: int, expected: int
) -> None:
    """As counted for ESM2 of each size with two tags (AmelieSchreiber's models print 23,682)."""
    folder = write_config(tmp_path, "esm", esm_config(width, layers))
    rows = [(list(one), ["bound" if residue in "DE" else "free" for residue in one])
            for one in sequences(9, 40)]  # fmt: skip
    task = tagging_task("sites", train=rows, validation=rows, test=rows)
    assert task.residues
    found = count_parameters_of(
        CostQuery(
            method=resolve_method("lora:r=2,target_modules=[query,key,value]"),
            backbone=resolve_backbone(str(folder), weights=False),
            task=task,
            compute=Compute(torch.device("cpu"), "float32"),
            batch_size=1,
            length=8,
        )
    )
    assert found["trainable_parameters"] == expected


@pytest.mark.parametrize(("bias", "expected"), [("none", 1_584_139), ("all", 1_855_499)])
def test_a_tagger_of_words_trains_as_much_as_published(tmp_path: Path, bias: str, expected: int) -> None:
    """As PEFT's guide to token classification counts RoBERTa-large with 11 tags."""
    config = {
        "vocab_size": 50265, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
        "intermediate_size": 4096, "max_position_embeddings": 514, "type_vocab_size": 1,
    }  # fmt: skip
    folder = write_config(tmp_path, "roberta", config)
    rows = [([f"word{i}" for i in range(11)], ["O", *(f"B-{i}" for i in range(10))])] * 9
    task = tagging_task("names", train=rows, validation=rows, test=rows)
    backbone = resolve_backbone(str(folder), weights=False)
    plain = count_parameters_of(
        CostQuery(
            method=resolve_method(f"lora:r=16,bias={bias},target_modules=[query,value]"),
            backbone=backbone,
            task=task,
            compute=Compute(torch.device("cpu"), "float32"),
            batch_size=1,
            length=8,
        )
    )
    assert plain["trainable_parameters"] == expected


# Experiments of huggingface/peft's comparison on Llama-3.2-3B, by their names there. Those that only
# give a rank target queries and values.
_QV = "target_modules=[q_proj,v_proj]"
MEASURED = [
    ("lora/llama-3.2-3B-rank32", f"lora:r=32,{_QV}"),
    ("lora/llama-3.2-3B-rank32-dora", f"dora:r=32,{_QV}"),
    ("lora/llama-3.2-3B-rank32-mica", f"mica:r=32,{_QV}"),
    ("adalora/llama-3.2-3B-rank32", f"adalora:r=32,init_r=64,{_QV}"),
    ("hira/llama-3.2-3B-rank32-lr4.5e-3", f"hira:r=32,{_QV}"),
    ("loha/llama-3.2-3B-rank32", f"loha:r=32,{_QV}"),
    ("ln_tuning/llama-3.2-3B-default", "ln-tuning"),
    ("randlora/llama-3.2-3B-default", f"randlora:r=32,{_QV}"),
    ("vera/llama-3.2-3B-default", f"vera:r=256,{_QV}"),
    ("fourierft/llama-3.2-3B-default", f"fourierft:n_frequency=1000,{_QV}"),
    ("c3a/llama-3.2-3B-default", f"c3a:block_size=64,{_QV}"),
    ("road/llama-3.2-3B-lr_0.001", f"road:variant=road_2,{_QV}"),
    ("unilora/llama-3.2-3B-default", f"unilora:{_QV}"),
    ("prompt_tuning/llama-3.2-3B-default", "prompt:num_virtual_tokens=200"),
    ("prefixtuning/llama-3.2-3B-lr_0.001", "prefix:num_virtual_tokens=200"),
    ("full-finetuning/llama-3.2-3B-lr_0.00001", "full"),
]


@pytest.mark.parametrize(("experiment", "method"), MEASURED)
def test_counts_equal_those_of_a_public_comparison(experiment: str, method: str) -> None:
    if not REFERENCE.is_dir():
        pytest.skip("the reference tables are not beside this checkout")
    table = pd.read_csv(REFERENCE / "hf_metamathqa.csv").set_index("experiment")
    found = counts("llama-3.2-3b", method)
    assert found["trainable_parameters"] == table.loc[experiment, "trainable_parameters"]
