"""The tables that come with the package, each with who published it and what to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from whichpeft.errors import RequestError, nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a table was published.

    what: what its numbers are, with their unit; published: paper and table; caveat: what a
    reader has to know before comparing with it.
    """

    what: str
    published: str
    caveat: str = ""

    def __str__(self) -> str:
        text = f"{self.what}. Published in {self.published}."
        return f"{text} {self.caveat}" if self.caveat else text


_SURVEY = "PEFT: A Comprehensive Analysis Across Applications (arXiv 2404.13506v2)"
_LOREFT = "the LoReFT paper (arXiv 2404.03592v3)"

_SOURCES = {
    "domains": Source(
        what="Share of trainable parameters and of performance retained, both in percent, for one "
        "method in each application domain",
        published=_SURVEY,
        caveat="This is the survey's own summary over different works, not one experiment.",
    ),
    "commonsense_llama": Source(
        what="Accuracy in percent on eight commonsense tasks, LLaMA-7B and LLaMA-13B, by method",
        published=f"{_LOREFT}, Table 1, which takes its baselines from the DoRA and LLM-Adapters "
        f"papers; the averages are those of {_SURVEY}, Table 1",
        caveat="Each baseline is a single run. The authors of LoReFT corrected two shares of "
        "parameters later; both are given, and only the corrected one of PrefT-7B (0.039) follows "
        "from the stated set-up.",
    ),
    "arithmetic_llama": Source(
        what="Accuracy in percent on four arithmetic tasks, LLaMA-7B and LLaMA-13B, by method",
        published=f"{_LOREFT}, Table 2",
    ),
    "parameter_counts": Source(
        what="Trainable parameters of the commonsense table's methods, as exact counts, with the "
        "configuration that gives them",
        published="no paper: computed from the configurations in the authors' commands",
        caveat="Percentages are of base and adapter together; those of LoReFT of the base alone.",
    ),
}

NAMES = tuple(_SOURCES)


def load(name: str) -> pd.DataFrame:
    """Return a published table; its source is under ``attrs["source"]``.

    Raises RequestError for a name that is not in `NAMES`.
    """
    text = str(source(name))
    with files("whichpeft.reference").joinpath("data", f"{name}.csv").open(encoding="utf-8") as file:
        frame = pd.read_csv(file)
    frame.attrs["source"] = text
    return frame


def source(name: str) -> Source:
    """Return where a table was published. Raises RequestError for an unknown name."""
    try:
        return _SOURCES[name]
    except KeyError:
        hint = nearest(name, NAMES) or f"; there are {', '.join(NAMES)}"
        raise RequestError(f"no published results named {name!r}{hint}") from None
