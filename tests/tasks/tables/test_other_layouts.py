"""Files and folders that are laid out in other ways: read, or refused with the fix."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.study.spec import short_name
from whichpeft.tasks import load_task


def frame(role="train"):
    return pd.DataFrame(
        {"text": [f"the {role} film {i} was shown" for i in range(40)], "label": ["good", "bad"] * 20}
    )


def read(path, **fields):
    return load_task(TaskSource(name=str(path), **fields))


def inputs(task):
    return {parts[0] for split in task.splits.values() for parts in split.inputs}


def test_a_clone_from_the_hub_is_read_from_its_folder_data(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("# A data set\n")
    for role in ("train", "test"):
        frame(role).to_parquet(tmp_path / "data" / f"{role}-00000-of-00001.parquet")
    found = read(tmp_path)
    assert found.counts == {"train": 32, "validation": 8, "test": 40}
    assert inputs(found) == {*frame("train")["text"], *frame("test")["text"]}


def test_sub_folders_named_like_splits_are_read(tmp_path):
    for role in ("train", "test"):
        (tmp_path / role).mkdir()
        frame(role).to_csv(tmp_path / role / "data.csv", index=False)
    found = read(tmp_path)
    assert found.counts == {"train": 32, "validation": 8, "test": 40}
    assert {parts[0] for parts in found.splits["test"].inputs} == set(frame("test")["text"])
    frame().to_csv(tmp_path / "train" / "more.csv", index=False)
    with pytest.raises(DataError, match="its sub-folders do; name one of test and train, or give"):
        read(tmp_path)


@pytest.mark.parametrize("splits", [("",), ("train", "test")])
def test_texts_in_files_of_their_own_are_refused_with_the_fix(tmp_path, splits):
    for split in splits:
        for name in ("neg", "pos"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(3):
                (tmp_path / split / name / f"{i}_1.txt").write_text(f"a text {i}")
    with pytest.raises(DataError, match=r"such as .*_1\.txt; write one CSV or JSONL file per split"):
        read(tmp_path)


def images(folder):
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for i in range(20):
            pixels = np.random.default_rng(i).integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def test_remarks_next_to_images_do_not_matter(tmp_path):
    images(tmp_path)
    (tmp_path / "notes.txt").write_text("taken in May, mostly\nby two people\n")
    found = read(tmp_path)
    assert found.classes == ("cat", "dog")
    assert sum(found.counts.values()) == 40


def test_a_list_of_images_next_to_them_is_refused_and_texts_are_read(tmp_path):
    images(tmp_path)
    names = [f"cat/{i}.png" for i in range(20)] + [f"dog/{i}.png" for i in range(20)]
    listed = pd.DataFrame({"file": names, "label": ["x", "y"] * 20})
    listed.to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(DataError, match=r"labels\.csv: names images, but classes of images are read"):
        read(tmp_path)
    frame().assign(file=names).to_csv(tmp_path / "labels.csv", index=False)
    assert read(tmp_path).columns.text == ("text",)


def test_other_suffixes_of_known_formats(tmp_path):
    frame().to_csv(tmp_path / "data.tab", sep="\t", index=False)
    frame().to_json(tmp_path / "data.ndjson", orient="records", lines=True)
    assert inputs(read(tmp_path / "data.tab")) == set(frame()["text"])
    assert read(tmp_path / "data.ndjson").fingerprint == read(tmp_path / "data.tab").fingerprint
    assert short_name("somewhere/data.ndjson") == short_name("somewhere/data.tab") == "data"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data.arrow", "", r"write the data with to_parquet\(\)"),
        ("data.xlsx", "", r"save the table as CSV"),
        ("dataset_info.json", {"features": {}, "splits": {}}, "describes a data set"),
        ("adapter_config.json", {"peft_type": "LORA"}, "of an adapter, not data; give it with --method"),
        ("config.json", {"model_type": "bert"}, "of a model, not data; give its folder with --backbone"),
    ],
)
def test_files_that_hold_no_examples_are_refused_by_what_they_are(tmp_path, name, content, said):
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError, match=said):
        read(tmp_path / name)
