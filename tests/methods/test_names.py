"""The grammar of method names, and the methods they resolve to."""

import json
import pickle
from pathlib import Path

import pytest

from whichpeft.errors import StudyError
from whichpeft.methods import methods, resolve_method
from whichpeft.study import PartName, parse_method


def test_parts_options_and_brackets_are_parsed() -> None:
    name = parse_method("lora:r=8,target_modules=[query,value],learning_rate=1e-3+bitfit")
    assert name.parts == (
        PartName(
            "lora",
            (("r", 8), ("target_modules", ("query", "value")), ("learning_rate", 1e-3)),
        ),
        PartName("bitfit"),
    )


def test_a_plus_in_an_exponent_does_not_split() -> None:
    (part,) = parse_method("lora:learning_rate=1e+2").parts
    assert part.options == (("learning_rate", 100.0),)


def test_a_path_to_an_adapter_config_is_one_part() -> None:
    (part,) = parse_method("some/where/adapter_config.json").parts
    assert part.is_file


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("runs/a+b/x.json", [("runs/a+b/x.json", {})]),
        ("lora+runs/a+b/x.json+bitfit", [("lora", {}), ("runs/a+b/x.json", {}), ("bitfit", {})]),
        ("a.json+b.json", [("a.json", {}), ("b.json", {})]),
        ("'a+b.json'+lora", [("a+b.json", {}), ("lora", {})]),
        ("./a+b/x.json:learning_rate=1", [("./a+b/x.json", {"learning_rate": 1})]),
        ("runs/12:30/x.json", [("runs/12:30/x.json", {})]),
        ("runs:x/y.json:weight_decay=0.1", [("runs:x/y.json", {"weight_decay": 0.1})]),
        ("lr=1e-4,r=8/x.json:learning_rate=1", [("lr=1e-4,r=8/x.json", {"learning_rate": 1})]),
        (r"C:\runs\x.json:learning_rate=1", [(r"C:\runs\x.json", {"learning_rate": 1})]),
        ("my runs/x y.json", [("my runs/x y.json", {})]),
        ("user's/[a/x.json", [("user's/[a/x.json", {})]),
        ("~/run/", [("~/run/", {})]),
        ("runs/folder:learning_rate=1+lora", [("runs/folder", {"learning_rate": 1}), ("lora", {})]),
        ("X.JSON", [("X.JSON", {})]),
    ],
)
def test_paths_may_have_any_mark(text: str, parts: list[tuple[str, dict[str, object]]]) -> None:
    found = parse_method(text).parts
    assert [(part.name, dict(part.options)) for part in found] == parts
    assert all(part.is_file == ("/" in part.name or "." in part.name) for part in found)


def test_what_exists_decides_between_two_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [part.name for part in parse_method("lora+b.json").parts] == ["lora", "b.json"]
    assert [part.name for part in parse_method("a/b+lora").parts] == ["a/b", "lora"]
    Path("lora+b.json").touch()
    Path("a/b+lora").mkdir(parents=True)
    Path("a/b+lora/adapter_config.json").touch()
    assert [part.name for part in parse_method("lora+b.json").parts] == ["lora+b.json"]
    assert [part.name for part in parse_method("a/b+lora").parts] == ["a/b+lora"]


def test_an_option_may_end_like_a_config_file() -> None:
    (part,) = parse_method("prompt:init_text=see a/b.json").parts
    assert (part.name, part.is_file, part.options) == ("prompt", False, (("init_text", "see a/b.json"),))


def test_numbers_are_read_as_people_write_them() -> None:
    (part,) = parse_method("lora:r=016,a=1_000,b=[08,-2],c=12:30,d=1e-3,e=0.5").parts
    assert dict(part.options) == {"r": 16, "a": 1000, "b": (8, -2), "c": "12:30", "d": 1e-3, "e": 0.5}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("x.json:", "nothing follows the colon"),
        ("x.json:r", "not key=value"),
        ("lora:rank_pattern={a: 1, b: 2}", "only a config file can hold"),
        ("prompt:init_text=Answer: yes", "put it in quotes"),
        ("lora+", "empty"),
        ("lora:", "nothing follows the colon"),
        ("lora:r", "not key=value"),
        ("lora:r=8,r=9", "twice"),
        ("lora:target_modules=[a,b", "brackets"),
        ("lora:r={a: 1}", "mapping"),
    ],
)
def test_names_that_break_the_grammar_are_errors(text: str, complaint: str) -> None:
    with pytest.raises(StudyError, match=complaint):
        parse_method(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lorra", "did you mean 'lora'"),
        ("lora:rank=8", "has no option 'rank'"),
        ("lora:r=eight", "r is eight"),
        ("lora:r=0", "1 or more"),
        ("lora:alpha=4,lora_alpha=8", "twice"),
        ("lora:learning_rate=-1", "0 or more"),
        ("lora:warmup_ratio=10", "warmup_ratio is 10.0; it is a share of the steps, 0 to 1"),
        ("prefix:num_virtual_tokens=2.5", "num_virtual_tokens is 2.5"),
        ("lora:use_dora='false'", "use_dora is 'false'"),
        ("lora:rank_pattern=4", "rank_pattern cannot be typed, because only a config file can hold"),
        ("lora:layer_replication=[[0,2],[0,2]]", "layer_replication cannot be typed"),
        ("osf:target_svd_config=1", "target_svd_config cannot be typed"),
        ("dora:use_dora=false", "dora has use_dora=true always"),
        ("prefix:num_layers=3", "the backbone, the task or the trial decides num_layers"),
        ("prompt:tokenizer_name_or_path=x", "decides tokenizer_name_or_path"),
        ("lora:enable_lora=true", "no option 'enable_lora'; `whichpeft methods lora` lists"),
    ],
)
def test_unknown_names_and_wrong_values_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(StudyError, match=complaint):
        resolve_method(text)


def test_two_spellings_of_one_method_are_equal() -> None:
    assert resolve_method("lora").identity == resolve_method("lora:r=8,alpha=16").identity == "lora"
    assert resolve_method("lora:dropout=0.1,r=16").identity == "lora:r=16"
    assert resolve_method("lora:r=16,alpha=32").identity == "lora:r=16"
    assert resolve_method("lora:r=16").identity != resolve_method("lora:r=16,alpha=8").identity


def test_the_identity_resolves_to_the_same_method() -> None:
    for text in [*methods(), "lora:r=4,target_modules=[query]", "adalora:r=2"]:
        method = resolve_method(text)
        again = resolve_method(method.identity)
        assert again.hyperparameters == method.hyperparameters


@pytest.mark.parametrize("name", list(methods()))
def test_every_method_is_documented_and_pickles(name: str) -> None:
    method = resolve_method(name)
    assert method.name == name
    assert method.info.description
    assert method.info.learning_rate_source
    json.dumps(method.hyperparameters, allow_nan=False)
    assert pickle.loads(pickle.dumps(method)) == method


def test_quotes_keep_a_pattern_whole() -> None:
    (part,) = parse_method("lora:target_modules='.+(query|value)'").parts
    assert part.options == (("target_modules", ".+(query|value)"),)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(StudyError, match="empty list"):
        resolve_method("lora:target_modules=[]")
