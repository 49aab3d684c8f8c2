"""The checks of what was read: leaks, classes that a split lacks, new layers, and notes of the runs."""

from __future__ import annotations

from collections.abc import Iterator

from whichpeft.analysis.check.findings import NO_ACTION, Finding
from whichpeft.records import LengthReading, Reading, TaskReading
from whichpeft.units import join_words, plural, show_count, show_percent

_OTHER_OUT = "run the study again with another --out"
_MEANT = f"if this is not what you want, change the data and {_OTHER_OUT}"
_FEW = 0.01
"""A leak of a smaller share of the test examples is only noted."""
_MOST_NAMES = 6


def reading_findings(reading: Reading | None) -> Iterator[Finding]:
    """Find what a reviewer would ask about in what was read; nothing in folders that do not say it."""
    if reading is None:
        return
    for task in reading.tasks:
        found = [*_leaks(task), *_missing_classes(task)]
        yield from found
        # A note of the run may say the same in more words.
        known = tuple(finding.what.partition(")")[0] for finding in found)
        others = (note for note in task.notes if not note.startswith(known))
        yield from (_note(note, _MEANT, task=task.name) for note in others)
    yield from (_cut(length) for length in reading.lengths if length.cut)
    for backbone in reading.backbones:
        if backbone.new_layers:
            names = join_words(backbone.new_layers, most=_MOST_NAMES)
            yield _note(
                f"its weights lack layers, which every seed draws at random: {names}",
                f"{NO_ACTION} if the published model lacks them too; else use a whole checkpoint",
                backbone=backbone.name,
            )
        others = (n for n in backbone.notes if not any(name in n for name in backbone.new_layers))
        yield from (_note(note, NO_ACTION, backbone=backbone.name) for note in others)
    yield from (_note(note, NO_ACTION) for note in reading.notes)


def class_names(reading: Reading | None, task: str) -> tuple[str, ...]:
    """Return the names of a task's classes by number; empty if they are not known."""
    found = (one for one in (reading.tasks if reading else ()) if one.name == task)
    return tuple(next((one.classes for one in found), ()))


def _note(what: str, fix: str, *, task: str | None = None, backbone: str | None = None) -> Finding:
    return Finding(severity="note", what=what, fix=fix, task=task, backbone=backbone)


def _leaks(task: TaskReading) -> Iterator[Finding]:
    """Find examples of validation and test that a model has seen in training."""
    for split, count in task.leaked.items():
        rows = task.rows.get(split, 0)
        if not count or not rows:
            continue
        share = count / rows
        of = f"{show_count(count)} of {show_count(rows)} {split} examples ({show_percent(100 * share)})"
        effect = (
            "the score is too high"
            if split == "test"
            else "the best epoch is chosen by what is known already"
        )
        yield Finding(
            severity="problem" if split == "test" and share >= _FEW else "note",
            what=f"{of} {'is' if count == 1 else 'are'} in the training data too, so {effect}",
            fix=f"remove {'it' if count == 1 else 'them'} from one of the two and {_OTHER_OUT}",
            task=task.name,
        )


def _missing_classes(task: TaskReading) -> Iterator[Finding]:
    """Find classes that a split has no example of."""
    for split, rows in task.class_rows.items():
        missing = [name for name in task.classes if not rows.get(name)]
        if missing and rows:
            listed = join_words(map(repr, missing), most=_MOST_NAMES)
            classes = plural("class", len(missing))
            yield Finding(
                severity="note",
                what=f"the {split} set lacks {len(missing)} of {len(task.classes)} classes: {listed}",
                fix=f"add {split} examples of the {classes}, or drop the {classes}, and {_OTHER_OUT}",
                task=task.name,
            )


def _cut(length: LengthReading) -> Finding:
    limit = "" if length.limit is None else f" at {show_count(length.limit)} {length.unit}"
    share = show_percent(100 * length.cut / length.count)
    of = f"{show_count(length.cut)} of {show_count(length.count)} inputs ({share})"
    return Finding(
        severity="note",
        what=f"{of} {'is' if length.cut == 1 else 'are'} cut{limit}; the median has "
        f"{show_count(length.median)} {length.unit}, the longest {show_count(length.longest)}",
        fix="shorten the inputs, or use a backbone that reads more",
        backbone=length.backbone,
        task=length.task,
    )
