"""Memory options: a method that does not support one is refused with a reason."""

from __future__ import annotations

import pytest

from whichpeft.backbones import resolve_backbone
from whichpeft.backbones.quantisation import check_quantising
from whichpeft.engine.compute import group_devices
from whichpeft.errors import StudyError
from whichpeft.methods import resolve_method
from whichpeft.methods.peft_source import quantised_types
from whichpeft.planning import make_plan
from whichpeft.study import Study
from whichpeft.tasks import text_task

EXAMPLES = [(f"text {i}", i % 2) for i in range(600)]


def refusals(methods: list[str], **options: object) -> dict[str, str | None]:
    task = text_task("t", train=EXAMPLES, validation=EXAMPLES[:20], test=EXAMPLES[:20])
    study = Study(backbone="minilm", task="t", methods=methods, seeds=1, **options)  # type: ignore[arg-type]
    resolved = {text: resolve_method(text) for text in methods}
    plan = make_plan(study, [resolve_backbone("minilm")], [task.without_examples()], resolved)
    return {cell.text: cell.refusal for cell in plan.cells}


def test_quantised_weights_only_accept_methods_that_do_not_train_them() -> None:
    found = refusals(
        [
            "full", "top-layers", "pissa", "oft", "lora+oft", "head", "lora", "dora", "ia3",
            "bitfit+lora", "prompt", "ln-tuning", "series-adapter",
        ],
        quantise="4bit",
    )  # fmt: skip
    refused = {text for text, reason in found.items() if reason is not None}
    assert refused == {"full", "top-layers", "pissa", "oft", "lora+oft", "bitfit+lora"}
    assert found["full"] is not None
    assert "updates the backbone's weights" in found["full"]
    assert found["oft"] == "PEFT has no oft layer for 4-bit weights"
    assert found["lora+oft"] == f"oft: {found['oft']}"


def test_peft_lists_the_methods_with_quantised_layers() -> None:
    for quantise in ("4bit", "8bit"):
        assert {"LORA", "IA3", "ADALORA"} <= quantised_types(quantise)
        assert not {"OFT", "BOFT", "LOHA", "OSF"} & quantised_types(quantise)


def test_shards_only_accept_methods_with_independent_layers() -> None:
    found = refusals(["full", "lora", "adalora", "unilora", "lora+bitfit"], shards=2)
    assert {text for text, reason in found.items() if reason is not None} == {"adalora", "unilora"}
    assert "each process holds only a shard" in (found["adalora"] or "")
    assert "its layers share" in (found["unilora"] or "")


def test_quantising_needs_cuda_and_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    check_quantising(None, "cpu")
    with pytest.raises(StudyError, match="needs a CUDA device"):
        check_quantising("4bit", "cpu")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"whichpeft\[quantised\]"):
        check_quantising("4bit", "cuda:0")


def test_devices_are_grouped_by_shards() -> None:
    four = [f"cuda:{i}" for i in range(4)]
    assert group_devices(four, 1) == four
    assert group_devices(four, 2) == ["cuda:0", "cuda:2"]
    assert group_devices(four, 3) == ["cuda:0"]
    assert group_devices(["cpu"], 2) == ["cpu"]
    for devices in (["cuda:0"], ["mps"]):
        with pytest.raises(StudyError, match="shards is 2"):
            group_devices(devices, 2)
