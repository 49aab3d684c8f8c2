"""A researcher has a method of their own, and a paper that needs a table, figures and references."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ..test_examples import installed
from .conftest import User


@pytest.mark.slow
def test_from_an_own_method_to_the_table_of_a_paper(
    user: User, tmp_path: Path, reviews: Path, tiny_backbone: Path
) -> None:
    place = tmp_path / "installed"
    place.mkdir()
    user.env["PYTHONPATH"] = f"{installed('own_method', place)}:{Path(__file__).parents[2] / 'src'}"
    shutil.copytree(reviews, user.folder / "my-data")
    shutil.copytree(tiny_backbone, user.folder / "tiny")

    methods = ("full", "lora:r=8", "selective")
    run = "whichpeft run --task my-data --seeds 3" + "".join(f" --method {name}" for name in methods)
    said = user.types(f"{run} --backbone tiny --epochs 1 --max-train 64")
    (line,) = [line for line in said.stdout.splitlines() if line.startswith("selective ")]
    assert re.search(r"[-+]\d+\.\d.*(equivalent|better|worse|undecided)", line)

    paper = (
        "whichpeft report whichpeft-runs/my-data-tiny --format latex --bib papers.bib --figures figures"
    )
    done = user.types(paper)
    assert "Written: papers.bib" in done.stderr
    assert re.search(r"Written: \d+ files in figures", done.stderr)
    rows = [line for line in done.stdout.splitlines() if line.endswith(r"\\")]
    assert [row.split("&")[0].strip() for row in rows[-4:]] == [*methods, "zero-shot"]
    assert {row.count("&") for row in rows if "multicolumn" not in row} == {5}
    assert r"\label{" in done.stdout
    papers = (user.folder / "papers.bib").read_text()
    assert "@misc{hu2021lora," in papers
    assert "% selective: no paper" in papers

    captions = (user.folder / "figures" / "captions.md").read_text()
    assert "**Gap to full.**" in captions
    for drawing in (
        user.folder / "figures" / "gaps.svg",
        user.folder / "figures" / "column" / "gaps.svg",
    ):
        text = drawing.read_text()
        assert "selective" in text
        assert "Gap to full" not in text
