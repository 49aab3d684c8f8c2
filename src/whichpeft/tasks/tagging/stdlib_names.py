"""The bundled tagging task: which words of a docstring name something?

The sentences are from the docstrings of the running Python's own standard library, and the tags are
derived from the syntax trees of its files: a word of a docstring is tagged if it is a parameter of what
the docstring documents, or a function, class, exception or module that its file defines or imports. A
model sees the sentence alone. Modules of the library are wholly in one split, so that a name is seldom
seen in training with its tag.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whichpeft.errors import DataError
from whichpeft.tasks.protocol import SPLITS
from whichpeft.tasks.splits import content_hash
from whichpeft.tasks.stdlib_docs import library_folder, parsed
from whichpeft.tasks.stdlib_kinds import sources
from whichpeft.tasks.tagging.assemble import Sentence, tagging_task
from whichpeft.tasks.tagging.task import TaggingTask

FEWEST_WORDS, MOST_WORDS = 5, 24
MOST_PER_SPLIT = {"train": 900, "validation": 150, "test": 600}
VALIDATION_SHARE, TEST_SHARE = 0.15, 0.35

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n[ \t]*\n")
_WORD = re.compile(r"[^\W\d]\w*(?:\.\w+)*|\d+(?:\.\d+)*|[^\w\s]")
# Parameters whose names are mostly words of a sentence.
_ENGLISH = frozenset({
    "a", "an", "and", "as", "at", "be", "by", "for", "from", "i", "if", "in", "is", "it", "no", "not",
    "of", "on", "or", "s", "t", "the", "this", "to", "with",
})  # fmt: skip
_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of a file, each with its tag."""

    of: dict[str, str]

    def tag(self, word: str, after: str, parameters: frozenset[str]) -> str | None:
        """Return what a word names; None if it names nothing. `after` follows it without a blank.

        A plain word of small letters may be English, so it only names a function if it is called, and
        only a module if it is said to be one or has a dot in it.
        """
        if word in parameters and word not in _ENGLISH:
            return "parameter"
        if _is_module(word) and after.lstrip().startswith(("module", "package")):
            return "module"
        last = word.rpartition(".")[2]
        found = self.of.get(word) or (self.of.get(last) if "." in word else None)
        plain = word.isalpha() and word.islower()
        called = after.startswith("(") and not after.startswith("(s)")
        if found is None or (found == "exception" and after.startswith(":")):
            return "function" if called and found is None and word.islower() else None
        if plain and not called:
            return None
        return found


def stdlib_names() -> TaggingTask:
    """Load the task ``stdlib-names`` from the running Python's standard library.

    Raises DataError if the library's sources are missing, as in an embedded or frozen Python.
    """
    found: dict[str, dict[str, Sentence]] = {key: {} for key in SPLITS}
    library = library_folder()
    for path in sources(library):
        side = _split_of(path.relative_to(library))
        for words, tags in tagged_sentences(parsed(path)):
            found[side].setdefault(" ".join(words).casefold(), (words, tags))
    if not all(found.values()):
        raise DataError(
            f"stdlib-names: {library} has too few docstrings; this Python has no sources of its "
            "standard library, so name another data set with --task"
        )
    seen = set(found["train"])
    for key in ("validation", "test"):
        found[key] = {text: own for text, own in found[key].items() if text not in seen}
    chosen = {key: _fewest(found[key], MOST_PER_SPLIT[key]) for key in SPLITS}
    return tagging_task(
        "stdlib-names",
        train=chosen["train"],
        validation=chosen["validation"],
        test=chosen["test"],
    )


def tagged_sentences(tree: ast.AST) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words of each sentence of a file's docstrings with their tags.

    A quarter of the sentences without a name is kept, chosen by hash.
    """
    names = _Names(dict(_names_in(tree)))
    for docstring, parameters in _docstrings(tree, frozenset()):
        for sentence in _SENTENCE_END.split(docstring):
            if ">>>" in sentence or "\n    " in sentence:  # code, or a table
                continue
            found = list(_WORD.finditer(sentence))
            words = [match[0] for match in found]
            if not FEWEST_WORDS <= len(words) <= MOST_WORDS:
                continue
            kinds = [names.tag(m[0], sentence[m.end() :], parameters) for m in found]
            tags = ["O" if kind is None else f"B-{kind}" for kind in kinds]
            if any(tag != "O" for tag in tags) or content_hash(tuple(words), "plain") % 4 == 0:
                yield words, tags


def _is_module(word: str) -> bool:
    return word.partition(".")[0] in sys.stdlib_module_names


def _docstrings(node: ast.AST, around: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each docstring with the parameters of what it documents; a class has those of `__init__`."""
    own = _parameters(node)
    if isinstance(node, (ast.Module, ast.ClassDef, *_Function)) and (text := ast.get_docstring(node)):
        yield text, own
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from _docstrings(child, own)


def _parameters(node: ast.AST) -> frozenset[str]:
    if isinstance(node, ast.ClassDef):
        made = (
            child for child in node.body if isinstance(child, _Function) and child.name == "__init__"
        )
        return next(map(_parameters, made), frozenset())
    if not isinstance(node, _Function):
        return frozenset()
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return frozenset(one.arg for one in every if one is not None) - {"self", "cls"}


def _names_in(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what a file defines or imports, and what is built in, each with its tag."""
    for name, value in vars(builtins).items():
        if isinstance(value, type):
            yield name, "exception" if issubclass(value, BaseException) else "class"
        elif callable(value) and not name.startswith("_"):
            yield name, "function"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "module") for alias in node.names)
        elif isinstance(node, _Function):
            yield node.name, "function"
    for node in ast.walk(tree):  # last, since a class may be called as a function is
        if isinstance(node, ast.ClassDef):
            yield node.name, "exception" if _raises(node) else "class"


def _raises(node: ast.ClassDef) -> bool:
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return any(base.endswith(("Error", "Exception", "Warning")) for base in (*bases, node.name))


def _split_of(path: Path) -> str:
    """Return the split of a module or package, by the hash of its name."""
    share = content_hash((Path(path.parts[0]).stem,), "stdlib-names") / 2**64
    if share < TEST_SHARE:
        return "test"
    return "validation" if share < TEST_SHARE + VALIDATION_SHARE else "train"


def _fewest(found: dict[str, Sentence], most: int) -> list[Sentence]:
    """Keep the sentences with the lowest hash, sorted."""
    chosen = sorted(found, key=lambda text: content_hash((text,), "stdlib-names"))[:most]
    return [found[text] for text in sorted(chosen)]
