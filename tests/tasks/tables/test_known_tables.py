"""Tables as well-known data sets and tools have them: what is text, label, split, or neither."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from whichpeft.errors import DataError
from whichpeft.running.reading import read_of_task
from whichpeft.study import TaskSource
from whichpeft.tasks import generative_task, image_task, load_task, text_task

COUNT = 60
TEXTS = [f"The {word} film of the year, number {i}" for i, word in zip(
    range(COUNT), itertools.cycle(["great", "awful", "quiet", "strange"]), strict=False
)]  # fmt: skip


def cycle(*values: Any) -> list[Any]:
    return list(itertools.islice(itertools.cycle(values), COUNT))


def read(path: Path, **fields: Any) -> Any:
    return read_of_task(load_task(TaskSource(name=str(path), **fields)))


def csv(folder: Path, columns: dict[str, Sequence[Any]], name: str = "data.csv") -> Path:
    pd.DataFrame(columns).to_csv(folder / name, index=False)
    return folder / name


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        # Stance and aspects: the target is what the opinion is about.
        ({"Target": cycle("a", "b"), "Tweet": TEXTS, "Stance": cycle("for", "no")}, ["Tweet"], "Stance"),
        (
            {"text": TEXTS, "target": cycle("a", "b"), "polarity": cycle("p", "n", "o")},
            ["text"],
            "polarity",
        ),
        # Predictions with a confidence.
        (
            {"text": TEXTS, "intent": cycle("buy", "ask"), "score": np.linspace(0, 1, COUNT)},
            ["text"],
            "intent",
        ),
        # A remark, an id and a type that have a customary name of texts.
        (
            {"message": TEXTS, "label": cycle(0, 1), "comment": cycle(None, None, "ok")},
            ["message"],
            "label",
        ),
        (
            {"document": [f"d{i}" for i in range(COUNT)], "body": TEXTS, "label": cycle(0, 1)},
            ["body"],
            "label",
        ),
        # What people wrote into a form, and when; who wrote it.
        (
            {
                "Timestamp": [
                    f"2024/01/{1 + i % 28:02d} 10:0{i % 10}:00 AM GMT+1" for i in range(COUNT)
                ],
                "Feedback": TEXTS,
                "Rating": cycle(1, 2, 3),
            },
            ["Feedback"],
            "Rating",
        ),
        (
            {
                "created": [f"Mon Apr {1 + i % 28:02d} 22:19:45 PDT 2009" for i in range(COUNT)],
                "Feedback": TEXTS,
                "Rating": cycle(1, 2, 3),
            },
            ["Feedback"],
            "Rating",
        ),
        (
            {"Name": [f"Jane Doe {i}" for i in range(COUNT)], "Body": TEXTS, "Kind": cycle("a", "b")},
            ["Body"],
            "Kind",
        ),
        # A review with its title and rating, and who wrote it.
        (
            {"text": TEXTS, "summary": TEXTS[::-1], "overall": cycle(1, 2, 5)},
            ["text"],
            "overall",
        ),
        (
            {"reviewerName": TEXTS[::-1], "reviewText": TEXTS, "overall": cycle(1, 2, 5)},
            ["reviewText"],
            "overall",
        ),
        # A reason gives the answer away.
        (
            {"question": TEXTS, "rationale": TEXTS[::-1], "answer": cycle("A", "B")},
            ["question"],
            "answer",
        ),
        # A column with one value is no label.
        ({"target_id": cycle(0, 4), "flag": cycle("NO_QUERY"), "words": TEXTS}, ["words"], "target_id"),
    ],
)
def test_text_and_label(tmp_path: Path, columns: Any, text: list[str], label: str) -> None:
    found = read(csv(tmp_path, columns))
    assert (list(found.text_columns), found.label_column) == (text, label)


def test_two_titles_are_still_a_pair(tmp_path: Path) -> None:
    columns = {"title": [f"New thing {i}" for i in range(COUNT)], "body": TEXTS, "label": cycle(0, 1)}
    assert list(read(csv(tmp_path, columns)).text_columns) == ["title", "body"]


def test_a_header_with_names_for_some_columns_only(tmp_path: Path) -> None:
    """The SMS spam collection: commas behind the last column, with something there in a few rows."""
    rows = [f"{kind},{text.replace(',', '')},{'more' if i == 7 else ''},,\n" for i, (kind, text) in
            enumerate(zip(cycle("ham", "ham", "spam"), TEXTS, strict=True))]  # fmt: skip
    (tmp_path / "spam.csv").write_text("v1,v2,,,\n" + "".join(rows))
    expected = pd.read_csv(tmp_path / "spam.csv")["v1"].value_counts().to_dict()
    found = read(tmp_path / "spam.csv")
    assert found.classes == expected
    assert (found.text_columns, found.label_column) == (("v2",), "v1")
    (tmp_path / "spam.csv").write_text("".join(rows))
    assert read(tmp_path / "spam.csv").classes == expected


def test_a_column_of_splits_is_said_and_is_no_label(tmp_path: Path) -> None:
    splits = cycle("train", "train", "train", "dev", "test")
    path = csv(tmp_path, {"text": TEXTS, "label": cycle(0, 1), "split": splits})
    assert any("'split' says which split a row is in" in note for note in read(path).notes)
    with pytest.raises(DataError, match="no column looks like a label"):
        read(csv(tmp_path, {"text": TEXTS, "split": splits}))
    trained = csv(tmp_path, {"text": TEXTS, "label": cycle(0, 1), "kind": cycle("test", "exam")})
    assert not any("split" in note for note in read(trained).notes if "only one set" not in note)


@pytest.mark.parametrize("value", ["img {}.png", "a/{}.wav", "https://example.org/{}"])
def test_names_of_files_are_no_texts(tmp_path: Path, value: str) -> None:
    path = csv(tmp_path, {"source_of": [value.format(i) for i in range(COUNT)], "label": cycle(0, 1)})
    with pytest.raises(DataError, match="no column looks like text"):
        read(path)


@pytest.mark.parametrize(
    "columns",
    [
        {
            "question": TEXTS,
            "A": cycle("x"),
            "B": cycle("y"),
            "C": cycle("z"),
            "answer": cycle("A", "C"),
        },
        {"sentence": TEXTS, "option1": cycle("x"), "option2": cycle("y"), "answer": cycle(1, 2)},
        {"goal": TEXTS, "sol1": TEXTS, "sol2": TEXTS, "label": cycle(0, 1)},
        {"ctx": TEXTS, "ending0": TEXTS, "ending1": TEXTS, "label": cycle(0, 1)},
        {"context": TEXTS, "question": TEXTS, "answerA": TEXTS, "answerB": TEXTS, "label": cycle(1, 2)},
        {"question": TEXTS, "opa": TEXTS, "opb": TEXTS, "cop": cycle(0, 1)},
    ],
)
def test_choices_in_columns_of_their_own_are_refused(tmp_path: Path, columns: Any) -> None:
    path = csv(tmp_path, columns)
    with pytest.raises(DataError, match="hold choices"):
        read(path)
    *_, label = columns
    asked = next(iter(columns))
    assert read(path, text_columns=(asked,), label_column=label).text_columns == (asked,)


def test_answers_that_are_judged_are_refused(tmp_path: Path) -> None:
    path = csv(tmp_path, {"instruction": TEXTS, "response": TEXTS[::-1], "label": cycle(0, 1)})
    with pytest.raises(DataError, match="instruction, response and label hold preferences"):
        read(path)


@pytest.mark.parametrize("metric", ["pearson", "spearman", "neg_rmse"])
def test_the_score_of_a_regression_can_be_chosen(tmp_path: Path, metric: str) -> None:
    path = csv(tmp_path, {"text": TEXTS, "label": np.linspace(0, 1, COUNT)})
    assert read(path, metric=metric).metric == metric


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("document", "summary"),
        ("dialogue", "summary"),
        ("text", "summary"),
        ("input_text", "target_text"),
    ],
)
def test_pairs_for_a_language_model_if_asked_for(tmp_path: Path, asked: str, written: str) -> None:
    path = csv(tmp_path, {asked: TEXTS, written: TEXTS[::-1]})
    found = read(path, problem="generation")
    assert (found.text_columns, found.label_column) == ((asked,), written)


def test_labels_of_texts_that_are_learned_alone_are_said(tmp_path: Path) -> None:
    path = csv(tmp_path, {"text": TEXTS, "label": cycle("good", "bad"), "source": cycle("web", "book")})
    assert any("column 'label' is not read" in note for note in read(path, problem="generation").notes)
    path = csv(tmp_path, {"text": TEXTS, "url": TEXTS, "source": cycle("web", "book")})
    assert not any("is not read" in note for note in read(path, problem="generation").notes)


def test_a_prompt_that_contains_its_completion_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path, {"text": TEXTS, "label": cycle("good", "bad")})
    with pytest.raises(DataError, match="contains column 'label', which is the completion"):
        read(path, prompt="{text} is {label}", label_column="label")


def test_files_and_shards_that_are_left_out_are_said(tmp_path: Path) -> None:
    columns: dict[str, Sequence[Any]] = {"text": TEXTS, "label": cycle(0, 1)}
    csv(tmp_path, columns, "train.csv")
    csv(tmp_path, columns, "sample_submission.csv")
    assert not any("not used" in note for note in read(tmp_path).notes)
    csv(tmp_path, columns, "eval.csv")
    assert any("eval.csv is not used, because its name gives no role" in n for n in read(tmp_path).notes)
    shards = tmp_path / "shards"
    shards.mkdir()
    for i in (0, 1):
        pd.DataFrame(columns).to_parquet(shards / f"train-0000{i}-of-00003.parquet")
    assert any("2 of 3 files" in note for note in read(shards).notes)
    pd.DataFrame(columns).to_parquet(shards / "train-00002-of-00003.parquet")
    assert not any("files named like" in note for note in read(shards).notes)


def test_images_that_are_left_out_are_said(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 2, 12, 8, 8), dtype=np.uint8)
    for split, role in enumerate(("train", "held")):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / role / name).mkdir(parents=True)
            for i, image in enumerate(pixels[split, label]):
                Image.fromarray(image).save(tmp_path / role / name / f"{i}.png")
    assert any(
        "held is not used, because its name gives no role" in note for note in read(tmp_path).notes
    )
    assert not any("not read" in note for note in read(tmp_path / "train").notes)
    (tmp_path / "train" / "bird").mkdir()
    (tmp_path / "train" / "bird" / "1.heic").write_bytes(b"x")
    (tmp_path / "train" / "Thumbs.db").write_bytes(b"x")
    assert any(
        "1 image of type .heic (in bird) is not read" in n for n in read(tmp_path / "train").notes
    )


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8)),
        np.zeros((8, 8), np.int64),
        np.zeros(64, np.uint8),
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((8, 8), np.uint16),
        Image.new("P", (8, 8)),
        [[0, 1]],
    ],
)
def test_pixels_that_would_be_read_otherwise_are_refused(image: Any) -> None:
    with pytest.raises(DataError, match="example 0"):
        image_task("x", train=[(image, 0)])


@pytest.mark.parametrize("example", [{"text": "a", "label": 0}, ("a", "b", 0), "ab", 3])
def test_examples_of_another_shape_are_refused(example: Any) -> None:
    with pytest.raises(DataError, match="example 0 is not a text"):
        text_task("x", train=[example])
    with pytest.raises(DataError, match="example 0 is not an image"):
        image_task("x", train=[example])
    with pytest.raises(DataError, match="example 0 is not a Prompted"):
        generative_task("x", train=[example])


def test_paths_and_one_channel_are_images(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    assert image_task("x", train=[(image, i % 2) for i, image in enumerate(images)]).classes == (
        "0",
        "1",
    )
    for i, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{i}.png")
    files = [(str(tmp_path / f"{i}.png"), i % 2) for i in range(40)]
    assert image_task("x", train=files).classes == ("0", "1")


def test_jsonl_is_read_as_written(tmp_path: Path) -> None:
    lines = [
        json.dumps({"text": text, "label": label})
        for text, label in zip(TEXTS, cycle(True, False), strict=True)
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    assert read(tmp_path / "data.jsonl").classes == {"false": 30, "true": 30}
