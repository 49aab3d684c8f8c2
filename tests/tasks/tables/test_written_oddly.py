"""Tables that other tools wrote with marks, encodings or columns that are no part of the texts."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from whichpeft.study import TaskSource
from whichpeft.tasks import load_task

TEXTS = [f"It's the {i}th film of the year" for i in range(40)]
LABELS = ["good", "bad"] * 20


def read(path, **fields):
    return load_task(TaskSource(name=str(path), **fields))


def texts(task):
    return {split_text for split in task.splits.values() for split_text in split.inputs}


def test_single_quotation_marks_around_all_fields_are_left_out(tmp_path):
    lines = [f"'{text}','{label}'" for text, label in zip(TEXTS, LABELS, strict=True)]
    (tmp_path / "data.csv").write_text("'text','label'\n" + "\n".join(lines))
    found = read(tmp_path / "data.csv")
    assert texts(found) == {(text,) for text in TEXTS}
    assert found.classes == ("bad", "good")
    assert any("2 columns of 2 have marks around each field" in note for note in found.notes)


def test_quotations_below_a_name_without_marks_stay(tmp_path):
    pd.DataFrame({"text": [f"'{text}'" for text in TEXTS], "label": LABELS}).to_csv(
        tmp_path / "data.csv", index=False
    )
    found = read(tmp_path / "data.csv")
    assert texts(found) == {(f"'{text}'",) for text in TEXTS}
    assert not any("marks" in note for note in found.notes)


def test_marks_with_which_excel_keeps_texts_are_left_out(tmp_path):
    pd.DataFrame({"text": TEXTS, "label": ['="1"', '="2"'] * 20}).to_csv(
        tmp_path / "data.csv", index=False
    )
    found = read(tmp_path / "data.csv")
    assert found.classes == ("1", "2")
    assert any('1 column of 2 has marks around each field, such as ="1"' in n for n in found.notes)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("codec", ["cp1252", "latin-1"])
@pytest.mark.parametrize("word", ["café à Orléans", "日本語の", "привет Олег"])
def test_utf8_that_was_encoded_twice_is_said(tmp_path, suffix, word, codec):
    try:
        twice = word.encode().decode(codec)
    except UnicodeDecodeError:
        twice = word.encode().decode("latin-1")
    frame = pd.DataFrame({"text": [f"{twice} {i}" for i in range(40)], "label": LABELS})
    if suffix == "csv":
        frame.to_csv(tmp_path / "data.csv", index=False)
    else:
        frame.to_json(tmp_path / "data.jsonl", orient="records", lines=True)
    found = read(tmp_path / f"data.{suffix}")
    said = [note for note in found.notes if "encoded twice" in note]
    assert len(said) == 1
    assert "40 texts of 40 look" in said[0]


@pytest.mark.parametrize(
    "text", ["« ÉTÉ\xa0» très à\xa0« la", "IRMÃ” não é", "naïve — “café…”", "日本語の文", "Ð and Ñ: día"]
)
def test_ordinary_texts_are_not_taken_for_utf8_that_was_encoded_twice(tmp_path, text):
    frame = pd.DataFrame({"text": [f"{text} {i}" for i in range(40)], "label": LABELS})
    frame.to_csv(tmp_path / "data.csv", index=False)
    assert not any("encoded twice" in note for note in read(tmp_path / "data.csv").notes)


def test_a_column_that_annotates_another_is_no_second_text(tmp_path):
    rows = [
        {
            "utt": f"wake me at {i} am on friday",
            "annot_utt": f"wake me at [time : {i} am] on [date : friday]",
            "intent": ("alarm", "calendar")[i % 2],
        }
        for i in range(40)
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read(tmp_path / "data.jsonl")
    assert found.columns.text == ("utt",)
    assert found.columns.unused == ("annot_utt",)
    # A second text whose name only sounds like it stays one.
    for row in rows:
        row["annot_utt"] = "another text that says something of its own"
        row["annot_utt"] += row["utt"][-3:] + row["utt"][11:13]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read(tmp_path / "data.jsonl").columns.text == ("utt", "annot_utt")
