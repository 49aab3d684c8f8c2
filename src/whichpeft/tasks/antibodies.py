"""The bundled protein tasks: where a therapeutic antibody comes from, and how patients respond to it.

The input is the heavy chain of an antibody, one letter per amino acid; see ``tasks/embedded/README.md``
for the sources. Chains that are nearly identical are in the same split, since many antibodies are
variants of a few.
"""

from __future__ import annotations

import csv
from importlib.resources import files

from whichpeft.metrics.labelled import ACCURACY, MACRO_F1, NEG_RMSE, PEARSON, SPEARMAN, auroc_of_class
from whichpeft.tasks.from_examples import Example, text_task
from whichpeft.tasks.protocol import SPLITS
from whichpeft.tasks.text import TextTask

ORIGINS = {
    "chimeric": "chimeric",
    "human": "human",
    "humanized": "humanized",
    "humanized/chimeric": "chimeric",
    "mouse": "mouse",
}
"""Antibodies of other origins, of two of them or made for animals, are left out."""


def antibody_origin() -> TextTask:
    """Load ``antibody-origin``: is the antibody human, humanized, chimeric or of a mouse?

    The score is the area under the ROC curve of human antibodies against all others.
    """
    splits: dict[str, list[Example]] = {key: [] for key in SPLITS}
    for row in _rows("antibody-origin.tsv"):
        origin = ORIGINS.get(row["origin"])
        if origin is not None:
            splits[row["split"]].append((row["heavy_chain"], origin))
    names = sorted(set(ORIGINS.values()))
    return text_task(
        "antibody-origin",
        **splits,
        metrics=(auroc_of_class(names.index("human"), "human"), MACRO_F1, ACCURACY),
        problem="classification",
    )


def antibody_immunogenicity() -> TextTask:
    """Load ``antibody-immunogenicity``: which share of patients makes antibodies against it?

    The score is the rank correlation. There are 217 antibodies, measured in trials of different sizes,
    so its intervals are wide.
    """
    splits: dict[str, list[Example]] = {key: [] for key in SPLITS}
    for row in _rows("antibody-immunogenicity.tsv"):
        splits[row["split"]].append((row["heavy_chain"], float(row["percent"])))
    return text_task(
        "antibody-immunogenicity",
        **splits,
        metrics=(SPEARMAN, PEARSON, NEG_RMSE),
        problem="regression",
    )


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("whichpeft.tasks.embedded") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))
