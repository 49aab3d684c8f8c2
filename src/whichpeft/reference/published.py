"""The tables that come with the package, each with who published it and what to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from whichpeft.errors import RequestError, suggestion


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a table was published.

    what: what its numbers are, with their unit; published: paper and table; reliability: what a
    reader has to know before believing or comparing with it, a sentence each. file: the table's
    name without its suffix.
    """

    file: str
    what: str
    published: str
    reliability: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([f"{self.what}. Published in {self.published}.", *self.reliability])


_SURVEY = "PEFT: A Comprehensive Analysis Across Applications (arXiv 2404.13506v2)"
_LOREFT = "the LoReFT paper (arXiv 2404.03592v3)"
_PEFT_BENCH = "PEFT-Bench (arXiv 2511.21285v1)"
_NO_INTERVAL = "One number a cell is published, without an interval."

_SOURCES = {
    "commonsense": Source(
        file="commonsense_llama",
        what="Accuracy in percent on eight commonsense tasks, LLaMA-7B and LLaMA-13B, by method",
        published=f"{_LOREFT}, Table 1, which takes its baselines from the DoRA and LLM-Adapters "
        f"papers; the averages are those of {_SURVEY}, Table 1",
        reliability=(
            "Each baseline is a single run, and no interval is published.",
            "The authors of LoReFT corrected two shares of parameters later, those of PrefT and of "
            "AdapterS; both are given, and only the corrected one of PrefT-7B (0.039 instead of 0.110) "
            "follows from the stated set-up.",
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
        what="Share of trainable parameters and of performance retained, both in percent, for one "
        "method in each application domain",
        published=_SURVEY,
        reliability=(
            "This is the survey's own summary over different works, not one experiment.",
            _NO_INTERVAL,
        ),
    ),
    "hf-metamathqa": Source(
        file="hf_metamathqa",
        what="Accuracy on GSM8K and costs of 63 experiments on Llama-3.2-3B trained on MetaMathQA, on "
        "one L40S",
        published="the method_comparison suite of huggingface/peft (commit 5d602fdbf)",
        reliability=(
            "One seed each, and one learning rate: no interval over seeds can be given.",
            "Of 1,319 test problems: for them alone an accuracy of 50 % is uncertain by 2.7 points.",
            "The training time as published includes generating answers to the test set; step time is "
            "the sum of the training steps alone.",
            "Peak memory is what was reserved, not allocated, over training and test together.",
        ),
    ),
    "peft-bench": Source(
        file="peft_bench",
        what="Scores in percent on 27 data sets by method, Llama-3-8B-Instruct",
        published=f"{_PEFT_BENCH}, Table 1",
        reliability=(
            _NO_INTERVAL,
            "Some scores are far below guessing (PTuning: 0 on RTE): there training, or reading the "
            "answer, failed, which says little of the method.",
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
            "memory in GB/94): its constants are a choice, and other constants give another order.",
        ),
    ),
    "parameter-counts": Source(
        file="parameter_counts",
        what="Trainable parameters of the commonsense table's methods, as exact counts, with the "
        "configuration that gives them",
        published="no paper: computed from the configurations in the authors' commands",
        reliability=(
            "Percentages are of base and adapter together; those of LoReFT of the base alone.",
        ),
    ),
}

NAMES = tuple(_SOURCES)
_ALSO = {source.file: name for name, source in _SOURCES.items()}


def canonical(name: str) -> str:
    """Return the name in `NAMES` of a table that was asked for by any of its names.

    Raises RequestError for an unknown one.
    """
    found = _ALSO.get(name, name)
    if found not in _SOURCES:
        hint = suggestion(name, (*NAMES, *_ALSO), fix=f"choose {', '.join(NAMES)}")
        raise RequestError(f"no published results named {name!r}{hint}")
    return found


def load(name: str) -> pd.DataFrame:
    """Return a published table; its source is under ``attrs["source"]``.

    Raises RequestError for a name that is not in `NAMES`, nor that of a table's file.
    """
    found = source(name)
    with files("whichpeft.reference").joinpath("data", f"{found.file}.csv").open("rb") as file:
        frame = pd.read_csv(file)
    frame.attrs["source"] = str(found)
    return frame


def source(name: str) -> Source:
    """Return where a table was published. Raises RequestError for an unknown name."""
    return _SOURCES[canonical(name)]
