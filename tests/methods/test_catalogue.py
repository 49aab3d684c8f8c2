"""The methods of the installed PEFT, made from its configs and our table of facts."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import peft
import pytest
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as CONFIGS
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING as TUNERS

from whichpeft.errors import StudyError
from whichpeft.methods import LogRange, methods, resolve_method
from whichpeft.methods import peft_catalogue as catalogue
from whichpeft.methods.peft_facts import peft_facts
from whichpeft.methods.peft_method import PeftMethod
from whichpeft.methods.peft_source import UNREAD, ConfigSource, OptionSource, base_options, peft_configs


def test_every_config_of_the_installed_peft_is_read_correctly() -> None:
    sources = peft_configs()
    ours = {method.peft.peft_type for method in methods().values() if issubclass(method, PeftMethod)}
    installed = {kind.value: config for kind, config in CONFIGS.items()}
    assert sources.keys() <= installed.keys()
    assert {name for name in installed if name not in sources} <= ours - sources.keys()
    for name, source in sources.items():
        fields = {field.name: field for field in dataclasses.fields(installed[name])}
        assert source.name == installed[name].__name__
        assert source.options.keys() == fields.keys()
        for option in source.options.values():
            if option.default is not UNREAD:
                assert option.default == fields[option.name].default, (name, option.name)


def test_common_fields_are_read_from_the_base_config() -> None:
    assert base_options() == {field.name for field in dataclasses.fields(peft.PeftConfig)}


def test_every_type_of_the_installed_peft_is_a_method() -> None:
    reached = {method.peft.peft_type for method in methods().values() if issubclass(method, PeftMethod)}
    assert {kind.value for kind in CONFIGS} <= reached
    assert len(methods()) >= 50


def test_options_in_the_table_exist_in_the_configs() -> None:
    for name, facts in peft_facts().items():
        options = peft_configs()[facts.peft.peft_type].options
        info, about_peft = facts.info, facts.peft
        fixed = (about_peft.fixed, about_peft.fixed_weightless)
        for named in (*fixed, facts.options, about_peft.fitted, info.choices):
            assert named.keys() <= options.keys(), name
        assert info.description
        assert info.paper
        assert isinstance(about_peft.targets_modules, bool)


def test_merges_in_the_table_agrees_with_peft() -> None:
    for name, facts in peft_facts().items():
        tuner = TUNERS[peft.PeftType(facts.peft.peft_type)]
        if facts.info.merges:
            assert hasattr(tuner, "merge_and_unload"), name


def test_listing_methods_loads_no_torch() -> None:
    code = (
        "import sys; from whichpeft.methods import methods, resolve_method; methods(); "
        "resolve_method('lora:use_rslora=true+bitfit'); "
        "sys.exit('torch' in sys.modules or 'peft' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", list(methods()))
def test_search_spaces_contain_the_default(name: str) -> None:
    method = resolve_method(name)
    space = method.search_space
    if method.info.learning_rate == 0:
        assert space == {}
        return
    rate = space["learning_rate"]
    assert isinstance(rate, LogRange)
    assert rate.low < method.info.learning_rate < rate.high
    for option, values in method.info.choices.items():
        assert isinstance(values, tuple)
        for value in values:
            resolve_method(f"{name}:{option}={value}")
        default = method.hyperparameters.get(option)
        assert default is None or default in values, f"{option}: {default} is none of {values}"


def test_a_method_of_a_new_release_has_pefts_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = ConfigSource(
        "LoraConfig",
        "BRAND_NEW",
        {
            "r": OptionSource("r", int, 8, "the rank"),
            "target_modules": OptionSource("target_modules", tuple[str, ...] | str | None, None, ""),
        },
    )
    monkeypatch.setattr(catalogue, "peft_configs", lambda: {**peft_configs(), "BRAND_NEW": new})
    known = catalogue.peft_methods.__wrapped__()
    made = known["brand-new"](r=4)
    assert made.hyperparameters["r"] == 4
    assert made.peft.targets_modules
    assert made.identity == "brand-new:r=4"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("boft:boft_block_size=x", "boft_block_size is x"),
        ("vera:r=0", "1 or more"),
        ("lora:target_module=[query]", "did you mean 'target_modules'"),
        ("lora:total_step=5", "has no option"),
        ("lora:from_file=x", "has no option"),
        ("road:variant=road_9,group_size=-2", "1 or more"),
        ("lokr:r=2,decompose_factor=-1,alpha=0", "alpha is 0"),
    ],
)
def test_options_are_checked_before_anything_is_loaded(text: str, complaint: str) -> None:
    with pytest.raises(StudyError, match=complaint):
        resolve_method(text)


def test_some_options_may_be_zero_or_less() -> None:
    assert resolve_method("lokr:decompose_factor=-1").hyperparameters["decompose_factor"] == -1
    assert resolve_method("shira:random_seed=0").hyperparameters["random_seed"] == 0
    assert resolve_method("peanut:depth=0").hyperparameters["depth"] == 0


def test_options_without_curated_default_are_part_of_the_identity() -> None:
    method = resolve_method("lora:use_dora=true,r=4")
    assert method.identity == "lora:r=4,use_dora=true"
    assert "use_rslora" not in method.hyperparameters
