"""The task of the bundled study: does a docstring document a module, a class or a function?

The input is the first sentence of a docstring from the running Python's own standard library, and the
label is the kind of object that it documents. More than half of the sentences are held out: a comparison
is as sharp as its test set is large, and few validation sentences pick an epoch by chance.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.from_examples import Example, text_task
from whichpeft.tasks.protocol import SPLITS
from whichpeft.tasks.splits import content_hash
from whichpeft.tasks.stdlib_docs import documented, first_sentence, library_folder, parsed, split_of
from whichpeft.tasks.text import TextTask

KINDS = ("class", "function", "module")
MOST_PER_KIND = 1300
MOST_WORDS, MOST_CHARACTERS = 20, 120  # one long text makes its whole evaluation batch slow
VALIDATION_SHARE, TEST_SHARE = 0.16, 0.44

# Some systems install these apart from Python. Most docstrings of `encodings` are one sentence with
# another name in it.
_LEFT_OUT = {
    "distutils", "encodings", "ensurepip", "idlelib", "lib2to3", "msilib", "pydoc_data", "tkinter",
    "turtle", "turtledemo", "venv",
}  # fmt: skip


def stdlib_kinds() -> TextTask:
    """Load the task ``stdlib-kinds`` from the running Python's standard library.

    Raises DataError if the library's sources are missing, as in an embedded or frozen Python.
    """
    splits: dict[str, list[Example]] = {key: [] for key in SPLITS}
    for kind, sentences in sentences_by_kind(library_folder()).items():
        for sentence in sentences:
            side = split_of(sentence, validation=VALIDATION_SHARE, test=TEST_SHARE)
            splits[side].append((sentence, kind))
    return text_task(
        "stdlib-kinds",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        problem="classification",
    )


def sentences_by_kind(library: Path) -> dict[str, list[str]]:
    """Collect the first sentences of each kind of object, sorted; drop those of two kinds.

    Methods count as functions. A kind with more than 1,300 sentences keeps those with the lowest hash,
    so that another Python version changes few of them.
    """
    found: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for path in sources(library):
        for node, docstring in documented(parsed(path)):
            sentence = first_sentence(docstring, most_words=MOST_WORDS)
            if sentence is not None and len(sentence) <= MOST_CHARACTERS:
                found[_kind(node)][sentence.casefold()] = sentence
    missing = [kind for kind in KINDS if not found[kind]]
    if missing:
        raise DataError(
            f"stdlib-kinds: {library} has no documented {missing[0]}; this Python has no sources of its "
            "standard library, so name another data set with --task"
        )
    chosen = {}
    for kind, texts in found.items():
        others = set().union(*(found[other] for other in KINDS if other != kind))
        own = [text for key, text in texts.items() if key not in others]
        own.sort(key=lambda text: content_hash((text.casefold(),), "stdlib-kinds"))
        chosen[kind] = sorted(own[:MOST_PER_KIND])
    return chosen


def sources(library: Path) -> Iterator[Path]:
    """Return the files of modules and packages that come with every Python, without their tests."""
    for name in sorted(sys.stdlib_module_names - _LEFT_OUT):
        single, package = library / f"{name}.py", library / name
        if single.is_file():
            yield single
        for path in sorted(package.rglob("*.py")) if package.is_dir() else ():
            if not {"test", "tests"} & set(path.relative_to(package).parts[:-1]):
                yield path


def _kind(node: ast.AST) -> str:
    if isinstance(node, ast.Module):
        return "module"
    return "class" if isinstance(node, ast.ClassDef) else "function"
