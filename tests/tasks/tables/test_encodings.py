"""Encodings, compression and other formats: read as written, noted, or refused by name."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task
from whichpeft.tasks.tables.files import read_table

TEXTS = {
    "German": "Der Film ist schön, aber zu süß für mich.",
    "French": "C’est très réussi – à voir à Noël, créé avec goût.",  # noqa: RUF001
    "Spanish": "¿Qué te pareció? ¡El niño soñó más!",
    "Portuguese": "Não são só ações, é emoção à flor da pele.",
    "English": "It’s “great” and costs 5€ at the café.",  # noqa: RUF001
    "Russian": "Отличный фильм, мне понравилось.",
    "Chinese": "这部电影很好看,我很喜欢。",
    "Japanese": "この映画はとても面白かったです。",
    "Korean": "이 영화는 정말 재미있었습니다.",
    "Polish": "Film był świetny, żałuję że się skończył.",
    "Greek": "Η ταινία ήταν πολύ καλή.",  # noqa: RUF001
    "Hebrew": "הסרט היה טוב מאוד",
    "Thai": "หนังเรื่องนี้ดีมาก",
}
LABELS = ["good", "bad"]


def lines(language: str) -> str:
    rows = [f'"{TEXTS[language]} {i}",{LABELS[i % 2]}' for i in range(20)]
    return "\r\n".join(["text,label", *rows])


def texts_of(path: Path) -> list[str]:
    return list(read_table(path).columns[0])


def expected(language: str) -> list[str]:
    return [f"{TEXTS[language]} {i}" for i in range(20)]


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_marks_and_compression_are_known_by_the_first_bytes(
    tmp_path: Path, language: str, encoding: str, packed: bool
) -> None:
    raw = lines(language).encode(encoding)
    path = tmp_path / "data.csv"  # also a packed file may have a plain name
    path.write_bytes(gzip.compress(raw) if packed else raw)
    assert texts_of(path) == expected(language)
    wide = [f"{path}: was read as {encoding.upper()}, as its byte order mark says"]
    assert list(read_table(path).notes) == ([] if encoding.startswith("utf-8") else wide)


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_without_a_mark(tmp_path: Path, language: str, encoding: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(lines(language).encode(encoding))
    assert texts_of(path) == expected(language)
    assert read_table(path).notes == (
        f"{path}: has no byte order mark, and was read as {encoding.upper()}, which its bytes show",
    )


@pytest.mark.parametrize("language", ["German", "French", "Spanish", "Portuguese", "English"])
def test_windows_1252_is_read_with_a_note(tmp_path: Path, language: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(lines(language).encode("cp1252"))
    assert texts_of(path) == expected(language)
    (note,) = read_table(path).notes
    assert "is not UTF-8 and was read as Windows-1252 (cp1252), for example" in note
    task = load_task(TaskSource(name=str(path)))
    assert note in task.notes


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        ("Russian", "cp1251"), ("Russian", "koi8-r"), ("Russian", "cp866"), ("Chinese", "gb18030"),
        ("Chinese", "gbk"), ("Japanese", "shift_jis"), ("Japanese", "euc_jp"), ("Korean", "cp949"),
        ("Polish", "cp1250"), ("Polish", "iso8859-2"), ("Greek", "cp1253"), ("Hebrew", "cp1255"),
        ("Thai", "tis-620"), ("German", "mac-roman"), ("German", "cp850"), ("Spanish", "mac-roman"),
    ],
)  # fmt: skip
def test_other_encodings_are_refused_by_name(tmp_path: Path, language: str, encoding: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(lines(language).encode(encoding))
    message = refusal(path)
    assert "is not UTF-8 text (byte " in message
    assert "nor Windows-1252" in message
    assert "iconv -f" in message


def test_a_file_of_two_encodings_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(lines("Russian").encode() + b"\nun caf\xe9,good\n")
    assert "in line 22: 1 byte of another encoding" in refusal(path)


def test_marks_inside_joined_files(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    part = (lines("German") + "\n").encode("utf-8-sig")
    path.write_bytes(part + part)
    table = read_table(path)
    assert list(table.columns[0]) == expected("German") * 2
    assert "the header is repeated" in table.notes[0]


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "utf-32"])
def test_json_in_other_encodings(tmp_path: Path, name: str, encoding: str) -> None:
    rows = [{"text": text, "label": LABELS[i % 2]} for i, text in enumerate(expected("Russian"))]
    dumped = [json.dumps(row, ensure_ascii=False) for row in rows]
    whole = "\n".join(dumped) if name.endswith("l") else f"[{', '.join(dumped)}]"
    (tmp_path / name).write_bytes(whole.encode(encoding))
    assert texts_of(tmp_path / name) == expected("Russian")


def test_packed_files_by_suffix(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for role in ("train", "test"):
        text = "\n".join(f"{role} has {i} words,{LABELS[i % 2]}" for i in range(40))
        (folder / f"{role}.CSV.gz").write_bytes(gzip.compress(("text,label\n" + text).encode()))
    task = load_task(TaskSource(name=str(folder)))
    assert task.counts == {"train": 32, "validation": 8, "test": 40}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an old Excel workbook"),
        (b"PAR1" + bytes(50), "is a Parquet file; give it the suffix .parquet"),
        (b"ARROW1\0\0", "is an Arrow file"),
        (b"BZh91AY", "is compressed with bzip2"),
        (b"\x1f\x8b\x08broken", "is a damaged gzip file"),
        (b"\x28\xb5\x2f\xfd\x04", "is compressed with Zstandard"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html></html>", "is a web page"),
        (
            "ÿþ".encode() + "text,label\na b,1\n".encode("utf-16-le"),
            "mark that was converted",
        ),
        ("ï»¿text,label\na b,1\n".encode(), "mark that was converted"),
        ("text,label\n0 a b,1\n".encode("utf-16-le") + b"1", "NUL characters"),
        (b"\xff\xfet\x00e", "begins with the mark of UTF-16, but byte"),
    ],
)
@pytest.mark.parametrize("name", ["data.csv", "data.jsonl"])
def test_other_formats_are_refused_by_name(tmp_path: Path, raw: bytes, problem: str, name: str) -> None:
    (tmp_path / name).write_bytes(raw)
    assert problem in refusal(tmp_path / name)


def test_a_workbook_named_csv(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    (tmp_path / "data.csv").write_bytes(whole.getvalue())
    assert "is an Excel workbook or another ZIP archive" in refusal(tmp_path / "data.csv")


def test_nul_characters_are_said(tmp_path: Path) -> None:
    rows = "\n".join(f"a text of words {i},{LABELS[i % 2]}" for i in range(20))
    (tmp_path / "data.csv").write_text("text,label\n" + rows.replace("words 7", "words\0 7"))
    table = read_table(tmp_path / "data.csv")
    assert table.columns[0][7] == "a text of words\0 7"
    assert table.notes == (f"{tmp_path}/data.csv: contains 1 NUL character",)
    (tmp_path / "short.csv").write_bytes(b"text,label\nfoo bar\0,1\nbaz,0\n")
    assert list(read_table(tmp_path / "short.csv").columns[0]) == ["foo bar\0", "baz"]
