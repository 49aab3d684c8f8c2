"""Any adapter_config.json as a method, unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import pytest
import torch

from whichpeft.backbones import resolve_backbone
from whichpeft.errors import StudyError
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.study import Budget
from whichpeft.study.names import parse_method, with_paths
from whichpeft.testing import MethodContract
from whichpeft.testing.small_tasks import small_task


@pytest.fixture
def config(tmp_path: Path) -> Path:
    given = peft.LoraConfig(
        r=4, lora_alpha=3, target_modules=["query"], rank_pattern={"layer.0.attention.self.query": 2}
    )
    given.save_pretrained(str(tmp_path))
    return tmp_path / "adapter_config.json"


def test_a_config_file_gives_the_method_it_configures(config: Path, tiny_backbone: Path) -> None:
    method = resolve_method(str(config))
    assert method.hyperparameters["rank_pattern"] == {"layer.0.attention.self.query": 2}
    assert method.identity.startswith("lora@")
    task = small_task()
    torch.manual_seed(0)
    model = task.build(resolve_backbone(str(tiny_backbone)))
    context = MethodContext(task_type="SEQ_CLS", head=frozenset(task.head_parameters(model)), steps=100)
    adapted = method.apply(model, context).model
    ranks = {n: p.shape[0] for n, p in adapted.named_parameters() if "lora_A" in n}
    assert sorted(ranks.values()) == [2, 4]
    made = adapted.peft_config["default"]
    assert (made.r, made.lora_alpha, set(made.target_modules)) == (4, 3, {"query"})


def test_a_folder_stands_for_the_file_in_it(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = resolve_method(str(config)).identity
    assert resolve_method(str(tmp_path)).identity == resolve_method(f"{tmp_path}/").identity == whole
    assert with_paths(f"{tmp_path}:learning_rate=1", str) == f"{config}:learning_rate=1"
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(StudyError, match=rf"write \./{tmp_path.name}$"):
        resolve_method(tmp_path.name)
    assert resolve_method(f"./{tmp_path.name}").identity == whole


@pytest.mark.parametrize("name", ["a+b.json", "c d/e+f:g=1,h.json", "i's/[j.json", "12:30/x.JSON"])
def test_a_file_is_read_whatever_its_path_has(
    name: str, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(config.read_text())
    found = {resolve_method(f"{name}{rate}").learning_rate for rate in _RATES}
    assert found == {None, 1e-3, 1e-4}
    for rate in _RATES:  # and again from elsewhere, as a study in a run folder names it
        whole = with_paths(f"bitfit+{name}{rate}", lambda path: str(Path(path).resolve()))
        monkeypatch.chdir("/")
        method = resolve_method(whole)
        Path(tmp_path, name).rename(tmp_path / "hidden")  # the report can still read the name
        assert [part.name for part in parse_method(whole).parts] == ["bitfit", str(Path(tmp_path, name))]
        (tmp_path / "hidden").rename(Path(tmp_path, name))
        assert (method.name, method.learning_rate) == (
            "bitfit+lora",
            resolve_method(f"lora{rate}").learning_rate,
        )
        monkeypatch.chdir(tmp_path)


_RATES = ("", ":learning_rate=1e-3", ":learning_rate=1e-4")


def test_the_identity_depends_on_the_content_not_the_path(config: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.json"
    copy.write_text(config.read_text())
    assert resolve_method(str(copy)).identity == resolve_method(str(config)).identity
    copy.write_text(config.read_text().replace('"lora_alpha": 3', '"lora_alpha": 5'))
    assert resolve_method(str(copy)).identity != resolve_method(str(config)).identity


def test_a_config_file_can_be_part_of_a_composition(config: Path) -> None:
    assert resolve_method(f"{config}+bitfit").name == "bitfit+lora"


@pytest.mark.parametrize(
    "given",
    [
        peft.LoraConfig(r=2, target_modules=["query"]),
        peft.AdaLoraConfig(init_r=4, target_r=2, total_step=100, target_modules=["query", "value"]),
        peft.PrefixTuningConfig(num_virtual_tokens=3, task_type="SEQ_CLS"),
        peft.VeraConfig(r=8, target_modules=["query"]),
    ],
    ids=lambda config: config.peft_type.value,
)
def test_config_files_of_several_types_keep_the_contract(
    given: peft.PeftConfig, tmp_path: Path, tiny_backbone: Path
) -> None:
    given.save_pretrained(str(tmp_path))
    MethodContract(str(tmp_path / "adapter_config.json"), resolve_backbone(str(tiny_backbone))).check()


def test_files_that_are_not_configs_are_errors(config: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no such file; did you mean 'adapter_config.json'"):
        resolve_method(str(tmp_path / "adaptor_config.json"))
    broken = tmp_path / "broken.json"
    for text, complaint in [
        ("{", "not valid JSON"),
        ("[]", "not a PEFT config: expected a JSON object"),
        ("{}", "no peft_type"),
        ('{"peft_type": "LORRA"}', "did you mean 'lora'"),
        (json.dumps({"peft_type": "LORA", "lora_alhpa": 3}), "did you mean 'lora_alpha'"),
    ]:
        broken.write_text(text)
        with pytest.raises(StudyError, match=complaint) as error:
            resolve_method(str(broken))
        assert "broken.json" in str(error.value)


def test_only_the_recipe_can_follow_a_files_name(config: Path) -> None:
    method = resolve_method(f"{config}:learning_rate=1e-3")
    assert method.learning_rate == 1e-3
    assert method.identity.endswith(":learning_rate=0.001")
    with pytest.raises(StudyError, match=r"sets r; change it there"):
        resolve_method(f"{config}:r=99")


def test_values_in_a_file_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    for given, complaint in [
        ({"peft_type": "LORA", "r": "four"}, "r is four, but"),
        ({"peft_type": "BITFIT", "zork": 1}, "has no option 'zork'"),
    ]:
        file.write_text(json.dumps(given))
        with pytest.raises(StudyError, match=complaint):
            resolve_method(str(file))


def test_a_variants_config_file_gives_that_variant(tmp_path: Path) -> None:
    file = tmp_path / "pissa.json"
    file.write_text(json.dumps({"peft_type": "LORA", "init_lora_weights": "pissa", "r": 4}))
    assert resolve_method(str(file)).name == "pissa"


@pytest.mark.parametrize("peft_type", ["PREFIX_TUNING", "LOREFT", "TRAINABLE_TOKENS", "ADALORA"])
def test_a_config_file_may_omit_fields_with_peft_defaults(
    peft_type: str, tmp_path: Path, tiny_backbone: Path
) -> None:
    file = tmp_path / "short.json"
    file.write_text(json.dumps({"peft_type": peft_type}))
    backbone, task = resolve_backbone(str(tiny_backbone)), small_task()
    reason = resolve_method(str(file)).refuses(backbone, task, Budget(epochs=20))
    assert (reason is not None) == (peft_type == "PREFIX_TUNING")


def test_a_schedule_longer_than_training_is_refused(tmp_path: Path, tiny_backbone: Path) -> None:
    file = tmp_path / "long.json"
    file.write_text(json.dumps({"peft_type": "ADALORA", "tinit": 50, "tfinal": 50}))
    backbone = resolve_backbone(str(tiny_backbone))
    reason = resolve_method(str(file)).refuses(backbone, small_task(), Budget(epochs=20))
    assert reason == "its config keeps the ranks fixed for 100 steps, but training has only 20"


def test_paths_in_a_name_can_be_replaced() -> None:
    assert with_paths("a.json+lora:r=4", lambda path: f"/x/{path}") == "/x/a.json+lora:r=4"
    assert with_paths("a.json:learning_rate=1", lambda path: f"/x/{path}") == "/x/a.json:learning_rate=1"
    assert with_paths("lora+", lambda path: path) == "lora+"
