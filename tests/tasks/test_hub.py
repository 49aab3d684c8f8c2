"""The hub, served locally to a separate process; and a hub that cannot be reached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..hub_stub import hub, parquet

README = """---
configs:
- config_name: sst2
  data_files:
  - split: train
    path: sst2/train-*
  - split: validation
    path: sst2/validation-*
  - split: test
    path: sst2/test-*
- config_name: stsb
  data_files:
  - split: train
    path: stsb/train-*
  - split: validation
    path: stsb/validation-*
dataset_info:
- config_name: sst2
  features:
  - name: sentence
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': negative
          '1': positive
  - name: idx
    dtype: int32
- config_name: stsb
  features:
  - name: sentence1
    dtype: string
  - name: sentence2
    dtype: string
  - name: label
    dtype: float32
  - name: idx
    dtype: int32
---
"""

IMAGES = """---
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': lying
          '1': standing
---
"""

LOAD = """
import json, sys
from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task
answers = []
for source in json.loads(sys.argv[1]):
    try:
        task = load_task(TaskSource(**source))
        answers.append({"counts": dict(task.counts), "classes": getattr(task, "classes", ()),
                        "problem": task.problem,
                        "metrics": [m.name for m in task.metrics], "name": task.name,
                        "first": getattr(task.splits["test"], "inputs", [None])[0],
                        "kind": type(task).__name__,
                        "notes": task.notes,
                        "columns": task.columns and [*task.columns.text, "->", *task.columns.unused]})
    except DataError as error:
        answers.append(str(error))
print("ANSWERS" + json.dumps(answers))
"""


def load_elsewhere(sources: list[dict[str, Any]], home: Path, **environment: str) -> list[Any]:
    """Load tasks in a separate process, so that the hub's libraries read other variables."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps(sources)],
        env={**inherited, "HF_HOME": str(home), "HF_UPDATE_DOWNLOAD_COUNTS": "0", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.split("ANSWERS")[1]))


def sst2(start: int, count: int, labelled: bool = True) -> bytes:
    numbers = range(start, start + count)
    return parquet(
        {
            "sentence": [f"a film that is {'good' if i % 2 else 'bad'} in {i} ways" for i in numbers],
            "label": [i % 2 if labelled else -1 for i in numbers],
            "idx": list(range(count)),
        }
    )


def stsb(start: int, count: int) -> bytes:
    numbers = range(start, start + count)
    return parquet(
        {
            "sentence1": [f"a man plays {i} songs" for i in numbers],
            "sentence2": [f"a woman sings {i} songs" for i in numbers],
            "label": [float(i % 6) for i in numbers],
            "idx": list(range(count)),
        }
    )


def images(start: int, count: int) -> bytes:
    numbers = range(start, start + count)
    return parquet(
        {
            "image": [{"bytes": f"P5 2 2 255 {i:04}".encode(), "path": f"{i}.pgm"} for i in numbers],
            "label": [i % 2 for i in numbers],
        }
    )


def test_tasks_come_from_the_hub(tmp_path: Path) -> None:
    part = "00000-of-00001.parquet"
    repositories = {
        "nyu-mll/glue": {
            "README.md": README.encode(),
            f"sst2/train-{part}": sst2(0, 200),
            f"sst2/validation-{part}": sst2(200, 40),
            f"sst2/test-{part}": sst2(300, 30, labelled=False),
            f"stsb/train-{part}": stsb(0, 200),
            f"stsb/validation-{part}": stsb(200, 40),
        },
        "someone/shapes": {
            "README.md": IMAGES.encode(),
            f"data/train-{part}": images(0, 60),
            f"data/test-{part}": images(60, 20),
        },
        "someone/talks": {
            f"data/train-{part}": parquet(
                {
                    "messages": [
                        [
                            {"role": "user", "content": f"Say {i}"},
                            {"role": "assistant", "content": str(i)},
                        ]
                        for i in range(40)
                    ],
                    "tags": [["short", "easy"]] * 40,
                }
            ),
        },
        "someone/tagged": {
            f"data/train-{part}": parquet(
                {
                    "text": [f"it was the {i}th time".encode() for i in range(40)],
                    "tags": [["short", "easy"]] * 40,
                    "label": [b"yes" if i % 2 else b"no" for i in range(40)],
                }
            ),
        },
        "someone/reviews": {
            "train.jsonl": b"".join(
                json.dumps({"text": f"it was the {i}th time", "stars": f"{i % 3} stars"}).encode()
                + b"\n"
                for i in range(90)
            ),
            "test.jsonl": b"".join(
                json.dumps({"text": f"it is the {i}th day", "stars": f"{i % 3} stars"}).encode() + b"\n"
                for i in range(30)
            ),
        },
    }
    with hub(repositories) as address:
        answers = load_elsewhere(
            [
                {"name": "glue/sst2"},
                {"name": "glue/stsb"},
                {"name": "nyu-mll/glue/sst2"},
                {"name": "someone/reviews"},
                {"name": "someone/reviews", "train": "training"},
                {"name": "someone/nothing"},
                {"name": "nyu-mll/glue/sst3"},
                {"name": "nyu-mll/glue"},
                {"name": "someone/shapes"},
                {"name": "someone/talks"},
                {"name": "someone/tagged"},
                {"name": "someone/tagged", "label_column": "tags"},
            ],
            tmp_path,
            HF_ENDPOINT=address,
        )
    glue, similarity, same, reviews, no_split, unknown, no_config, which_config, *others = answers
    shapes, talks, tagged, several = others
    assert glue["counts"] == {"train": 160, "validation": 40, "test": 40}
    assert glue["classes"] == ["negative", "positive"]
    assert glue["metrics"] == ["accuracy"]
    assert glue["name"] == "glue/sst2"
    assert similarity["problem"] == "regression"
    assert similarity["metrics"] == ["pearson", "spearman"]
    assert len(similarity["first"]) == 2
    assert same["counts"] == glue["counts"]
    assert any("has no labels" in note for note in same["notes"])
    assert reviews["counts"] == {"train": 72, "validation": 18, "test": 30}
    assert "no split 'training'; choose train, test" in no_split
    assert shapes["kind"] == "ImageTask"
    assert shapes["classes"] == ["lying", "standing"]
    assert shapes["counts"] == {"train": 48, "validation": 12, "test": 20}
    assert talks["kind"] == "GenerativeTask"
    assert talks["columns"] == ["messages", "->", "tags"]
    assert tagged["classes"] == ["no", "yes"]
    assert tagged["columns"] == ["text", "->", "tags"]
    assert several["problem"] == "multilabel"
    assert "'someone/nothing'" in unknown
    assert "spelling" in unknown
    assert "sst3" in no_config
    assert "sst2" in no_config
    assert "nyu-mll/glue/CONFIG" in which_config


@pytest.mark.parametrize("environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_a_missing_hub_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    answers = load_elsewhere([{"name": "glue/sst2"}, {"name": "owner/name"}], tmp_path, **environment)
    for answer, name in zip(answers, ("nyu-mll/glue", "owner/name"), strict=True):
        assert name in answer
        for way_out in ("spelling", "local folder", "HF_HOME"):
            assert way_out in answer
