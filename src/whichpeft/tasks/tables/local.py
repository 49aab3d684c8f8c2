"""Reads tables from files on this machine: one file, or a folder of files with telling names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from whichpeft.errors import DataError, suggestion
from whichpeft.study import TaskSource
from whichpeft.study.spec import short_name
from whichpeft.tasks.images.folder import image_classes, image_tables, is_image_folder, unused_notice
from whichpeft.tasks.images.medmnist import SUFFIX as MEDMNIST_SUFFIX
from whichpeft.tasks.images.medmnist import medmnist_tables
from whichpeft.tasks.images.raw import SUFFIXES as IMAGE_SUFFIXES
from whichpeft.tasks.tables.column_contents import prose_columns
from whichpeft.tasks.tables.files import SUFFIXES, read_table, suffix_of
from whichpeft.tasks.tables.from_datasets import is_saved, read_saved
from whichpeft.tasks.tables.numerals import spelt_columns
from whichpeft.tasks.tables.table import Table, TaskTables
from whichpeft.tasks.tables.to_task import ROLES
from whichpeft.units import join_words

# Words in a file's name that give its role: `SICK_test_annotated.txt` is a test set.
_WORDS = {
    "train": re.compile(r"train(ing|set|data)?\d*"),
    "validation": re.compile(r"(val|valid|validation|trial)(set|data)?\d*"),
    "dev": re.compile(r"dev(el|elopment|set|data)?\d*"),
    "test": re.compile(r"test(ing|set|data)?\d*"),
}
# Files that describe the data instead of containing them.
_ABOUT = re.compile(
    r"(readme|source|license|licence|copying|citation|changelog|notice|authors|requirements"
    r"|dataset_?(infos?|dict)|metadata|config|vocab)\b.*"
)
_IMAGE_NAME = re.compile(rf".*({'|'.join(map(re.escape, IMAGE_SUFFIXES))})", re.IGNORECASE)
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})$")
_PART = re.compile(r"-\d{5}-of-\d{5}$|[-_]chunk[-_]\d+$")  # also parts whose number is not told


def is_local(source: TaskSource) -> bool:
    """Whether a source names files: by a path that exists or by one that looks like a path."""
    path = Path(source.name).expanduser()
    looks_like_path = source.name.startswith((".", "/", "~")) or suffix_of(path) in SUFFIXES
    return looks_like_path or path.exists()


def is_local_image_folder(source: TaskSource) -> bool:
    """Whether a source is a folder with images in sub-folders and without data files.

    Remarks in text files next to the sub-folders do not matter.
    """
    path = Path(source.name).expanduser()
    if not path.is_dir() or not is_image_folder(path):
        return False
    data = _data_files(path)
    return not data or (source.problem != "generation" and _are_remarks(path, data))


def is_medmnist(source: TaskSource) -> bool:
    """Whether a source is a file of images in MedMNIST's layout."""
    return Path(source.name).suffix.lower() == MEDMNIST_SUFFIX


def _are_remarks(folder: Path, files: Sequence[Path]) -> bool:
    """Whether files next to folders of images are text without columns, and so no data."""
    if len(image_classes(folder)) < 2 or any(
        suffix_of(file) != ".txt" or role_of(file.stem) is not None for file in files
    ):
        return False
    try:
        return all(len(read_table(file).columns) == 1 for file in files)
    except DataError:
        return True


def read_local_tables(source: TaskSource) -> TaskTables:
    """Read the tables of a task from a file, or from a folder.

    `source.train`, `validation` and `test` override the files of a folder; if `train` is given, the name
    is arbitrary. Raises DataError if a file is missing or cannot be read, or its role is not clear.
    """
    path = Path(source.name).expanduser()
    given = {
        role: [_existing(Path(file).expanduser(), role)]
        for role in ("train", "validation", "test")
        if (file := getattr(source, role)) is not None
    }
    files: dict[str, list[Path]] = {}
    if not given and is_local_image_folder(source):
        images = image_tables(path, role_of)
        folders = {role: (table.location,) for role, table in images.items()}
        return TaskTables(path.resolve().name, source, images, folders)
    if not given and is_medmnist(source):
        images = medmnist_tables(_existing(path))
        return TaskTables(short_name(str(path)), source, images, dict.fromkeys(images, (str(path),)))
    if path.is_dir():
        files = _in_folder(path, given)
        name = path.resolve().name
    elif path.exists() or not (given and "train" in given):
        files = {"train": [_existing(path)]}
        name = short_name(str(path))
    else:
        name = short_name(source.name)
    if "dev" in files and "validation" in given and "test" in given:
        del files["dev"]
    files |= given
    if "train" not in files:
        raise DataError(
            f"{path}: no training file (one with 'train' in its name), only "
            f"{', '.join(p.name for found in files.values() for p in found)}; give one with --train"
        )
    wanted = [*source.text_columns, *([source.label_column] if source.label_column else [])]
    tables = {"train": _read(files["train"], wanted)}
    for role in ROLES[1:]:
        if role in files:
            tables[role] = _read(files[role], [*wanted, *(tables["train"].names or ())])
    if path.is_dir() and not given:
        left = _notes_on_others(path if is_saved(path) else files["train"][0].parent)
        tables["train"] = dataclasses.replace(tables["train"], notes=(*tables["train"].notes, *left))
    origins = {role: tuple(str(file) for file in files[role]) for role in tables}
    return TaskTables(name, source, tables, origins, given=tuple(given))


def role_of(stem: str) -> str | None:
    """Return a file's role from the words of its name; None if no word gives one.

    Raises DataError if the words contradict each other.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", stem.casefold()) if word]
    roles = [role for role, pattern in _WORDS.items() if any(pattern.fullmatch(word) for word in words)]
    if len(roles) > 1:
        raise DataError(
            f"{stem}: its name contains both {' and '.join(roles)}; rename it, or give the files with "
            "--train, --validation and --test"
        )
    return roles[0] if roles else None


def _data_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and (is_saved(path) or (path.is_file() and suffix_of(path) in SUFFIXES))
        and not _ABOUT.fullmatch(path.stem.casefold())
    )


def _in_folder(folder: Path, given: Collection[str]) -> dict[str, list[Path]]:
    if is_saved(folder):
        return {} if "train" in given else {"train": [folder]}
    data = _data_files(folder)
    if not data and not given:
        return _below(folder)
    files: dict[str, list[Path]] = {}
    for path in data:
        role = role_of(path.stem)
        if role is not None and role not in given:
            files.setdefault(role, []).append(path)
    for role, found in files.items():
        if len(found) > 1 and len({_PART.sub("", p.stem) + p.suffix for p in found}) > 1:
            flag = "validation" if role == "dev" else role
            raise DataError(
                f"{folder}: {len(found)} files could be the {role} set: "
                f"{', '.join(path.name for path in found)}; choose one with --{flag}"
            )
    if len(data) == 1 and not files and "train" not in given:
        if len(image_classes(folder)) > 1 and _names_images(data[0]):
            raise DataError(
                f"{data[0]}: names images, but classes of images are read from the names of "
                "sub-folders; move this file away if they are the classes"
            )
        return {"train": data}
    if not files and not given:
        raise DataError(
            f"{folder}: no file name gives a role: {', '.join(path.name for path in data[:8])}; "
            "name them train, validation and test, or give --train"
        )
    return files


def _names_images(file: Path) -> bool:
    """Whether a file has a column that only names images, and none of texts."""
    table = read_table(file)
    named = (all(map(_IMAGE_NAME.fullmatch, map(str, column))) for column in table.columns)
    return any(named) and not prose_columns(table)


def _below(folder: Path) -> dict[str, list[Path]]:
    """Find the files of a folder that has them in sub-folders: one per split, or all in ``data``.

    Raises DataError, which says what is there instead.
    """
    inner = {one: _data_files(one) for one in sorted(folder.iterdir()) if one.is_dir()}
    inner = {one: files for one, files in inner.items() if files}
    if [one.name for one in inner] == ["data"]:
        return _in_folder(folder / "data", ())
    named = [(role, files) for one, files in inner.items() if (role := role_of(one.name)) is not None]
    roles = dict(named)
    if "train" in roles and len(roles) == len(named) and all(len(files) == 1 for _, files in named):
        return roles
    text = next(folder.glob("*/*.txt" if inner else "*/*/*.txt"), None)
    if text is not None:
        raise DataError(
            f"{folder}: holds texts in files of their own, such as {text.relative_to(folder)}; write "
            "one CSV or JSONL file per split with the columns text and label"
        )
    if inner:
        raise DataError(
            f"{folder}: contains no data files, but its sub-folders do; name one of "
            f"{join_words((one.name for one in inner), most=5)}, or give the files with --train, "
            "--validation and --test"
        )
    raise DataError(
        f"{folder}: contains no data files; supported are {', '.join(sorted(SUFFIXES))}, and images in "
        "one sub-folder per class"
    )


def _notes_on_others(folder: Path) -> list[str]:
    """Say which files of a folder are not used, because their names give no role."""
    data = [] if is_saved(folder) else _data_files(folder)
    others = [path.name for path in data if role_of(path.stem) is None and "submission" not in path.stem]
    if not others or len(data) == 1:
        return []
    return [f"{folder}: {unused_notice(others)}"]


def _missing_shards(paths: Sequence[Path]) -> list[str]:
    """Say which of the files that a set is said to consist of are missing."""
    numbered = [match for path in paths if (match := _SHARD.search(path.stem))]
    here = {int(match[1]) for match in numbered}
    count = max((int(match[2]) for match in numbered), default=0)
    if not numbered or len(here) >= count:
        return []
    return [
        f"{paths[0].parent}: {len(here)} of {count} files named like {paths[0].name} are there; the "
        "examples of the others are missing"
    ]


def _read(paths: Sequence[Path], wanted: Collection[str]) -> Table:
    """Read the files of one set: one, or shards with the same columns in any order."""
    first = _read_one(paths[0], wanted)
    missing = _missing_shards(paths)
    if len(paths) == 1:
        return dataclasses.replace(first, notes=(*first.notes, *missing)) if missing else first
    tables = [first]
    for path in paths[1:]:
        table = _read_one(path, [*wanted, *(first.names or ())])
        if table.names is not None and sorted(table.names) == sorted(first.names or ()):
            table = _reordered(table, first.names or ())
        if table.names != first.names or len(table.columns) != len(first.columns):
            raise DataError(f"{table.location}: its columns differ from those of {first.location}")
        if table.class_orders != first.class_orders:
            raise DataError(f"{table.location}: its classes differ from those of {first.location}")
        tables.append(table)
    columns = tuple(
        [value for table in tables for value in table.columns[i]] for i in range(len(first.columns))
    )
    return dataclasses.replace(
        first,
        columns=columns,
        plain=all(table.plain for table in tables),
        notes=(*(note for table in tables for note in table.notes), *missing),
        numbers=spelt_columns(columns, first.separator) if first.separator is not None else {},
    )


def _read_one(path: Path, wanted: Collection[str]) -> Table:
    return read_saved(path) if is_saved(path) else read_table(path, wanted)


def _reordered(table: Table, names: Sequence[str]) -> Table:
    places = [(table.names or ()).index(name) for name in names]
    return dataclasses.replace(
        table,
        names=tuple(names),
        columns=tuple(table.columns[place] for place in places),
        class_orders={i: table.class_orders[p] for i, p in enumerate(places) if p in table.class_orders},
    )


def _existing(path: Path, role: str | None = None) -> Path:
    if path.is_file() or is_saved(path):
        return path
    if path.is_dir():
        raise DataError(
            f"{path}: is a folder; give a file with --{role} (for images, name one folder with the "
            "splits as sub-folders as the task)"
        )
    siblings: Mapping[str, Path] = {}
    if path.parent.is_dir():
        siblings = {other.name: other for other in path.parent.iterdir()}
    fix = "`whichpeft tasks` lists the tasks that need no file"
    if not path.parent.is_dir():
        fix = f"the folder {path.parent} does not exist either; {fix}"
    flag = f"--{role} " if role else ""
    raise DataError(
        f"{flag}{path}: no such file{'' if role else ' or folder'}"
        f"{suggestion(path.name, siblings, fix=fix)}"
    )
