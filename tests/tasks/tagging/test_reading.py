"""Tagged sentences from files: CoNLL, lists in JSONL and Parquet, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task
from whichpeft.tasks.tagging import TaggingTask
from whichpeft.tasks.tagging.assemble import tagging_task

CONLL = """-DOCSTART- -X- O O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC
call NN I-NP O

# newdoc id = 2
Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER
"""


def loaded(path: Path, **fields: object) -> TaggingTask:
    task = load_task(TaskSource(name=str(path), **fields))
    assert isinstance(task, TaggingTask)
    return task


def folder_of(tmp_path: Path, text: str, suffix: str) -> Path:
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}{suffix}").write_text(text)
    return tmp_path


def tags_of(task: TaggingTask, split: str, sentence: int) -> list[str]:
    return [task.classes[number] for number in task.splits[split].tags[sentence]]


@pytest.mark.parametrize("suffix", [".conll", ".bio", ".iob2"])
def test_a_folder_of_conll_files(tmp_path: Path, suffix: str) -> None:
    task = loaded(folder_of(tmp_path, CONLL, suffix))
    assert (task.problem, task.counts) == ("tagging", {"train": 2, "validation": 2, "test": 2})
    assert task.splits["train"].words == (("EU", "rejects", "German", "call"), ("Peter", "Blackburn"))
    assert tags_of(task, "train", 1) == ["B-PER", "I-PER"]
    assert task.classes == ("O", "B-MISC", "B-ORG", "B-PER", "I-PER")
    assert [metric.name for metric in task.metrics] == ["entity_f1", "token_accuracy"]
    assert task.class_rows["test"] == {"O": 2, "B-MISC": 1, "B-ORG": 1, "B-PER": 1, "I-PER": 1}
    assert (task.chance, task.classes[task.majority]) == (0, "O")


def test_words_with_their_part_of_speech_are_scored_by_word(tmp_path: Path) -> None:
    task = loaded(folder_of(tmp_path, "the\tDET\ndog\tNOUN\ncat\tNOUN\n", ".conll"))
    assert task.metrics[0].name == "token_accuracy"
    assert task.chance == pytest.approx(2 / 3)


ROWS = [{"id": str(i), "tokens": ["see", f"Ada{i}"], "ner_tags": ["O", "B-PER"]} for i in range(20)]


@pytest.mark.parametrize("words", ["tokens", "words"])
@pytest.mark.parametrize("tags", ["ner_tags", "tags", "labels"])
def test_lists_in_jsonl(tmp_path: Path, words: str, tags: str) -> None:
    rows = [{words: row["tokens"], tags: row["ner_tags"]} for row in ROWS]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    task = loaded(path)
    assert sum(task.counts.values()) == 20
    assert task.columns is not None
    assert (task.columns.text, task.columns.label) == ((words,), tags)


def test_numbered_tags_of_a_hub_data_set_get_their_names(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value

    numbered = [row | {"ner_tags": [0, 1], "pos_tags": [1, 0]} for row in ROWS]
    features = Features({
        "id": Value("string"),
        "tokens": List(Value("string")),
        "ner_tags": List(ClassLabel(names=["O", "B-PER", "B-unseen"])),
        "pos_tags": List(ClassLabel(names=["NOUN", "VERB"])),
    })  # fmt: skip
    data = Dataset.from_list(numbered, features=features)
    data.to_parquet(str(tmp_path / "data.parquet"))
    data.save_to_disk(str(tmp_path / "saved"))
    for path in (tmp_path / "data.parquet", tmp_path / "saved"):
        task = loaded(path)
        assert task.classes == ("O", "B-PER")
        assert tags_of(task, "train", 0) == ["O", "B-PER"]
        assert any("name pos_tags with --label-column" in note for note in task.notes)
        assert loaded(path, label_column="pos_tags").classes == ("NOUN", "VERB")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"tokens": ["a", "b"], "tags": ["O"]}],
            "row 1 has 2 words and 1 tag; each word needs one tag",
        ),
        (
            [{"tokens": ["a", " "], "tags": ["O", "O"]}],
            "row 1: word 2 is empty; leave it out with its tag",
        ),
        ([{"tokens": [], "tags": []}], "contains no tagged sentences"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, rows: list[dict[str, object]], message: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=message) as raised:
        load_task(TaskSource(name=str(path)))
    assert str(path) in str(raised.value)


def test_a_line_without_a_tag_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text("good O\nbad\n")
    with pytest.raises(DataError, match=r"train.conll: line 2 \('bad'\) has no tag"):
        load_task(TaskSource(name=str(path)))


def test_columns_that_are_no_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps({"text": f"film {i}", "label": i % 2}) for i in range(30)))
    with pytest.raises(DataError, match="tagging needs a list of words and a list of tags per row"):
        load_task(TaskSource(name=str(path), problem="tagging"))


def test_a_tag_that_train_lacks_is_named() -> None:
    seen, unseen = (["a", "b"], ["O", "B-x"]), (["c"], ["B-y"])
    with pytest.raises(DataError, match=r"\[test\]: sentence 2 \(c\) has tag 'B-y', which no"):
        tagging_task("mine", train=[seen], validation=[seen], test=[seen, unseen])


def test_a_prefix_that_means_nothing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text("good O\n\nAda B-PER\nByron X-PER\n")
    with pytest.raises(DataError, match=r"train.conll: row 2 has the tag 'X-PER'; tags of"):
        load_task(TaskSource(name=str(path)))


def test_sentences_without_words_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    rows = [{"tokens": [], "ner_tags": []}, *ROWS]
    path.write_text("\n".join(map(json.dumps, rows)))
    task = loaded(path)
    assert sum(task.counts.values()) == 20
    assert any("data.jsonl: 1 row without words was left out" in note for note in task.notes)


def test_another_metric_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="unknown metric 'accuracy'; did you mean 'token_accuracy'"):
        tagging_task("mine", train=[([f"a{i}"], ["O"]) for i in range(20)], metric="accuracy")


def test_the_metric_and_each_tag_are_in_the_fingerprint() -> None:
    train = [([f"a{i}"], ["O" if i % 2 else "B-x"]) for i in range(20)]
    other = [*train[:-1], (train[-1][0], train[0][1])]
    prints = [
        tagging_task("mine", train=train).fingerprint,
        tagging_task("mine", train=train, metric="token_accuracy").fingerprint,
        tagging_task("mine", train=other).fingerprint,
    ]
    assert len(set(prints)) == 3
