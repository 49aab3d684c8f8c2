"""Values that are neither text nor numbers: read by what they mean, or refused by column."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import TextTask, load_task, text_task
from whichpeft.tasks.tables.columns import find_columns
from whichpeft.tasks.tables.files import read_table

TEXTS = [f"the film of the year {i}" for i in range(40)]
SIDES = ["good" if i % 2 else "bad" for i in range(40)]
SEVERAL = "--problem multilabel to predict"


def parquet(folder: Path, **columns: Any) -> Path:
    path = folder / "data.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def jsonl(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path = folder / "data.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def csv(folder: Path, header: str, rows: Sequence[str]) -> Path:
    path = folder / "data.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


def load(path: Path, **fields: Any) -> TextTask:
    task = load_task(TaskSource(name=str(path), **fields))
    assert isinstance(task, TextTask)
    return task


def refusal(path: Path, **fields: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_task(TaskSource(name=str(path), **fields))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bytes_are_read_as_the_text_that_they_encode(tmp_path: Path) -> None:
    texts = [f"Grüße № {i} an alle" for i in range(40)]
    plain = load(parquet(tmp_path, text=texts, label=SIDES))
    coded = load(parquet(tmp_path, text=[t.encode() for t in texts], label=[s.encode() for s in SIDES]))
    assert coded.classes == ("bad", "good")
    assert coded.fingerprint == plain.fingerprint


def test_bytes_that_are_no_text_are_refused_with_their_row(tmp_path: Path) -> None:
    texts = [t.encode() for t in TEXTS]
    texts[6] = "Größe XL".encode("latin-1")
    path = parquet(tmp_path, text=texts, label=SIDES)
    assert "column 'text', row 7: is not UTF-8 text (byte 2 is 0xf6)" in refusal(path)
    # Unless nothing reads the column.
    path = parquet(tmp_path, blob=[b"\xff\xfe"] * 40, text=TEXTS, label=SIDES)
    task = load(path)
    assert task.columns is not None
    assert task.columns.unused == ("blob",)
    assert "column 'blob', row 1: is not UTF-8" in refusal(path, text_columns=("blob",))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([decimal.Decimal(i % 3) for i in range(40)], ("0", "1", "2")),
        ([bool(i % 2) for i in range(40)], ("false", "true")),
        (pa.array([i % 2 for i in range(40)], pa.int8()), ("0", "1")),
        (pa.array(SIDES).dictionary_encode(), ("bad", "good")),
    ],
)
def test_labels_of_other_types_are_read_by_their_meaning(
    tmp_path: Path, labels: Any, classes: tuple[str, ...]
) -> None:
    assert load(parquet(tmp_path, text=TEXTS, label=labels)).classes == classes


def test_decimal_numbers_are_values(tmp_path: Path) -> None:
    prices = [decimal.Decimal(f"{i}.25") for i in range(40)]
    task = load(parquet(tmp_path, text=TEXTS, label=prices))
    assert task.problem == "regression"
    everything = np.concatenate([split.labels for split in task.splits.values()])
    assert sorted(everything.tolist()) == [i + 0.25 for i in range(40)]


def test_dates_are_no_labels(tmp_path: Path) -> None:
    days = [datetime.date(2020, 1, 1 + i % 2) for i in range(40)]
    path = parquet(tmp_path, text=TEXTS, label=days)
    assert "column 'label' holds dates (row 1: 2020-01-01), which are neither classes" in refusal(path)
    path = parquet(tmp_path, text=TEXTS, verdict=SIDES, day=days)
    task = load(path)
    assert task.columns is not None
    assert (task.columns.label, task.columns.unused) == ("verdict", ("day",))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (["good", "long"], "lists"),
        ([1, 0, 1], "lists"),
        ([], "lists"),
        ({"good": 1, "long": 0}, "objects"),
        ({"label": "good"}, "objects"),
    ],
)
def test_several_labels_are_no_class(tmp_path: Path, value: Any, kind: str) -> None:
    rows = [{"text": t, "labels": value} for t in TEXTS]
    message = refusal(jsonl(tmp_path, rows), problem="classification")
    assert f"column 'labels' holds {kind} (row 1:" in message
    assert SEVERAL in message
    assert "--label-column" in message
    # In a split of its own, too, in which each combination would pass as a class.
    (tmp_path / "data.jsonl").unlink()
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert SEVERAL in refusal(tmp_path, problem="classification")


def test_one_list_among_the_labels_is_enough(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": t, "label": s} for t, s in zip(TEXTS, SIDES, strict=True)]
    rows[9] |= {"label": ["good", "bad"]}
    assert "column 'label' holds lists (row 10: ['good', 'bad'])" in refusal(jsonl(tmp_path, rows))


@pytest.mark.parametrize(
    "written",
    [
        "['pos', 'long']",
        '["pos"]',
        "[1, 0, 1]",
        "[1 0 1]",
        "[pos, long]",
        "{'pos': 1}",
        "('a', 'b')",
        "[]",
        '{"pos": true}',
        "1 0 1",
    ],
)
def test_lists_written_as_text_are_no_labels(tmp_path: Path, written: str) -> None:
    rows = [{"text": t, "labels": written if i % 2 else "['neg']"} for i, t in enumerate(TEXTS)]
    message = refusal(jsonl(tmp_path, rows), problem="classification")
    assert "column 'labels' holds lists written as text" in message
    assert SEVERAL in message


@pytest.mark.parametrize("name", ["(none)", "[PAD]", "Sports (indoor)", "C++ [old]", "{x}"])
def test_brackets_are_no_lists_yet(tmp_path: Path, name: str) -> None:
    rows = [{"text": t, "label": name if i % 2 else "other"} for i, t in enumerate(TEXTS)]
    assert set(load(jsonl(tmp_path, rows)).classes) == {name, "other"}


def test_joined_labels_are_refused_unless_they_are_called_classes(tmp_path: Path) -> None:
    kinds = ["Action", "Drama", "Action|Drama", "Drama|Comedy", "Comedy"]
    rows = [{"text": t, "label": kinds[i % 5]} for i, t in enumerate(TEXTS)]
    message = refusal(jsonl(tmp_path, rows))
    assert "seems to hold several labels per example ('Action|Drama' and 'Drama|Comedy')" in message
    assert load(jsonl(tmp_path, rows), problem="classification").classes == tuple(sorted(kinds))
    ordinary = ["Food, Drinks", "Sports", "Books, Films", "Homes"]
    rows = [{"text": t, "label": ordinary[i % 4]} for i, t in enumerate(TEXTS)]
    assert load(jsonl(tmp_path, rows)).classes == tuple(sorted(ordinary))


def test_joined_numbers_are_several_labels(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"  # as in GoEmotions
    labels = ["27", "2", "27", "2,27", "4", "2,4", "27", "4,27"]
    path.write_text("".join(f"{t}\t{labels[i % 8]}\te{i}x\n" for i, t in enumerate(TEXTS)))
    assert "seems to hold several labels per example ('2,27', '2,4' and '4,27')" in refusal(path)


def test_columns_of_flags_are_several_labels(tmp_path: Path) -> None:
    def row(i: int) -> str:
        return f"{i:06},{TEXTS[i]},{i % 2},{int(i % 5 == 0)},{int(i % 7 == 0)}"

    path = csv(tmp_path, "id,comment_text,toxic,insult,threat", list(map(row, range(40))))
    message = refusal(path)
    assert "columns toxic, insult and threat all hold 0 or 1" in message
    assert SEVERAL in message
    gaps = [line if i else line[:-1] for i, line in enumerate(map(row, range(40)))]
    gaps = [line.replace(",1,", ",1.0,") for line in gaps]
    assert SEVERAL in refusal(csv(tmp_path, "id,comment_text,toxic,insult,threat", gaps))
    path = csv(tmp_path, "id,comment_text,toxic,insult,threat", list(map(row, range(40))))
    task = load(path, label_column="insult")
    assert task.class_counts == {"0": 32, "1": 8}
    path = csv(tmp_path, "id,comment_text,toxic,label,threat", list(map(row, range(40))))
    task = load(path)  # a customary name leaves no doubt
    assert task.columns is not None
    assert task.columns.label == "label"
    assert task.notes[0].startswith("only one set")


def test_a_guessed_label_is_named_with_the_others(tmp_path: Path) -> None:
    rows = [f"{t},{'abc'[i % 3]},{i % 2}" for i, t in enumerate(TEXTS)]
    notes = load(csv(tmp_path, "remark,verdict,checked", rows)).notes
    assert (
        "column 'checked' is taken as the label because it is the last one with few values, but "
        in notes[0]
    )
    assert "'verdict' could be it too" in notes[0]
    notes = load(csv(tmp_path, "remark,category,sentiment", rows)).notes
    assert "column 'category' is taken as the label because it is the most customary name" in notes[0]
    for header in ("remark,note,label", "text,label,category", "text,label,score"):
        assert "taken as the label" not in str(load(csv(tmp_path, header, rows)).notes)


def test_commas_at_the_end_of_every_row_are_no_columns(tmp_path: Path) -> None:
    rows = [f"{s},{t},,," for s, t in zip(SIDES, TEXTS, strict=True)]
    assert load(csv(tmp_path, "v1,v2,,,", rows)).classes == ("bad", "good")


def test_dates_are_no_guess(tmp_path: Path) -> None:
    for day in ("2024-03-0{}", "0{}.03.2024", "2024-03-0{} 12:30:00"):
        rows = [f"{t},{'abc'[i % 3]},{day.format(i % 4)}" for i, t in enumerate(TEXTS)]
        task = load(csv(tmp_path, "remark,verdict,posted", rows))
        assert task.columns is not None
        assert task.columns.label == "verdict"


def test_half_pairs_are_counted(tmp_path: Path) -> None:
    rows = [f"{t},{t if i > 1 else ''},{i % 2}" for i, t in enumerate(TEXTS)]
    task = load(csv(tmp_path, "premise,hypothesis,label", rows))
    assert task.notes[0].endswith("data.csv: one of the two texts is missing in 2 rows")


def test_columns_that_repeat_the_label_are_no_text(tmp_path: Path) -> None:
    words = {"0": "not good at all", "1": "quite good indeed"}
    rows = [f"{t},{i % 2},{words[str(i % 2)]}" for i, t in enumerate(TEXTS[:10] * 2)]
    path = csv(tmp_path, "remark,label,label_text", rows)
    task = load(path)
    assert task.columns is not None
    assert task.columns.text == ("remark",)
    assert task.columns.unused == ("label_text",)
    named = find_columns(read_table(path), ("label_text",), "label")
    assert "text column 'label_text' only repeats the label column 'label'" in named.notes[0]


@pytest.mark.parametrize("name", ["Unnamed: 0", "__index_level_0__", "PhraseId", "tweet_id", "ID", ""])
def test_columns_that_number_the_rows_are_neither_text_nor_label(tmp_path: Path, name: str) -> None:
    rows = [{name: (7 * i) % 40, "remark": t, "verdict": s} for i, (t, s) in enumerate(
        zip(TEXTS, SIDES, strict=True))]  # fmt: skip
    task = load(jsonl(tmp_path, rows))
    assert task.columns is not None
    assert (task.columns.text, task.columns.label) == (("remark",), "verdict")
    alone = [{"remark": row["remark"], name: row[name]} for row in rows]
    assert "no column looks like a label" in refusal(jsonl(tmp_path, alone))


@pytest.mark.parametrize(
    "names", [("文本", "标签"), ("Texte", "Étiquette"), ("Текст", "Метка"), ("Text", "Klasse")]
)
def test_customary_names_in_other_languages(tmp_path: Path, names: tuple[str, str]) -> None:
    rows = [{names[0]: t, names[1]: s, "flag": i % 2, "mark": i % 2} for i, (t, s) in enumerate(
        zip(TEXTS, SIDES, strict=True))]  # fmt: skip
    task = load(jsonl(tmp_path, rows))
    assert task.columns is not None
    assert (task.columns.text, task.columns.label) == ((names[0],), names[1])


def test_lists_are_no_texts(tmp_path: Path) -> None:
    rows = [{"text": t.split(), "label": s} for t, s in zip(TEXTS, SIDES, strict=True)]
    message = refusal(jsonl(tmp_path, rows))
    assert "column 'text' holds lists (row 1: ['the', 'film'" in message
    assert "write what is meant as one text" in message
    talks = [{"text": [{"role": "user", "content": t}], "label": s}
             for t, s in zip(TEXTS, SIDES, strict=True)]  # fmt: skip
    assert "holds conversations, which only a language model reads" in refusal(
        jsonl(tmp_path, talks), problem="classification"
    )
    nested = [
        {"data": {"text": t}, "annotation": {"label": s}} for t, s in zip(TEXTS, SIDES, strict=True)
    ]
    assert "data (objects), annotation (objects)" in refusal(jsonl(tmp_path, nested))


def test_sounds_are_refused_as_input_and_otherwise_left_alone(tmp_path: Path) -> None:
    sounds = [{"bytes": b"RIFF....WAVE", "path": None} for _ in TEXTS]
    path = parquet(tmp_path, audio=sounds, label=SIDES)
    assert "audio (sounds)" in refusal(path)
    assert "column 'audio' holds sounds, which are not text" in refusal(path, text_columns=("audio",))
    task = load(parquet(tmp_path, audio=sounds, text=TEXTS, label=SIDES))
    assert task.columns is not None
    assert task.columns.unused == ("audio",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "a b", "chosen": "c", "rejected": "d"}, "preferences (DPO) is not supported"),
        ({"chosen": "a b c", "rejected": "a b d"}, "preferences (DPO) is not supported"),
        ({"prompt": "a b", "completion": "c", "label": True}, "preferences (KTO) is not supported"),
        (
            {"context": "a b", "question": "c", "answers": {"text": ["a"], "answer_start": [0]}},
            "column 'answers' holds spans",
        ),
        ({"question": "a b", "choices": ["c", "d"], "answer": 0}, "column 'choices' holds a list"),
        (
            {"question": "a b", "choices": {"text": ["c"], "label": ["A"]}, "answerKey": "A"},
            "column 'choices' holds a list",
        ),
        (
            {"premise": "a b", "choice1": "c d", "choice2": "e f", "label": 0},
            "columns choice1 and choice2 hold choices",
        ),
        ({"translation": {"en": "a b", "de": "c d"}}, "column 'translation' holds objects"),
    ],
)
def test_other_problems_are_refused_by_name(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = jsonl(tmp_path, [row | {"id": i} for i in range(20)])
    for fields in ({}, {"problem": "generation"}):
        assert message in refusal(path, **fields)


def test_texts_that_stand_for_missing_ones_are_counted(tmp_path: Path) -> None:
    rows = [{"text": "nan" if i < 3 else t, "label": i % 2} for i, t in enumerate(TEXTS)]
    task = load(jsonl(tmp_path, rows))
    assert any("column 'text': 3 texts read 'nan'" in note for note in task.notes)
    rows = [{"text": f"b'{t}'", "label": i % 2} for i, t in enumerate(TEXTS)]
    assert "40 texts of 40 look like bytes that Python wrote out" in load(jsonl(tmp_path, rows)).notes[0]
    rows = [{"text": "  " if i < 3 else t, "label": i % 2} for i, t in enumerate(TEXTS)]
    assert "3 rows without text or label were skipped" in load(jsonl(tmp_path, rows)).notes[0]


def test_tasks_in_code_take_the_same_labels() -> None:
    rows: Any = [(t, np.int64(i % 2)) for i, t in enumerate(TEXTS)]
    assert text_task("mine", train=rows).classes == ("0", "1")
    coded = [(t, s.encode()) for t, s in zip(TEXTS, SIDES, strict=True)]
    assert text_task("mine", train=coded).classes == ("bad", "good")  # type: ignore[arg-type]
    lists = [(t, [s]) for t, s in zip(TEXTS, SIDES, strict=True)]
    with pytest.raises(DataError, match="label of example 0 is neither text nor a number"):
        text_task("mine", train=lists)  # type: ignore[arg-type]
