"""Bytes of a data file to text: compression, byte order marks and encodings."""

from __future__ import annotations

import gzip
import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whichpeft.errors import DataError
from whichpeft.units import counted, join_words

_GZIP = b"\x1f\x8b"
# The longest mark first: UTF-32's begins with UTF-16's.
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
_CONVERTED = (
    "begins with a byte order mark that was converted as if it were Latin-1, like all the text; export "
    "it again as UTF-8"
)
# First bytes of files that are no text, whatever their suffix says.
_FOREIGN = (
    (b"PK\x03\x04", "is an Excel workbook or another ZIP archive; save it as CSV (UTF-8), or unpack it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel workbook; save it as CSV (UTF-8)"),
    (b"PAR1", "is a Parquet file; give it the suffix .parquet"),
    (b"ARROW1", "is an Arrow file; write it with to_parquet()"),
    (b"BZh", "is compressed with bzip2; unpack it with bunzip2"),
    (b"\xfd7zXZ\x00", "is compressed with xz; unpack it with unxz"),
    (b"\x28\xb5\x2f\xfd", "is compressed with Zstandard; unpack it with unzstd"),
    (b"SQLite format 3\x00", "is an SQLite database; export the table as CSV"),
    (b"%PDF-", "is a PDF; export the table as CSV"),
    ("ÿþ".encode(), _CONVERTED),
    ("þÿ".encode(), _CONVERTED),
    ("ï»¿".encode(), _CONVERTED),
    (b"version https://git-lfs", "is a pointer of Git LFS; fetch the file with git lfs pull"),
)
_WEB_PAGE = re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE)

# Marks that stand in words or next to them in Western texts.
_TYPOGRAPHIC = "‘’“”„‚‹›«»–—…•·°§€£©®™´¨ªº\xa0\xad¡¿"  # noqa: RUF001
_IN_WORDS = "‘’–—…·´\xa0\xad"  # noqa: RUF001
# What the later bytes of UTF-8 become if they are read as Windows-1252, or as Latin-1.
_LATER = "".join(
    {mark for i in range(0x80, 0xC0) for mark in (chr(i), bytes([i]).decode("cp1252", "ignore"))}
)
_TWICE = re.compile(f"[\xc2-\xdf][{_LATER}]|[\xe0-\xef][{_LATER}]{{2}}|[\xf0-\xf4][{_LATER}]{{3}}")
_FEWEST_TWICE = 3
_BETWEEN = frozenset("‘’“”«»–—…\xa0")  # noqa: RUF001
HALF_PAIR = re.compile("[\ud800-\udfff]")
_HIGH = re.compile(r"[^\x00-\x7f]")
_WORD = re.compile(r"[^\s,;|]*[^\x00-\x7f][^\s,;|]*")


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file."""

    text: str
    """The text without byte order marks, with its line ends."""
    encoding: str
    """Python's name of the encoding; ``utf-8-sig`` for UTF-8 with or without a mark."""
    plain: bool = True
    """Whether the file is UTF-8 without a byte order mark, and not compressed."""
    notes: tuple[str, ...] = ()
    """What a user should know about the encoding."""


def read_text(path: Path) -> FileText:
    """Read a text file, packed with gzip or not, in UTF-8, UTF-16, UTF-32 or Windows-1252.

    Raises DataError if the file is no text, or is text in another encoding.
    """
    raw = path.read_bytes()
    compressed = raw.startswith(_GZIP)
    if compressed:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: is a damaged gzip file: {error}; copy it again") from None
    refuse_foreign(path, raw)
    text, encoding, notes = _decoded(path, raw)
    # Files that were joined keep the marks of the later ones, at the start of a line.
    text = text.removeprefix("\ufeff").replace("\n\ufeff", "\n")
    if "\0" in text:
        notes.append(f"{path}: contains {counted(text.count(chr(0)), 'NUL character')}")
    plain = encoding == "utf-8-sig" and not compressed and not raw.startswith(_MARKS[-1][0])
    return FileText(text, encoding, plain, tuple(notes))


def refuse_foreign(path: Path, raw: bytes, *, but: bytes = b"-") -> None:
    """Raise DataError if a file's first bytes show another format than its suffix, except `but`."""
    for magic, problem in _FOREIGN:
        if raw.startswith(magic) and not raw.startswith(but):
            raise DataError(f"{path}: {problem}")
    if _WEB_PAGE.match(raw[:200]):
        raise DataError(f"{path}: is a web page; download the data file itself")


def _decoded(path: Path, raw: bytes) -> tuple[str, str, list[str]]:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError as error:
                name = "UTF-8" if encoding == "utf-8-sig" else encoding.upper()
                raise DataError(
                    f"{path}: begins with the mark of {name}, but byte {error.start} is not {name}; "
                    "save it again as UTF-8"
                ) from None
            note = f"{path}: was read as {encoding.upper()}, as its byte order mark says"
            return text, encoding, [] if encoding == "utf-8-sig" else [note]
    wide = _wide_encoding(raw)
    if wide is not None:
        note = f"{path}: has no byte order mark, and was read as {wide.upper()}, which its bytes show"
        return raw.decode(wide), wide, [note]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return _western(path, raw, error.start)
    # One NUL in a text is a slip, but many are another encoding that was converted wrongly.
    if text.count("\0") * 20 > len(text):
        raise DataError(
            f"{path}: contains {counted(text.count(chr(0)), 'NUL character')}, as UTF-16 does when it "
            "is converted as another encoding; export it again as UTF-8"
        )
    return text, "utf-8-sig", []


def _wide_encoding(raw: bytes) -> str | None:
    """Return UTF-16 or UTF-32 with its byte order if a text without a mark is in it."""
    if raw.count(0) * 50 < len(raw) or not raw:
        return None
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        wide = True
    else:
        wide = raw.count(0) * 5 > len(raw)  # a few may be slips in a text of one byte per mark
    found: list[tuple[int, str]] = []
    for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        try:
            text = raw.decode(name)
        except UnicodeDecodeError:
            continue
        begin = text[:20_000]
        plain = sum(" " <= mark < "\x7f" or mark in "\r\n\t" for mark in begin)
        odd = any(unicodedata.category(mark) in ("Cn", "Co", "Cs") or mark == "\0" for mark in begin)
        if plain and not odd and (wide or "\n" in begin):
            found.append((plain, name))
    return max(found)[1] if found else None


def _western(path: Path, raw: bytes, start: int) -> tuple[str, str, list[str]]:
    """Decode what is not UTF-8 as Windows-1252, if that gives words."""
    line = raw.count(b"\n", 0, start) + 1
    where = f"{path}: is not UTF-8 text (byte {start}) in line {line}"
    lenient = raw.decode("utf-8", errors="surrogateescape")
    broken = sum("\udc80" <= mark <= "\udcff" for mark in lenient)
    whole = len(_HIGH.findall(lenient)) - broken
    if whole >= broken:
        places = counted(broken, "byte")
        raise DataError(
            f"{where}: {places} of another encoding or damaged among UTF-8; correct that line, or "
            "convert the part that is not UTF-8 before joining the files"
        )
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    if whole * 10 > broken or not _gives_words(text):
        raise DataError(
            f"{where}, nor Windows-1252; convert it from its own encoding to UTF-8, for example with "
            "iconv -f gb18030 -t utf-8 (or -f cp1251, shift_jis, cp1250, macintosh)"
        )
    note = f"{path}: is not UTF-8 and was read as Windows-1252 (cp1252), for example {_examples(text)}"
    return text, "cp1252", [note]


def _examples(text: str) -> str:
    """Return three words at most, each with marks beyond ASCII that the others lack."""
    shown: list[str] = []
    seen: set[str] = set()
    for found in _WORD.finditer(text):
        marks = set(_HIGH.findall(found.group()))
        if not marks <= seen:
            seen |= marks
            shown.append(repr(found.group().strip('.,;:!?"')[:40]))
        if len(shown) == 3:
            break
    return join_words(shown)


def _gives_words(text: str) -> bool:
    """Whether the marks beyond ASCII stand where they stand in Western texts.

    Texts in other scripts become runs of accented letters; those of Central Europe or of another
    system's code page have symbols and capitals inside words.
    """
    odd, high = 0, 0
    for found in _HIGH.finditer(text):
        high += 1
        at, mark = found.start(), found.group()
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if mark.isalpha():
            run = len(_run(text, at))
            odd += run > 2 or (mark.isupper() and before.isascii() and before.islower())
        elif mark not in _IN_WORDS:
            accented = any(_is_accented(other) for other in (before, after))
            inside = before.isalpha() and after.isalpha()
            symbol = mark not in _TYPOGRAPHIC and accented
            power = mark in "¹²³" and before.isalpha() and before != "m"
            odd += inside or symbol or power
    return high > 0 and odd * 10 <= high


def _run(text: str, at: int) -> str:
    """Return the marks around a place that neither ASCII nor typography has."""
    begin = end = at
    while begin > 0 and _is_foreign(text[begin - 1]):
        begin -= 1
    while end < len(text) and _is_foreign(text[end]) and end - begin < 10:
        end += 1
    return text[begin:end]


def _is_foreign(mark: str) -> bool:
    return not mark.isascii() and mark not in _TYPOGRAPHIC


def _is_accented(mark: str) -> bool:
    return mark.isalpha() and not mark.isascii()


def encoded_twice(texts: Sequence[str]) -> tuple[int, str] | None:
    """Count the texts whose UTF-8 was read as Windows-1252 and written again; return an example, too.

    None if there are few such places, or more other characters beyond ASCII. An accented letter in front
    of a typographic mark looks the same.
    """
    high, places, found = 0, 0, []
    for text in texts:
        if text.isascii():
            continue
        high += len(_HIGH.findall(text))
        marks = [
            mark for mark in _TWICE.findall(text) if mark[0] in "ÂÃâ" or not set(mark[1:]) <= _BETWEEN
        ]
        places += len(marks)
        high -= 2 * sum(map(len, marks))
        if marks:
            found.append(text)
    if places < _FEWEST_TWICE or high >= 0:
        return None
    word = next(one.group() for one in _WORD.finditer(found[0]) if _TWICE.search(one.group()))
    return len(found), word.strip('.,;:!?"')[:40]


def whole_text(text: str) -> str:
    """Replace halves of surrogate pairs, which no encoding can write, by U+FFFD; join those that fit."""
    if not HALF_PAIR.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole_rows(
    location: str, columns: Sequence[Sequence[Any]]
) -> tuple[tuple[Sequence[Any], ...], tuple[str, ...]]:
    """Replace halves of surrogate pairs in the texts of columns; return the columns and a note."""
    changed: set[int] = set()
    found: list[Sequence[Any]] = []
    for column in columns:
        whole = [_whole(value) for value in column]
        changed.update(i for i, (old, new) in enumerate(zip(column, whole, strict=True)) if old != new)
        found.append(whole)
    if not changed:
        return tuple(found), ()
    note = (
        f"{location}: half of a surrogate pair (of an emoji that was cut) was replaced by U+FFFD in "
        f"{counted(len(changed), 'row')}"
    )
    return tuple(found), (note,)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    if isinstance(value, dict):
        return {whole_text(name): _whole(inner) for name, inner in value.items()}
    return value
