"""Builds a task from prompts with completions: splits, evaluation, fingerprint, chance."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from whichpeft.errors import DataError
from whichpeft.tasks.generative.answers import final_number, is_number
from whichpeft.tasks.generative.free_text import check_sacrebleu
from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.generative.scoring import TEXT_METRICS, metrics_by
from whichpeft.tasks.generative.task import GenerativeTask
from whichpeft.tasks.overlap import leaked_rows, overlap_notes
from whichpeft.tasks.protocol import SPLITS
from whichpeft.tasks.splits import Split, make_splits
from whichpeft.tasks.tables.encodings import HALF_PAIR


def generative_task(
    name: str,
    *,
    train: Iterable[Prompted],
    validation: Iterable[Prompted] | None = None,
    test: Iterable[Prompted] | None = None,
    metric: str | None = None,
    held_out: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> GenerativeTask:
    """Build a task for language models.

    Parameters
    ----------
    name
        Name of the task in reports and records.
    train, validation, test
        The splits. Without `test`, validation becomes the test set and part of train is held out for
        validation. Without both, train is split 80/10/10.
    metric
        Name of the score. The default is ``acc`` if every example of validation and test has choices,
        ``log_likelihood`` if none has a prompt, else ``exact_match``.
    held_out
        Texts of the kind that the backbone was pretrained on, to measure what it forgets.
    notes
        What a user should know about how the data were read, one line per fact.

    Raises
    ------
    DataError
        If a split is empty, an example has no completion, or the metric requires choices that some
        examples do not have.
    """
    given = {"train": train, "validation": validation, "test": test}
    examples: list[Prompted] = []
    splits: dict[str, Split] = {}
    for split, found in given.items():
        if found is None:
            continue
        first = len(examples)
        examples += [
            _checked(example, f"task {name!r} [{split}]: example {i}") for i, example in enumerate(found)
        ]
        splits[split] = Split(
            # Equal prompts stay in the same split; so do equal texts without a prompt.
            inputs=tuple((e.plain_prompt or e.completion,) for e in examples[first:]),
            labels=tuple(range(first, len(examples))),
            location=f"task {name!r} [{split}]",
        )
    arranged = make_splits(
        train=splits["train"],
        validation=splits.get("validation"),
        dev=None,
        test=splits.get("test"),
        classes=False,
    )
    parts = {split: tuple(examples[int(i)] for i in getattr(arranged, split).labels) for split in SPLITS}
    tested = (*parts["validation"], *parts["test"])
    metric = metric or _customary(tested)
    try:
        evaluation, metrics = metrics_by(metric)
    except DataError as error:
        raise DataError(f"task {name!r}: {error}") from None
    if metrics[0] in TEXT_METRICS:
        check_sacrebleu()
    if evaluation == "choices" and not all(example.choices for example in tested):
        raise DataError(
            f"task {name!r}: metric {metric} requires choices, and some examples have none; add the "
            "choices, or use exact_match"
        )
    inputs = {split: getattr(arranged, split).inputs for split in SPLITS}
    leaked = leaked_rows(inputs)
    return GenerativeTask(
        name=name,
        fingerprint=_fingerprint(parts, metric, held_out),
        metrics=metrics,
        evaluation=evaluation,
        chance=None if evaluation == "likelihood" else _chance(parts["train"], parts["test"]),
        counts={split: len(found) for split, found in parts.items()},
        leaked=leaked,
        groups=tuple(dict.fromkeys(example.group for example in examples)),
        notes=(*notes, *arranged.notes, *overlap_notes(inputs, leaked, "prompt")),
        splits=parts,
        held_out=tuple(held_out),
    )


def _checked(example: Prompted, location: str) -> Prompted:
    if not isinstance(example, Prompted):
        raise DataError(f"{location} is not a Prompted, but {str(example)[:80]!r}")
    for part in ("prompt", "completion"):
        if not isinstance(getattr(example, part), str):
            raise DataError(f"{location}: its {part} is not a string: {getattr(example, part)!r}")
    if not example.completion.strip():
        raise DataError(f"{location} has an empty completion")
    if HALF_PAIR.search(example.prompt + example.completion):
        raise DataError(
            f"{location} has half of a surrogate pair (an emoji that was cut), which cannot be written; "
            "leave it out, or replace it by U+FFFD"
        )
    if example.choices and example.right not in example.choices:
        raise DataError(
            f"{location}: its answer {example.right!r} is not one of its choices, "
            f"{', '.join(example.choices)}"
        )
    if len(example.completions) not in (0, len(example.choices)):
        raise DataError(
            f"{location}: has {len(example.choices)} choices but {len(example.completions)} "
            "completions; give one completion per choice"
        )
    if example.choices and not example.completions:
        return dataclasses.replace(example, completions=example.choices)
    return example


def _customary(examples: Sequence[Prompted]) -> str:
    if all(example.choices for example in examples):
        return "acc"
    return "exact_match" if any(example.prompt for example in examples) else "log_likelihood"


def _chance(train: Sequence[Prompted], test: Sequence[Prompted]) -> float:
    """Return the test score of each set's most frequent training answer, averaged over the sets.

    Different spellings of a number count as the same answer. If the training examples do not name their
    set, examples with the same choices stand in for it.
    """
    shares = []
    for group in dict.fromkeys(example.group for example in test):
        asked = [e for e in test if e.group == group]
        offered = {e.choices for e in asked}
        taught = [e for e in train if e.group == group] or [e for e in train if e.choices in offered]
        most = Counter(_plain(e.right) for e in taught).most_common(1)
        shares.append(sum(_plain(e.right) == most[0][0] for e in asked) / len(asked) if most else 0.0)
    return sum(shares) / len(shares)


def _plain(answer: str) -> str:
    return f"{final_number(answer):g}" if is_number(answer) else answer


def _fingerprint(parts: Mapping[str, Sequence[Prompted]], metric: str, held_out: Sequence[str]) -> str:
    """Hash every example of the three splits, in order, and the metric, which decides the encoding."""
    digest = hashlib.sha256(json.dumps([metric, *held_out]).encode())
    for split in SPLITS:
        digest.update(f"{split} {len(parts[split])}".encode())
        for example in parts[split]:
            fields = dataclasses.asdict(example)
            if not example.before:  # as before there were conversations
                del fields["before"]
            line = json.dumps(list(fields.values()), ensure_ascii=True)
            digest.update(f"{len(line)} {line}".encode())
    return digest.hexdigest()
