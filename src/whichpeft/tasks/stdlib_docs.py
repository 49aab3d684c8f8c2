"""The bundled text task: which package of the standard library does a docstring document?

The input is the first sentence of a docstring from the running Python's own standard library, the label
is its top-level package. This is real English that every machine has, so it needs no download. The texts
differ slightly between Python versions, which the fingerprint records.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.from_examples import Example, text_task
from whichpeft.tasks.protocol import SPLITS
from whichpeft.tasks.splits import content_hash
from whichpeft.tasks.text import TextTask

# Packages in every Python from 3.11 to 3.14, each with at least 50 documented objects. `encodings` is
# left out: most of its docstrings are the same sentence with a different name in it.
PACKAGES = (
    "asyncio",
    "collections",
    "email",
    "http",
    "importlib",
    "logging",
    "multiprocessing",
    "unittest",
    "urllib",
    "wsgiref",
    "xml",
    "xmlrpc",
)
MOST_PER_PACKAGE = 160
FEWEST_WORDS = 3
MOST_WORDS = 40  # longer "sentences" are lists or tables without a full stop
VALIDATION_SHARE, TEST_SHARE = 0.1, 0.2

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'`(<*])|\n[ \t]*\n")
_SIGNATURE = re.compile(r"^[\w.]+\(.*?\)\s*(->\s*[\w.\[\], |]+)?[\s:.-]*", re.DOTALL)
_Documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def stdlib_docs() -> TextTask:
    """Load the task ``stdlib-docs`` from the running Python's standard library.

    Raises DataError if the library's sources are missing, as in an embedded or frozen Python.
    """
    splits: dict[str, list[Example]] = {key: [] for key in SPLITS}
    for package, sentences in first_sentences(library_folder()).items():
        for sentence in sentences:
            side = split_of(sentence, validation=VALIDATION_SHARE, test=TEST_SHARE)
            splits[side].append((sentence, package))
    return text_task(
        "stdlib-docs",
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        problem="classification",
    )


def library_folder() -> Path:
    """Return the folder of the running Python's standard library."""
    return Path(sysconfig.get_paths()["stdlib"])


def first_sentences(library: Path) -> dict[str, list[str]]:
    """Collect the first sentences of each package, sorted; drop those that occur in two packages.

    A package with more than 160 sentences keeps those with the lowest hash, so that the classes have
    similar sizes and another Python version changes few sentences.
    """
    found: dict[str, dict[str, str]] = {}
    for package in PACKAGES:
        folder = library / package
        if not folder.is_dir():
            raise DataError(
                f"stdlib-docs: {folder} does not exist; this Python has no sources of its standard "
                "library, so name another data set with --task"
            )
        # Sentences that differ only in capitals are the same.
        found[package] = {text.casefold(): text for text in _package_sentences(folder)}
    seen: dict[str, int] = {}
    for texts in found.values():
        for key in texts:
            seen[key] = seen.get(key, 0) + 1
    chosen = {}
    for package, texts in found.items():
        own = [text for key, text in texts.items() if seen[key] == 1]
        own.sort(key=lambda text: content_hash((text.casefold(),), "stdlib-docs"))
        chosen[package] = sorted(own[:MOST_PER_PACKAGE])
    return chosen


def first_sentence(docstring: str, *, most_words: int = MOST_WORDS) -> str | None:
    """Return a docstring's first sentence on one line, or None if it has too few or too many words.

    A signature at the start of the docstring is removed.
    """
    text = _SIGNATURE.sub("", docstring.strip(), count=1)
    sentence = " ".join(_SENTENCE_END.split(text.strip(), maxsplit=1)[0].split())
    words = [word for word in sentence.split() if any(char.isalpha() for char in word)]
    return sentence if FEWEST_WORDS <= len(words) <= most_words else None


def _package_sentences(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        if {"test", "tests"} & set(path.relative_to(folder).parts[:-1]):
            continue
        for _, docstring in documented(parsed(path)):
            sentence = first_sentence(docstring)
            if sentence is not None:
                yield sentence


def parsed(path: Path) -> ast.AST:
    """Parse a file; one that this Python cannot read or parse is an empty module."""
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def documented(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Return the modules, classes and functions that have a docstring, each with it."""
    if isinstance(node, _Documented) and (docstring := ast.get_docstring(node)):
        yield node, docstring
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from documented(child)


def split_of(sentence: str, *, validation: float, test: float) -> str:
    """Return the split of a sentence, by its hash; the shares are those of validation and test."""
    share = content_hash((sentence.casefold(),), "split") / 2**64
    if share < test:
        return "test"
    return "validation" if share < test + validation else "train"
