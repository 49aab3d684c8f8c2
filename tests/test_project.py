"""The project's own files agree with each other: sizes, pins, version, citation, links and names."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import whichpeft

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LONGEST = 350
HIDDEN_OR_BUILT = {"build", "dist", "whichpeft-runs"}


def pages() -> list[Path]:
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*.md")]
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") or part in HIDDEN_OR_BUILT for part in path.parts)
    )


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    parted = [line.split("==", 1) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in parted}


def test_no_source_file_is_too_long_to_read():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "src").rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


@pytest.mark.parametrize(
    "text", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]], ids=str
)
def test_each_dependency_is_pinned_to_an_allowed_version(text: str):
    wanted = Requirement(text)
    pinned = pins().get(canonicalize_name(wanted.name))
    assert pinned is not None, f"constraints.txt does not pin {wanted.name}"
    assert wanted.specifier.contains(pinned, prereleases=True), f"{pinned} is not {wanted}"


def test_pins_work_on_every_machine():
    """A local version such as 2.13.0+cpu is installable on few machines; an editable line on one."""
    assert [f"{name}=={version}" for name, version in pins().items() if "+" in version] == []


def test_the_version_is_the_newest_in_the_changelog():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\S+)", text, flags=re.MULTILINE)
    assert headings[0] == PROJECT["version"] == whichpeft.__version__


def test_the_citation_agrees_with_the_project():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == PROJECT["name"]
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]


def text_of(page: Path) -> str:
    """Return a page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", pages(), ids=str)
def test_relative_links_lead_to_a_file_and_a_heading(page: Path):
    targets = re.findall(r"\]\(<?([^)>\s]+)", text_of(ROOT / page))
    missing = []
    for target in targets:
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if re.match(r"[a-z]+:", target):
            continue
        if not file.exists() or (anchor and anchor not in anchors(file)):
            missing.append(target)
    assert missing == []


def found(path: str, page: Path) -> Path | None:
    """Return the file that a page names: seen from the project, the package or the page itself."""
    bases = (ROOT, ROOT / "src" / "whichpeft", (ROOT / page).parent)
    return next((base / path for base in bases if (base / path).exists()), None)


def expanded(path: str) -> list[str]:
    """Expand one group in braces: ``a/{b,c}.py`` is ``a/b.py`` and ``a/c.py``."""
    before, brace, rest = path.partition("{")
    inside, _, after = rest.partition("}")
    return [before + part + after for part in inside.split(",")] if brace else [path]


@pytest.mark.parametrize("page", pages(), ids=str)
def test_files_and_tests_named_in_a_page_exist(page: Path):
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = []
    for path, test in re.findall(r"`([\w./{},-]+/[\w{},-]+\.(?:py|toml))(?:::(\w+))?(?:\.\.\.)?`", text):
        for each in expanded(path):
            file = found(each, page)
            if file is None or (test and f"def {test}" not in file.read_text(encoding="utf-8")):
                missing.append(f"{each}::{test}" if test else each)
    assert missing == []


def members() -> dict[str, set[str]]:
    """Return the attributes of every class in the package, by the name of the class."""
    classes: dict[str, set[str]] = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
                fields = {inner.target for inner in node.body if isinstance(inner, ast.AnnAssign)}
                names |= {field.id for field in fields if isinstance(field, ast.Name)}
                classes.setdefault(node.name, set()).update(names)
    return classes


DESIGN = [page for page in pages() if page.parts[:2] == ("docs", "design")]


def test_classes_named_in_the_design_pages_exist():
    known = members()
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in DESIGN)
    named = set(re.findall(r"`([A-Z][a-z]\w+)(?:\.(\w+))?`", text))
    assert {("Adapter", "penalty"), ("Job", "")} <= named
    missing = [
        (name, member)
        for name, member in named
        if name not in known or (member and member not in known[name])
    ]
    assert missing == []


def test_the_tree_in_the_design_overview_names_every_package():
    """Each line begins with a path, each package has a line, and the layers are those of pyproject."""
    text = (ROOT / "docs" / "design" / "overview.md").read_text(encoding="utf-8")
    tree, layers = re.findall(r"^```text\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    package = ROOT / "src" / "whichpeft"
    paths = [path for line in tree.splitlines()[1:] for path in expanded(line.split()[0])]
    assert [path for path in paths if not (package / path).exists()] == []
    packages = {f"{init.parent.relative_to(package)}/" for init in package.rglob("*/__init__.py")}
    assert packages - set(paths) == set()
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    checked = contracts["tool"]["importlinter"]["contracts"][0]["layers"]
    assert [line.split(maxsplit=1)[1] for line in layers.splitlines()] == [
        layer.replace("whichpeft.", "") for layer in checked
    ]
