"""What is taken away predicts as the study did: by its own script, and by `whichpeft predict`."""

from __future__ import annotations

import builtins
import csv
import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whichpeft.backbones import Backbone
from whichpeft.errors import DataError, FolderError
from whichpeft.study import TaskSource
from whichpeft.takeaway.predict import predict

from .conftest import Take


def own_script(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, plain: bool) -> Any:
    """Run ``predict.py`` in a copy of the folder; if `plain`, it must not import whichpeft itself."""
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / folder.name)
    imported: list[str] = []
    real = builtins.__import__

    def watching(name: str, given: Any = None, *rest: Any) -> Any:
        if (given or {}).get("__file__") == str(moved / "predict.py"):
            imported.append(name)
        return real(name, given, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", watching)
        names = runpy.run_path(str(moved / "predict.py"))
    assert any(name.startswith("whichpeft") for name in imported) is not plain
    return names["predict"]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize(
    ("method", "plain"),
    [
        ("full", True),
        ("head", True),
        ("lora:r=4", True),
        ("bitfit", False),  # a tuner of whichpeft's, loaded by PEFT
        ("p-tuning", False),
        ("lora:r=4+bitfit", False),
    ],
)
def test_classes_of_texts(
    method: str,
    plain: bool,
    take_away: Take,
    reviews: Path,
    tiny_backbone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = take_away(method, TaskSource(name=str(reviews)), str(tiny_backbone))
    rows = rows_of(reviews / "test.tsv")
    score = taken.record.value("score", "test")
    script = own_script(taken.folder, tmp_path, monkeypatch, plain=plain)
    found = script([row["sentence"] for row in rows])
    assert {name for name, _ in found} <= {"bad", "good"}
    assert np.mean([name == row["label"] for (name, _), row in zip(found, rows, strict=True)]) == score

    said = predict(taken.folder, reviews / "test.tsv")
    assert (said.metric, said.score, said.scored) == ("accuracy", score, len(rows))
    assert said.answers == tuple(name for name, _ in found)
    logits = taken.arrays["outputs"]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(said.probabilities, chances.max(1), atol=1e-4)
    np.testing.assert_allclose([chance for _, chance in found], chances.max(1), atol=1e-4)
    # The adapter's folder works, too; and the names stand in every place.
    assert predict(taken.folder / "adapter", reviews / "test.tsv").answers == said.answers
    config = json.loads((taken.folder / "adapter" / "config.json").read_text())
    facts = json.loads((taken.folder / "hyperparameters.json").read_text())
    assert config["id2label"] == {"0": "bad", "1": "good"}
    assert config["label2id"] == {"bad": 0, "good": 1}
    assert facts["inputs"]["classes"] == ["bad", "good"]
    assert facts["adapter_score"] == score


@pytest.mark.slow
def test_the_script_runs_where_whichpeft_is_not_installed(
    take_away: Take, reviews: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    taken = take_away("lora:r=4", TaskSource(name=str(reviews)), str(tiny_backbone))
    moved = shutil.copytree(taken.folder, tmp_path / "elsewhere")
    rows = rows_of(reviews / "test.tsv")
    code = (
        "import runpy, sys; sys.modules['whichpeft'] = None; "
        f"sys.argv = ['predict.py']; runpy.run_path({str(moved / 'predict.py')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        input="\n".join(row["sentence"] for row in rows),
        capture_output=True,
        text=True,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "PATH": os.environ["PATH"]},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert [text for _, _, text in found] == [row["sentence"] for row in rows]
    right = [name == row["label"] for (name, *_), row in zip(found, rows, strict=True)]
    assert np.mean(right) == taken.record.value("score", "test")


def test_pairs(
    take_away: Take, pairs: Path, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = take_away("lora:r=4", TaskSource(name=str(pairs)), str(tiny_backbone))
    rows = rows_of(pairs / "test.csv")
    script = own_script(taken.folder, tmp_path, monkeypatch, plain=True)
    found = script([(row["premise"], row["hypothesis"]) for row in rows])
    score = taken.record.value("score", "test")
    assert np.mean([name == row["label"] for (name, _), row in zip(found, rows, strict=True)]) == score
    said = predict(taken.folder, pairs / "test.csv")
    assert said.score == score
    assert list(said.columns) == ["premise", "hypothesis", "label", "prediction", "probability"]


def test_values_in_the_units_of_the_labels(
    take_away: Take, ratings: Path, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = take_away("full", TaskSource(name=str(ratings)), str(tiny_backbone))
    from whichpeft.tasks import load_task

    tested = load_task(TaskSource(name=str(ratings))).splits["test"]  # type: ignore[union-attr]
    script = own_script(taken.folder, tmp_path, monkeypatch, plain=True)
    found = script([text for (text,) in tested.inputs])
    np.testing.assert_allclose(found, taken.arrays["outputs"][:, 0], rtol=1e-4)
    assert 100 < np.mean(found) < 300
    new = tmp_path / "new.jsonl"
    lines = [
        json.dumps({"id": i, "review": text, "rating": value})
        for i, ((text,), value) in enumerate(zip(tested.inputs, tested.labels.tolist(), strict=True))
    ]
    new.write_text("\n".join(lines))
    said = predict(taken.folder, new)
    assert said.metric == "pearson"
    assert said.score == pytest.approx(taken.record.value("score", "test"), abs=1e-4)
    assert not said.probabilities


def test_images(
    take_away: Take,
    shapes: Path,
    tiny_vits: dict[int, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = take_away("lora:r=4", TaskSource(name=str(shapes)), str(tiny_vits[3]))
    files = sorted((shapes / "test").rglob("*.png"))
    script = own_script(taken.folder, tmp_path, monkeypatch, plain=True)
    found = [name for name, _ in script(files)]
    score = taken.record.value("score", "test")
    assert np.mean([name == file.parent.name for name, file in zip(found, files, strict=True)]) == score
    said = predict(taken.folder, shapes / "test")
    assert list(said.answers) == found
    assert said.data.shown[0] == "lying/0.png"
    assert predict(taken.folder, files[0]).answers == said.answers[:1]


@pytest.mark.parametrize("method", ["full", "lora:r=4,target_modules=[convolution]"])
def test_running_statistics_are_part_of_what_was_trained(
    method: str, take_away: Take, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch normalisation takes them over from the training data, whatever trains."""
    import torch
    from transformers import ResNetConfig, ResNetModel, ViTImageProcessorPil

    torch.manual_seed(0)
    small = {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1], "layer_type": "basic"}
    ResNetModel(ResNetConfig(**small)).save_pretrained(tmp_path / "resnet")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "resnet")
    taken = take_away(method, TaskSource(name=str(shapes)), str(tmp_path / "resnet"))
    said = predict(taken.folder, shapes / "test")
    logits = taken.arrays["outputs"]
    chances = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).max(1)
    np.testing.assert_allclose(sorted(said.probabilities), sorted(chances), atol=1e-4)
    files = sorted((shapes / "test").rglob("*.png"))
    found = own_script(taken.folder, tmp_path, monkeypatch, plain=True)(files)
    np.testing.assert_allclose([chance for _, chance in found], said.probabilities, atol=1e-4)


@pytest.mark.parametrize("method", ["lora:r=4", "prompt"])
def test_written_answers(
    method: str,
    take_away: Take,
    tiny_writer: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [{"text": f"{a} {b}", "label": b % 2} for a in range(9) for b in range(9)]
    for name, part in (("train", rows[:60]), ("test", rows[60:])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)))
    source = TaskSource(
        name="parity",
        train=str(tmp_path / "train.jsonl"),
        test=str(tmp_path / "test.jsonl"),
        prompt="{text} is",
        verbaliser={"0": "even", "1": "odd"},
        metric="exact_match",
    )
    taken = take_away(method, source, str(tiny_writer.files))
    written = [str(answer).strip() for answer in taken.arrays["answers"]]
    script = own_script(taken.folder, tmp_path, monkeypatch, plain=method != "prompt")
    assert script([row["text"] for row in rows[60:]]) == written
    new = tmp_path / "new.csv"
    new.write_text("id,text\n" + "".join(f"{i},{row['text']}\n" for i, row in enumerate(rows[60:])))
    assert list(predict(taken.folder, new).answers) == written


def test_chosen_answers(
    take_away: Take, tiny_writer: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": f"{a} {b}", "label": b % 2} for a in range(9) for b in range(9)]
    (tmp_path / "parity.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = TaskSource(
        name=str(tmp_path / "parity.jsonl"),
        prompt="{text} is",
        verbaliser={"0": "even", "1": "odd"},
    )
    taken = take_away("lora:r=4", source, str(tiny_writer.files))
    from whichpeft.tasks import load_task

    tested = load_task(source).splits["test"]  # type: ignore[union-attr]
    new = tmp_path / "new.csv"
    texts = [example.prompt.removesuffix(" is") for example in tested]
    new.write_text("text\n" + "\n".join(texts) + "\n")
    said = predict(taken.folder, new)
    right = [answer == example.right for answer, example in zip(said.answers, tested, strict=True)]
    assert np.mean(right) == taken.record.value("score", "test")
    assert len(said.probabilities) == len(tested)


@pytest.fixture
def taken(take_away: Take, reviews: Path, tiny_backbone: Path) -> Path:
    return take_away("head", TaskSource(name=str(reviews)), str(tiny_backbone), epochs=1).folder


def test_new_files_may_look_different(
    taken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(name: str, text: str, *columns: str) -> tuple[str, ...]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return predict(taken, tmp_path / name, text_columns=columns).answers

    first = answers("a.csv", "sentence;id\nthe plot is dull and stale;1\nthe pace is warm;2\n")
    assert len(first) == 2
    assert answers("b.txt", "the plot is dull and stale\nthe pace is warm\n") == first
    assert (
        answers("c.csv", "id,said\n1,the plot is dull and stale\n2,the pace is warm\n", "said") == first
    )
    assert answers("d.csv", "id,said\n1,the plot is dull and stale\n2,the pace is warm\n") == first
    # Where semicolons separate columns, a table of one column has bare commas.
    assert len(answers("f.csv", "sentence\nwarm, and dull\nclever, warm, lovely\nstale\n")) == 3
    with pytest.raises(DataError, match=r"no column 'sentence', only id and n; name the input"):
        answers("e.csv", "id,n\n1,2\n2,3\n")
    with pytest.raises(DataError, match=r"no such file; the folder's predict.py takes a single text"):
        predict(taken, tmp_path / "absent.csv")
    assert len(answers("h.txt", "warm, and dull\nclever, warm\na, b, c\n")) == 3
    assert len(answers("i.csv", 'sentence\n"warm, and;dull\tor so"\nclever\n')) == 2
    for empty in ("", "sentence\n"):
        with pytest.raises(DataError, match=r"g.csv: (is empty|contains no rows)"):
            answers("g.csv", empty)


def test_a_column_of_that_name_stays(taken: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sentence,prediction\nthe pace is warm,x\n")
    assert list(predict(taken, tmp_path / "a.csv").columns) == [
        "sentence", "prediction", "predicted prediction", "probability",
    ]  # fmt: skip


def test_a_folder_without_an_adapter_says_how_to_get_one(taken: Path, tmp_path: Path) -> None:
    shutil.rmtree(taken / "adapter")
    with pytest.raises(FolderError, match=r"train one with `python .*train.py --out .*adapter`"):
        predict(taken, tmp_path / "new.csv")
    with pytest.raises(FolderError, match=r"has no hyperparameters.json; name the folder that"):
        predict(tmp_path / "nothing", tmp_path / "new.csv")


def test_damaged_weights_are_named(taken: Path, reviews: Path) -> None:
    (file,) = (taken / "adapter").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(FolderError, match=rf"{file.name}: is damaged \(.*\); copy the folder again"):
        predict(taken, reviews / "test.tsv")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "cannot be read"),
        ("[1]", "cannot be read"),
        ('{"lr": 1, "inputs": {}}', "is not of whichpeft"),
    ],
)
def test_a_folder_of_another_program_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "hyperparameters.json").write_text(text)
    with pytest.raises(FolderError, match=f"hyperparameters.json: {complaint}"):
        predict(tmp_path, tmp_path / "new.csv")


def test_the_command(taken: Path, tmp_path: Path, whichpeft: Callable[..., Any]) -> None:
    new = tmp_path / "new.csv"
    new.write_text('sentence,label\nthe pace is warm,good\n"a, b",\n')
    code, out, err = whichpeft("predict", str(taken), str(new))
    assert code == 0, err
    head, first, _ = out.splitlines()
    assert head.split() == ["prediction", "probability", "input"]
    assert first.split()[0] in ("good", "bad")
    assert first.endswith("the pace is warm")
    assert "accuracy on 1 row with a label" in err
    assert "note: " not in err
    other = tmp_path / "other.csv"
    other.write_text("n;said\n1;caf\xe9s are warm\n2;the pace is dull\n", encoding="cp1252")
    code, _, err = whichpeft("predict", str(taken), str(other))
    assert code == 0
    assert "is not UTF-8 and was read as Windows-1252" in err
    assert "has no 'sentence', so 'said' is read instead" in err
    other.write_text("sentence,label\nwarm,good\n,\n\x1b[31mdull,odd\nstale,odd\n")
    code, out, err = whichpeft("predict", str(taken), str(other))
    assert "\x1b" not in out
    assert "accuracy on 1 of 3 rows with a label" in err
    assert "2 rows have labels that the model does not know: 'odd'" in err
    assert "1 row without any text is left out" in err
    code, out, _ = whichpeft("predict", str(taken), str(new), "--out", "-")
    assert out.splitlines()[0] == "sentence,label,prediction,probability"
    assert out.splitlines()[2].startswith('"a, b",,')
    code, out, err = whichpeft("predict", str(taken), str(new), "--out", str(tmp_path / "out.csv"))
    assert (code, out) == (0, "")
    assert "2 rows" in err
    assert len(rows_of(tmp_path / "out.csv")) == 2
    for place, complaint in ((new, "is the file that is read"), (tmp_path, "is a folder")):
        code, _, err = whichpeft("predict", str(taken), str(new), "--out", str(place))
        assert (code, complaint in err) == (2, True)
