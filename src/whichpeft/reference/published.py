"""The bundled tables of published results, each with its source and what to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from whichpeft.errors import RequestError, suggestion


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a table was published."""

    file: str
    """Name of the data file, without its suffix."""

    what: str
    """What the numbers are, with their unit."""

    published: str
    """Paper and table."""

    reliability: tuple[str, ...]
    """What to know before trusting the table or comparing with it, one sentence each."""

    def __str__(self) -> str:
        return " ".join([f"{self.what}. Published in {self.published}.", *self.reliability])


_SURVEY = "PEFT: A Comprehensive Analysis Across Applications (arXiv 2404.13506v2)"
_LOREFT = "the LoReFT paper (arXiv 2404.03592v3)"
_PEFT_BENCH = "PEFT-Bench (arXiv 2511.21285v1)"
_NO_INTERVAL = "Each cell is published as a single number, without an interval."

_SOURCES = {
    "commonsense": Source(
        file="commonsense_llama",
        what="Accuracy in percent on eight commonsense tasks, LLaMA-7B and LLaMA-13B, by method",
        published=f"{_LOREFT}, Table 1, which takes its baselines from the DoRA and LLM-Adapters "
        f"papers; the averages are those of {_SURVEY}, Table 1",
        reliability=(
            "Each baseline is a single run, and no interval is published.",
            "The authors of LoReFT later corrected two parameter shares, those of PrefT and AdapterS. "
            "Both versions are listed; for PrefT-7B only the corrected one (0.039 instead of 0.110) "
            "follows from the stated configuration.",
        ),
    ),
    "arithmetic": Source(
        file="arithmetic_llama",
        what="Accuracy in percent on four arithmetic tasks, LLaMA-7B and LLaMA-13B, by method",
        published=f"{_LOREFT}, Table 2",
        reliability=("No interval is published.",),
    ),
    "domains": Source(
        file="domains",
        what="Share of trainable parameters and share of performance retained, both in percent, for "
        "one method in each application domain",
        published=_SURVEY,
        reliability=(
            "This is the survey's own summary of different works, not one experiment.",
            _NO_INTERVAL,
        ),
    ),
    "hf-metamathqa": Source(
        file="hf_metamathqa",
        what="Accuracy on GSM8K and costs of 63 experiments with Llama-3.2-3B trained on MetaMathQA, on "
        "one L40S",
        published="the method_comparison suite of huggingface/peft (commit 5d602fdbf)",
        reliability=(
            "Each experiment has one seed and one learning rate, so there is no interval over seeds.",
            "With 1,319 test problems, an accuracy of 50 % is uncertain by 2.7 points from them alone.",
            "The published training time includes generating answers to the test set; step time is the "
            "sum of the training steps alone.",
            "Peak memory is reserved, not allocated, memory over training and test together.",
        ),
    ),
    "peft-bench": Source(
        file="peft_bench",
        what="Scores in percent on 27 data sets by method, Llama-3-8B-Instruct",
        published=f"{_PEFT_BENCH}, Table 1",
        reliability=(
            _NO_INTERVAL,
            "Some scores are far below chance (PTuning: 0 on RTE). Training or parsing the answers "
            "failed there, which says little about the method.",
        ),
    ),
    "peft-bench-cost": Source(
        file="peft_bench_cost",
        what="Mean score, costs and the composite PSCP by method, Llama-3-8B-Instruct",
        published=f"{_PEFT_BENCH}, Tables 2 and 3",
        reliability=(
            _NO_INTERVAL,
            "The mean scores are not uniform means of the 27 data sets.",
            "PSCP = score x 1/(1 + trainable/5e8) x 1/(1 + extra inference TFLOP/10) x 1/(1 + peak "
            "memory in GB/94): its constants are a choice, and other constants give a different order.",
        ),
    ),
    "parameter-counts": Source(
        file="parameter_counts",
        what="Exact trainable parameter counts of the methods in the commonsense table, with the "
        "configurations they result from",
        published="no paper; computed from the configurations in the authors' commands",
        reliability=(
            "Percentages are relative to base and adapter together, for LoReFT to the base alone.",
        ),
    ),
}

NAMES = tuple(_SOURCES)
_BY_FILE = {source.file: name for name, source in _SOURCES.items()}


def canonical(name: str) -> str:
    """Return the name that `NAMES` has for a table, given that name or the name of its file.

    Raises
    ------
    RequestError
        If no table has this name.
    """
    found = _BY_FILE.get(name, name)
    if found not in _SOURCES:
        hint = suggestion(name, (*NAMES, *_BY_FILE), fix=f"choose {', '.join(NAMES)}")
        raise RequestError(f"no published results named {name!r}{hint}")
    return found


def load(name: str) -> pd.DataFrame:
    """Return a published table.

    Parameters
    ----------
    name
        One of `NAMES`, or the name of a table's file.

    Returns
    -------
    DataFrame
        The numbers as published; ``attrs["source"]`` has the source.

    Raises
    ------
    RequestError
        If no table has this name.
    """
    found = source(name)
    with files("whichpeft.reference").joinpath("data", f"{found.file}.csv").open("rb") as file:
        frame = pd.read_csv(file)
    frame.attrs["source"] = str(found)
    return frame


def source(name: str) -> Source:
    """Return where a table was published.

    Raises
    ------
    RequestError
        If no table has this name.
    """
    return _SOURCES[canonical(name)]
