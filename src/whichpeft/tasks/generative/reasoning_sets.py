"""The sets of the mixtures `commonsense` and `arithmetic`: their places, and how their rows are read.

The prompts below are data: any change of their wording changes the fingerprints of the tasks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whichpeft.tasks.generative.answers import GSM8K_MARK
from whichpeft.tasks.generative.instructions import instruction_prompt
from whichpeft.tasks.generative.prompted import Prompted

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HubSet:
    """A set on the hub."""

    id: str
    """Id of the data set."""
    config: str | None
    """Its configuration, if it has several."""
    test: str
    """The labelled split that is not used for training."""
    examples: int
    """Number of examples in its training split."""
    read: Callable[[Row], Prompted | None]
    """Reads a row; returns None for a row without an answer."""


@dataclass(frozen=True, slots=True)
class ReasoningSet:
    """One set of a mixture."""

    folder: str
    """Name of its folder in the LLM-Adapters layout."""
    hub: HubSet | None
    """The set on the hub; None if the hub has no loadable copy."""
    choices: bool = True
    """Whether its examples have choices."""
    worked: bool = False
    """Whether completions explain the answer before they state it."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Several sets with a common training set and separate test sets."""

    description: str
    """One line for lists."""
    sets: Mapping[str, ReasoningSet]
    """The sets by name."""
    files: tuple[str, ...]
    """Possible names of the common training file; the first one that exists is used."""
    examples: int
    """Number of examples in the first of these files, for plans without the data."""
    lengths: tuple[int, int]
    """Tokens of the longest example, and of a batch on average, for plans without the data."""


def _boolq(row: Row) -> Prompted | None:
    right = str(row["answer"]).lower()
    return _offering(f"True or false? {row['question']}", {"true": "", "false": ""}, right)


def _piqa(row: Row) -> Prompted | None:
    asked = f"How is this done? {row['goal']}"
    return _numbered("solution", asked, [row["sol1"], row["sol2"]], row["label"])


def _social(row: Row) -> Prompted | None:
    texts = [row[f"answer{letter}"] for letter in "ABC"]
    return _numbered("answer", f"{row['context']} {row['question']}", texts, int(row["label"]) - 1)


def _hellaswag(row: Row) -> Prompted | None:
    asked = f"How does this go on? {row['activity_label']}: {row['ctx']}"
    return _numbered("ending", asked, row["endings"], row["label"])


def _winogrande(row: Row) -> Prompted | None:
    asked = f"What belongs in the place of the underscore? {row['sentence']}"
    right = int(row["answer"]) - 1 if row["answer"] else None
    return _numbered("option", asked, [row["option1"], row["option2"]], right)


def _ai2(question: str) -> Callable[[Row], Prompted | None]:
    """Return a reader of rows whose choices have labels, as in ARC and OpenBookQA."""

    def read(row: Row) -> Prompted | None:
        labels = list(row["choices"]["label"])
        key = str(row["answerKey"]).strip()
        right = labels.index(key) if key in labels else None
        return _numbered("answer", row[question], row["choices"]["text"], right)

    return read


def _aqua(row: Row) -> Prompted | None:
    letters = tuple("ABCDE"[: len(row["options"])])
    asked = "\n".join([str(row["question"]).strip(), "", *row["options"]])
    worked = f"{str(row['rationale']).strip()}\n{_stated(row['correct'])}"
    return Prompted(
        prompt=instruction_prompt(f"{asked}\n\nReply with the letter of the right one."),
        completion=worked,
        answer=row["correct"],
        choices=letters,
        completions=tuple(map(_stated, letters)),
    )


def _gsm8k(row: Row) -> Prompted | None:
    right = str(row["answer"]).rpartition(GSM8K_MARK)[2].strip()
    return Prompted(
        prompt=instruction_prompt(str(row["question"])), completion=str(row["answer"]), answer=right
    )


def _word_problem(asked: str, answered: str) -> Callable[[Row], Prompted | None]:
    """Return a reader of rows with a problem and a number."""

    def read(row: Row) -> Prompted | None:
        right = str(row[answered]).strip()
        return Prompted(
            prompt=instruction_prompt(str(row[asked])), completion=_stated(right), answer=right
        )

    return read


def _stated(answer: str) -> str:
    return f"The answer is {answer}"


def _numbered(kind: str, asked: str, texts: Sequence[str], right: str | int | None) -> Prompted | None:
    """Offer texts as ``answer1``, ``answer2`` and so on; `right` is the index of the right one."""
    offered = {f"{kind}{i}": text for i, text in enumerate(texts, start=1)}
    place = -1 if right is None or right == "" else int(right)
    return _offering(asked, offered, list(offered)[place] if 0 <= place < len(offered) else None)


def _offering(asked: str, offered: Mapping[str, str], right: str | None) -> Prompted | None:
    if right is None:
        return None
    listed = "".join(f"{name}: {text}\n" for name, text in offered.items() if text)
    *others, last = offered
    reply = f"Reply with {', '.join(others)} or {last}."
    choices = tuple(offered)
    return Prompted(
        prompt=instruction_prompt(f"{asked}\n\n{listed}{reply}"),
        completion=_stated(right),
        answer=right,
        choices=choices,
        completions=tuple(map(_stated, choices)),
    )


def worked_out(example: Prompted) -> Prompted:
    """State the choices without an explanation, which would give the right one away."""
    if not example.choices:
        return example
    return dataclasses.replace(example, completions=tuple(map(_stated, example.choices)))


COMMONSENSE: Mapping[str, ReasoningSet] = {
    "boolq": ReasoningSet("boolq", HubSet("google/boolq", None, "validation", 9427, _boolq)),
    "piqa": ReasoningSet("piqa", HubSet("baber/piqa", None, "validation", 16113, _piqa)),
    "social_i_qa": ReasoningSet(
        "social_i_qa", HubSet("lighteval/siqa", None, "validation", 33410, _social)
    ),
    "hellaswag": ReasoningSet(
        "hellaswag", HubSet("Rowan/hellaswag", None, "validation", 39905, _hellaswag)
    ),
    "winogrande": ReasoningSet(
        "winogrande",
        HubSet("allenai/winogrande", "winogrande_xl", "validation", 40398, _winogrande),
    ),
    "arc-easy": ReasoningSet(
        "ARC-Easy", HubSet("allenai/ai2_arc", "ARC-Easy", "test", 2251, _ai2("question"))
    ),
    "arc-challenge": ReasoningSet(
        "ARC-Challenge", HubSet("allenai/ai2_arc", "ARC-Challenge", "test", 1119, _ai2("question"))
    ),
    "openbookqa": ReasoningSet(
        "openbookqa", HubSet("allenai/openbookqa", "main", "test", 4957, _ai2("question_stem"))
    ),
}
ARITHMETIC: Mapping[str, ReasoningSet] = {
    "gsm8k": ReasoningSet(
        "gsm8k", HubSet("openai/gsm8k", "main", "test", 7473, _gsm8k), choices=False, worked=True
    ),
    "aqua": ReasoningSet("AQuA", HubSet("deepmind/aqua_rat", "raw", "test", 97467, _aqua), worked=True),
    "mawps": ReasoningSet(
        "mawps",
        HubSet("MU-NLPC/Calc-mawps", None, "test", 1089, _word_problem("question", "result")),
        choices=False,
        worked=True,
    ),
    "svamp": ReasoningSet(
        "SVAMP",
        HubSet("ChilleD/SVAMP", None, "test", 700, _word_problem("question_concat", "Answer")),
        choices=False,
        worked=True,
    ),
    "addsub": ReasoningSet("AddSub", None, choices=False, worked=True),
    "multiarith": ReasoningSet(
        "MultiArith",
        HubSet("ChilleD/MultiArith", None, "test", 420, _word_problem("question", "final_ans")),
        choices=False,
        worked=True,
    ),
    "singleeq": ReasoningSet("SingleEq", None, choices=False, worked=True),
}

MIXTURES: Mapping[str, Mixture] = {
    "commonsense": Mixture(
        "eight sets of questions with choices; a single set is, for example, commonsense/arc-easy",
        COMMONSENSE,
        ("commonsense_170k.json", "commonsense_15k.json"),
        170_420,
        (256, 112),
    ),
    "arithmetic": Mixture(
        "seven sets of word problems; a single set is, for example, arithmetic/gsm8k",
        ARITHMETIC,
        ("math_10k.json", "math_7k.json", "math_14k.json", "math_50k.json", "math_data.json"),
        9_919,
        (288, 128),
    ),
}
