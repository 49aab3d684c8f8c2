"""Every field of a config file: as in plain PEFT, or refused by name, or with a note."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.methods import Method, MethodContext, resolve_method
from whichpeft.planning import make_plan
from whichpeft.study import Budget, Study
from whichpeft.tasks.no_task import NoTask
from whichpeft.testing import MethodContract
from whichpeft.testing.small_tasks import small_task

CONFIG = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 60, "pad_token_id": 0, "tie_word_embeddings": False,
}  # fmt: skip
LORA = {"peft_type": "LORA", "r": 2, "target_modules": ["q_proj", "v_proj"]}
PROMPT = {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder = tmp_path_factory.mktemp("llama")
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG)).save_pretrained(folder)
    return resolve_backbone(str(folder), weights=False)


def method_of(given: Mapping[str, Any], folder: Path) -> Method:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(given))
    return resolve_method(str(file))


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG))


def applied(method: Method) -> torch.nn.Module:
    context = MethodContext(task_type="CAUSAL_LM", head=frozenset(), steps=100)
    return method.apply(model(), context).model


def plain(given: Mapping[str, Any]) -> torch.nn.Module:
    """Return what PEFT makes of a config on its own."""
    fields = {key: value for key, value in given.items() if key != "peft_type"}
    config = peft.get_peft_config({"peft_type": given["peft_type"], **fields, "task_type": "CAUSAL_LM"})
    return peft.get_peft_model(model(), config)


def trained(model: torch.nn.Module) -> dict[str, int]:
    return {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    "fields",
    [
        {"modules_to_save": ["embed_tokens", "lm_head"]},
        {"modules_to_save": ["norm"]},  # PEFT compares the ends of names: all norms
        {"exclude_modules": ["layers.0.self_attn.q_proj"]},
        {"exclude_modules": r".*\.[01]\..*"},
        {"target_modules": r".*\.[0-2]\.self_attn\.(q|k)_proj"},
        {"target_modules": "all-linear"},
        {"target_modules": None, "target_parameters": ["mlp.up_proj.weight"]},
        {"target_parameters": ["mlp.up_proj.weight"]},
        {"layers_to_transform": [0, 2]},
        {"layers_to_transform": 3, "layers_pattern": "layers"},
        {"rank_pattern": {"q_proj": 4, "layers.1.self_attn.v_proj": 3}, "alpha_pattern": {"q_proj": 5}},
        {"bias": "all"},
        {"bias": "lora_only", "lora_bias": True},
        {"use_dora": True},
        {"use_rslora": True, "lora_alpha": 22.6},
        {"init_lora_weights": "orthogonal"},
        {"trainable_token_indices": [3, 4]},
        {"trainable_token_indices": {"embed_tokens": [3, 4], "lm_head": [5]}},
        {"layer_replication": [[0, 2], [1, 4]]},
        {"fan_in_fan_out": True},
        {"peft_type": "IA3", "feedforward_modules": ["v_proj"], "r": None},
        {"peft_type": "VERA", "modules_to_save": ["lm_head"], "layers_to_transform": [1]},
        {"peft_type": "LOKR", "rank_pattern": {"q_proj": 4}, "exclude_modules": ["layers.3"]},
    ],
    ids=json.dumps,
)
def test_a_config_gives_what_plain_peft_makes_of_it(
    fields: dict[str, Any], llama: Backbone, tmp_path: Path
) -> None:
    given = {key: value for key, value in (LORA | fields).items() if value is not None}
    method = method_of(given, tmp_path)
    expected = plain(given)
    made = applied(method)
    assert trained(made) == trained(expected)
    assert made.peft_config["default"].to_dict() == expected.peft_config["default"].to_dict()
    (cell,) = make_plan(
        Study(backbone="b", methods=["m"]), [llama], [NoTask(llama)], {"m": method}
    ).cells
    assert (cell.refusal, cell.notes) == (None, ())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target_modules": ["q_proj", "query"]}, "no module 'query' to target"),
        ({"exclude_modules": ["down_prj"]}, "'down_prj' for exclude_modules; did you mean 'down_proj'?"),
        ({"exclude_modules": ".*query"}, r"exclude_modules is '.\*query', which matches no module"),
        ({"modules_to_save": ["embeddings"]}, "no module 'embeddings' for modules_to_save"),
        ({"layers_to_transform": [1, 4]}, "layer 4 of layers_to_transform .*its layers are 0 to 3"),
        ({"layers_to_transform": -1}, "layers_to_transform': -1"),
        ({"rank_pattern": {"k_proj": 4}}, "rank_pattern names 'k_proj', which is none of its target"),
        ({"alpha_pattern": {"layers.9.q_proj": 4}}, "alpha_pattern names 'layers.9.q_proj'"),
        ({"trainable_token_indices": [3, 60]}, "token 60, but the embedding has 60 rows"),
        ({"trainable_token_indices": [-1]}, "token -1, but the embedding has 60 rows"),
        ({"trainable_token_indices": {"wte": [1]}}, "no module 'wte' for trainable_token_indices"),
        ({"target_parameters": ["mlp.experts.gate_up_proj"]}, "no parameter 'mlp.experts.gate_up_proj'"),
        ({"peft_type": "VERA", "target_modules": ".*q_proj", "layers_to_transform": [1]}, "no effect"),
        ({"peft_type": "VERA", "layers_pattern": "layers"}, "`layers_to_transform` must also be"),
    ],
    ids=json.dumps,
)  # fmt: skip
def test_what_matches_nothing_is_refused_by_name(
    fields: dict[str, Any], message: str, llama: Backbone, tmp_path: Path
) -> None:
    method = method_of(LORA | fields, tmp_path)
    with pytest.raises(ValueError, match=message):
        applied(method)
    study = Study(backbone="b", methods=["m"])
    (cell,) = make_plan(study, [llama], [NoTask(llama)], {"m": method}).cells
    assert cell.refusal is not None
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(cell.refusal)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ("modules_to_save=[lm_head]", {"modules_to_save": ["lm_head"]}),
        ("trainable_token_indices=[3,4]", {"trainable_token_indices": [3, 4]}),
        ("target_modules=all-linear,exclude_modules=lm_head", {"target_modules": "all-linear"}),
        ("exclude_modules=v_proj", {"target_modules": ["q_proj"]}),
        ("layers_to_transform=[0,2]", {"layers_to_transform": [0, 2]}),
        ("target_modules='.*[01].self_attn.q_proj'", {"target_modules": ".*[01].self_attn.q_proj"}),
    ],
)
def test_typed_options_give_what_plain_peft_makes_of_them(options: str, fields: dict[str, Any]) -> None:
    typed = options if "target_modules" in options else f"target_modules=[q_proj,v_proj],{options}"
    made = applied(resolve_method(f"lora:r=2,{typed}"))
    assert trained(made) == trained(plain(LORA | fields))


OTHER = {"token_dim": 1024, "num_layers": 24, "num_attention_heads": 16, "num_transformer_submodules": 2}


@pytest.mark.parametrize(
    "given",
    [
        PROMPT,
        {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3},
        {"peft_type": "P_TUNING", "num_virtual_tokens": 3, "encoder_hidden_size": 8},
        {"peft_type": "CARTRIDGE", "num_virtual_tokens": 3},
        {"peft_type": "CPT", "cpt_token_ids": [3], "cpt_mask": [1], "cpt_tokens_type_mask": [1]},
    ],
    ids=lambda given: given["peft_type"],
)  # fmt: skip
def test_sizes_are_the_backbones(given: dict[str, Any], llama: Backbone, tmp_path: Path) -> None:
    other = OTHER | ({"tokenizer_name_or_path": "org/other"} if given["peft_type"] == "CPT" else {})
    method = method_of(given | other, tmp_path)
    expected = plain(given)
    for own in (method, method.resolved_for(llama)):
        assert trained(applied(own)) == trained(expected)
    notes = method.notes(llama, NoTask(llama))
    assert all(any(key in note or "tokenizer" in note for note in notes) for key in other)
    assert not other.keys() & method.resolved_for(llama).hyperparameters.keys()
    # What PEFT itself writes for this backbone agrees, so it stays and there is no note.
    expected.save_pretrained(tmp_path / "saved")
    saved = resolve_method(str(tmp_path / "saved"))
    assert saved.notes(llama, NoTask(llama)) == ()
    assert saved.resolved_for(llama).hyperparameters["num_layers"] == CONFIG["num_hidden_layers"]
    assert trained(applied(saved.resolved_for(llama))) == trained(expected)


def test_the_tokenizer_is_the_backbones(tiny_backbone: Path, tmp_path: Path) -> None:
    backbone, task = resolve_backbone(str(tiny_backbone)), small_task()
    text = {"prompt_tuning_init": "TEXT", "prompt_tuning_init_text": "good film"}
    other = {
        "tokenizer_name_or_path": "org/other-model",
        "tokenizer_kwargs": {"trust_remote_code": True},
    }
    method = method_of(PROMPT | text | other, tmp_path)
    notes = method.notes(backbone, task)
    assert [note.partition(" is ")[0] for note in notes] == ["the tokenizer", "the tokenizer"]
    own, typed = task.build(backbone), task.build(backbone)
    context = MethodContext(task_type="SEQ_CLS", head=frozenset(task.head_parameters(own)), steps=10)
    same = resolve_method("prompt:num_virtual_tokens=3,init_text=good film")
    ours = method.apply(own, context).model.prompt_encoder.default.embedding.weight
    assert torch.equal(ours, same.apply(typed, context).model.prompt_encoder.default.embedding.weight)


@pytest.mark.parametrize("start", [None, "RANDOM", "SAMPLE_VOCAB"])
def test_a_text_that_a_prompt_does_not_start_from_is_said(
    start: str | None, tiny_backbone: Path, tmp_path: Path
) -> None:
    """PEFT starts from random numbers unless the file says TEXT; the record says so, too."""
    backbone, task = resolve_backbone(str(tiny_backbone)), small_task()
    given = {} if start is None else {"prompt_tuning_init": start}
    method = method_of(PROMPT | given | {"prompt_tuning_init_text": "good film"}, tmp_path)
    assert method.hyperparameters.get("prompt_tuning_init") == start
    assert [*method.notes(backbone, task)] == [
        f"prompt_tuning_init_text is not used, because prompt_tuning_init is {start or 'RANDOM'}"
    ]


def test_a_prompt_that_starts_from_no_text_is_refused(tiny_backbone: Path, tmp_path: Path) -> None:
    method = method_of(PROMPT | {"prompt_tuning_init": "TEXT"}, tmp_path)
    reason = method.refuses(resolve_backbone(str(tiny_backbone)), small_task(), Budget())
    assert reason == "prompt_tuning_init is TEXT, but there is no prompt_tuning_init_text; add one"


@pytest.mark.parametrize("saved", [["classifier", "score"], ["word_embeddings"], ["bert.embeddings"]])
def test_modules_to_save_keep_the_contract(
    saved: list[str], tiny_backbone: Path, tmp_path: Path
) -> None:
    given = {"peft_type": "LORA", "r": 2, "target_modules": ["query"], "modules_to_save": saved}
    method = method_of(given, tmp_path)
    backbone, task = resolve_backbone(str(tiny_backbone)), small_task()
    assert method.notes(backbone, task) == ()
    plain_model, own = task.build(backbone), task.build(backbone)
    head = frozenset(task.head_parameters(own))
    config = peft.get_peft_config(given | {"task_type": "SEQ_CLS"})
    expected = set(trained(peft.get_peft_model(plain_model, config)))
    made = method.apply(own, MethodContext(task_type="SEQ_CLS", head=head, steps=10)).model
    assert set(trained(made)) >= expected
    assert all("pooler" in name for name in set(trained(made)) - expected)  # a new part of the head
    MethodContract(str(tmp_path / "adapter_config.json"), backbone).check()


def test_a_module_to_save_inside_another_is_refused(tiny_backbone: Path, tmp_path: Path) -> None:
    given = {"peft_type": "LORA", "target_modules": ["query"], "modules_to_save": ["embeddings"]}
    backbone, task = resolve_backbone(str(tiny_backbone)), small_task()
    study = Study(backbone="b", methods=["m"])
    (cell,) = make_plan(study, [backbone], [task], {"m": method_of(given, tmp_path)}).cells
    assert "names 'embeddings', which is bert.embeddings and also" in str(cell.refusal)


def test_whole_numbers_may_have_a_point(tmp_path: Path) -> None:
    method = method_of(LORA | {"r": 3.0, "lora_alpha": 22.6}, tmp_path)
    assert (method.hyperparameters["r"], method.hyperparameters["lora_alpha"]) == (3, 22.6)


def test_the_head_of_another_task_is_left_out_with_a_note(
    tiny_backbone: Path, llama: Backbone, tmp_path: Path
) -> None:
    method = method_of(LORA | {"modules_to_save": ["classifier", "lm_head"]}, tmp_path)
    (note,) = method.notes(llama, NoTask(llama))
    assert note.startswith("modules_to_save names classifier, the head of another kind of task")
    assert trained(applied(method)) == trained(plain(LORA | {"modules_to_save": ["lm_head"]}))
    (note,) = method.notes(resolve_backbone(str(tiny_backbone)), small_task())
    assert "lm_head" in note
    composed = resolve_method(f"{tmp_path / 'adapter_config.json'}+bitfit")
    budget = Study(backbone="b", methods=["m"]).budget
    reason = composed.refuses(llama, NoTask(llama), budget)
    assert reason == "lora: modules_to_save cannot be combined with other methods; leave it out"


def test_an_exclusion_stays_in_a_composition(tiny_backbone: Path) -> None:
    backbone, task = resolve_backbone(str(tiny_backbone)), small_task()
    built = task.build(backbone)
    context = MethodContext(task_type="SEQ_CLS", head=frozenset(task.head_parameters(built)), steps=10)
    for excluded in ("[layer.0]", "'.*layer.0.*'", "[layer.0.attention.self.query]"):
        made = resolve_method(f"bitfit+lora:target_modules=[query],exclude_modules={excluded}")
        if excluded == "[layer.0]":  # a module with this name, but no target module
            continue
        names = trained(made.apply(task.build(backbone), context).model)
        assert not any("layer.0" in name and "lora" in name for name in names)
        assert any("layer.1" in name and "lora" in name for name in names)


@pytest.mark.parametrize(
    ("value", "written"), [(None, "null"), (False, "false"), ([], "empty"), ({}, "empty"), ("", "empty")]
)
def test_an_unknown_option_that_is_off_changes_nothing(
    value: object, written: str, llama: Backbone, tmp_path: Path
) -> None:
    method = method_of(LORA | {"option_of_tomorrow": value}, tmp_path)
    assert method.notes(llama, NoTask(llama)) == (
        f"the installed peft has no option option_of_tomorrow; it is {written} and changes nothing",
    )
    assert trained(applied(method)) == trained(plain(LORA))
    assert method.resolved_for(llama).hyperparameters == method_of(LORA, tmp_path).hyperparameters | {
        "learning_rate": method.resolved_for(llama).learning_rate
    }


def test_adalora_takes_ranks_and_steps_from_the_trial(llama: Backbone, tmp_path: Path) -> None:
    given = {"peft_type": "ADALORA", "init_r": 3, "target_r": 2, "target_modules": ["q_proj"]}
    kept = {"base_model.model.model.layers.0.self_attn.q_proj.lora_E": [True, False, True]}
    method = method_of(given | {"rank_pattern": kept, "total_step": 3000}, tmp_path)
    assert len(method.notes(llama, NoTask(llama))) == 2
    assert trained(applied(method)) == trained(plain(given | {"total_step": 100}))
