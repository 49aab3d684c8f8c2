"""Prints figures on the source: how many rooms it has, how it reads, what a new option costs.

    python tests/source_metrics.py
    python tests/source_metrics.py --patch new-option.patch

``tests/test_source_metrics.py`` holds the limits.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "whichpeft"
FOLDERS = ("report", "analysis", "engine")
FSTRING_TEXT = getattr(tokenize, "FSTRING_MIDDLE", -1)  # from Python 3.12 on


def source_files() -> list[Path]:
    """Return the Python files of the package."""
    return sorted(SOURCE.rglob("*.py"))


def texts() -> list[Path]:
    """Return everything that someone reads: source, tests, templates, documentation."""
    found = [*source_files(), *SOURCE.rglob("*.j2"), *SOURCE.rglob("*.js"), *ROOT.glob("*.md")]
    for folder in ("tests", "benchmarks", "examples", "docs"):
        found += [p for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".md", ".yaml")]
    return sorted(path for path in found if "fossils" not in path.parts)


@cache
def prose(path: Path) -> tuple[tuple[int, str], ...]:
    """Return the comments, docstrings and messages of a file, or a document's text, by line number."""
    return tuple(_prose(path))


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _python_prose(text)
    elif path.suffix == ".js":
        yield from ((n, line) for n, line in enumerate(text.splitlines(), 1) if "//" in line)
    elif path.suffix == ".yaml":
        yield from ((n, line) for n, line in enumerate(text.splitlines(), 1) if "#" in line)
    else:
        fenced = False
        for number, line in enumerate(text.splitlines(), 1):
            fenced ^= line.lstrip().startswith("```")
            if not fenced:
                yield number, line


def _python_prose(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_text = token.type in (tokenize.STRING, FSTRING_TEXT) and " " in token.string
        if is_text or token.type == tokenize.COMMENT:
            for offset, line in enumerate(token.string.split("\n")):
                yield token.start[0] + offset, line
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")


def where_per_thousand(paths: Iterable[Path]) -> float:
    """Return how often "where" stands in 1,000 words of prose, in any meaning."""
    found = words = 0
    for path in paths:
        for _, line in prose(path):
            found += len(re.findall(r"\bwhere\b", line, flags=re.IGNORECASE))
            words += len(line.split())
    return 1000 * found / words


def loose_modules() -> list[str]:
    """Return the modules at the top of the package."""
    return sorted(path.stem for path in SOURCE.glob("*.py"))


def layers() -> int:
    """Return the lines of the longest import contract."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return max(len(contract.get("layers", ())) for contract in contracts)


def flat_files(folder: str) -> int:
    """Return the Python files that lie directly in a folder of the package, its face left out."""
    return len([path for path in (SOURCE / folder).glob("*.py") if path.name != "__init__.py"])


def circles() -> list[list[str]]:
    """Return groups of modules that import each other in a loop, imports for types alone left out."""
    import grimp
    import networkx

    graph = grimp.build_graph("whichpeft", exclude_type_checking_imports=True, cache_dir=None)
    imports: networkx.DiGraph[str] = networkx.DiGraph(
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    )
    return [sorted(group) for group in networkx.strongly_connected_components(imports) if len(group) > 1]


def class_variables(path: str, name: str) -> int:
    """Return the class variables that someone reads before writing a subclass."""
    tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
    (found,) = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name)
    return sum(
        isinstance(node, ast.AnnAssign) and "ClassVar" in ast.unparse(node.annotation)
        for node in found.body
    )


def any_per_thousand() -> float:
    """Return how often `Any` stands in 1,000 lines of the package, imports of it left out."""
    found = lines = 0
    for path in source_files():
        text = path.read_text(encoding="utf-8")
        lines += len(text.splitlines())
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        found += sum(t.string == "Any" and "import" not in t.line for t in tokens)
    return 1000 * found / lines


def longest_function() -> tuple[int, str]:
    """Return the lines and the place of the longest function, docstring and signature included."""
    return max(
        ((node.end_lineno or 0) - node.lineno + 1, f"{path.relative_to(ROOT)}:{node.name}")
        for path in source_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )


def longest_file() -> tuple[int, str]:
    """Return the lines and the name of the longest file."""
    return max(
        (len(path.read_text(encoding="utf-8").splitlines()), str(path.relative_to(ROOT)))
        for path in source_files()
    )


def touched_by(patch: Path) -> list[str]:
    """Return the files that a patch changes."""
    text = patch.read_text(encoding="utf-8")
    return re.findall(r"^diff --git a/(\S+)", text, flags=re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--patch", type=Path, help="a patch that adds a study option")
    patch = parser.parse_args().patch
    found = circles()
    rows: list[tuple[str, object]] = [
        ("loose modules", len(loose_modules())),
        ("layers in the import contract", layers()),
        ("import circles", len(found)),
        *((f"flat files in {folder}/", flat_files(folder)) for folder in FOLDERS),
        ("class variables of Method", class_variables("methods/method.py", "Method")),
        ("class variables of PeftMethod", class_variables("methods/peft_method.py", "PeftMethod")),
        ('"where" in 1,000 words', f"{where_per_thousand(texts()):.2f}"),
        ("`Any` in 1,000 lines", f"{any_per_thousand():.1f}"),
        ("longest function", "{} lines, {}".format(*longest_function())),
        ("longest file", "{} lines, {}".format(*longest_file())),
    ]
    if patch is not None:
        files = touched_by(patch)
        rows.append(("files touched by a new option", f"{len(files)}: {', '.join(files)}"))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    for circle in found:
        print("circle:", ", ".join(circle))


if __name__ == "__main__":
    main()
