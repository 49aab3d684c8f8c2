"""The ladder: one line per arm over the share of training; those that were dropped end."""

from __future__ import annotations

from collections.abc import Iterator

from whichpeft.analysis.race.ranking import has_score
from whichpeft.records import Arm
from whichpeft.report.figures.figure import Figure, Size, empty_figure, make_figure
from whichpeft.report.figures.label_placement import LINE, distinct, shortened, spread
from whichpeft.report.figures.line_names import line_names, room_for
from whichpeft.report.figures.style import looks
from whichpeft.report.figures.vega import (
    FigureRow,
    Spec,
    amount,
    as_is,
    chart,
    linear,
    mark,
    number,
    tooltip,
    word,
)
from whichpeft.report.race.course import Course
from whichpeft.report.race.words import arm_values
from whichpeft.report.text import plain
from whichpeft.units import counted, points

_FAINT, _CLEAR = 0.4, 0.95
_MOST_NAMED = 12
TITLE = "The race as a ladder"


def ladder(course: Course, size: Size) -> Figure:
    """Draw the validation score of every arm at the rungs that it reached."""
    rows = list(_rows(course))
    if not rows:
        why = "no arm has reached a rung yet"
        return empty_figure(why, size, title=TITLE, about=about_race(course))
    return make_figure(
        _spec(course, rows, size),
        title=TITLE,
        about=about_race(course),
        caption=_caption(course, rows),
        rows=[
            {
                "method": row["method"],
                "candidate": row["candidate"],
                "share_of_training": row["share"],
                "validation_score_points": row["score"],
                "stage": row["stage"],
            }
            for row in rows
            if row["stage"]
        ],
    )


def about_race(course: Course) -> str:
    """Say what the race was about: the backbone and the task."""
    names = [(r.trial.backbone, r.trial.task) for r in course.records[:1]]
    study = course.study
    backbone, task = names[0] if names else (study.backbones[0], study.tasks[0].name)
    return plain(f"{backbone} on {task}")


def finalists_first(course: Course) -> list[str]:
    """Return the entrants in the order that gives finalists the same looks as in their comparison."""
    entrants = [entrant.method for entrant in course.race.entrants]
    return sorted(entrants, key=lambda method: method not in course.finalists)


def _rows(course: Course) -> Iterator[FigureRow]:
    """Yield the points of the lines: the start of training, then the rungs that an arm reached."""
    look = looks(finalists_first(course))
    stage_of = {
        (arm, stage.step): stage.name
        for stage in reversed(course.race.stages)
        if stage.name != "finals"
        for arm in stage.arms
    }
    reached: dict[Arm, list[int]] = {}
    for arm, step in sorted(course.scores):
        if has_score(arm, step, course.scores):
            reached.setdefault(arm, []).append(step)
    chance = course.chance
    for arm, steps in reached.items():
        tested = course.finalists.get(arm.method) == arm
        line = {
            "method": plain(arm.method),
            "candidate": plain(arm_values(course, arm)),
            "line": f"{arm.method} {arm.number}",
            "colour": look[arm.method].colour,
            "shape": look[arm.method].shape,
            "ink": _CLEAR if tested else _FAINT,
            "width": 2.4 if tested else 1.2,
            "tested": tested,
        }
        if chance is not None:
            yield line | {"share": 0.0, "score": points(chance), "stage": "", "shown": ""}
        for step in steps:
            score = points(course.scores[arm, step].score or 0.0)
            stage = stage_of.get((arm, step), "screen")
            yield line | {
                "share": course.share(step),
                "score": score,
                "stage": stage,
                "shown": f"{score:.1f}",
                "at": f"{course.share(step):.0%}",
                "end": step == steps[-1],
            }


def _spec(course: Course, rows: list[FigureRow], size: Size) -> Spec:
    ends = [row for row in rows if row.get("end") and row["tested"]]
    room = size.width * (0.3 if size.stacked else 0.2)
    names = distinct([shortened(row["method"], room) for row in ends])
    label = room_for(names)
    width = size.width - label
    scores = [row["score"] for row in rows]
    margin = 0.04 * (max(scores) - min(scores)) or 1.0
    low, high = min(scores) - margin, max(scores) + margin
    heights = [size.height * (high - row["score"]) / (high - low) for row in ends]
    placed = spread(heights, LINE / 2, size.height - LINE / 2)
    for row, name, at in zip(ends, names, placed, strict=True):
        row |= {"label": name, "middle": high - (high - low) * at / size.height}
    shares = [course.share(step) for step in course.race.rungs]
    x = number("share", title="share of training", scale=linear(0, 1),
               axis={"values": [0, *shares], "format": ".0%"})  # fmt: skip
    y = number("score", title="validation score, points", scale=linear(low, high),
               axis={"tickCount": 6, "grid": False})  # fmt: skip
    shared = {"x": x, "y": y, "color": as_is("colour"), "detail": word("line")}
    tips = tooltip(
        {"method": "method", "candidate": "candidate", "at": "share of training",
         "shown": "score, points", "stage": "stage"}
    )  # fmt: skip
    line = {**shared, "opacity": amount("ink"), "strokeWidth": amount("width")}
    anyway = "datum.stage == 'audit' || datum.stage == 'widen'"
    before = _joints(rows)
    return chart(
        [
            mark("line", line, only=f"!({anyway})"),
            mark("line", line, values=before, strokeDash=[5, 3]),
            mark("point", {**shared, "opacity": amount("ink"), "shape": as_is("shape"), "tooltip": tips},
                 only="datum.end", filled=True, size=36),
            mark("point", {"x": x, "y": y, "tooltip": tips},
                 only="datum.stage != ''", filled=True, size=60, opacity=0.001),
            *line_names(x, y, width, at="middle"),
        ],
        values=rows, width=width, height=size.height,
    )  # fmt: skip


def _joints(rows: list[FigureRow]) -> list[FigureRow]:
    """Return the ends of the lines of arms that were trained to the end although they were dropped."""
    found = []
    for i, row in enumerate(rows):
        if row["stage"] in ("audit", "widen"):
            if i and rows[i - 1]["line"] == row["line"]:
                found.append(rows[i - 1])
            found.append(row)
    return found


def _caption(course: Course, rows: list[FigureRow]) -> str:
    lines = {row["line"] for row in rows}
    parts = [
        f"One line for each of {len(lines)} arms: a method with the hyperparameters of one candidate. "
        "A line ends where its arm was dropped."
    ]
    if any(row["stage"] in ("audit", "widen") for row in rows):
        parts.append("Dashed: trained to the end although it had been dropped.")
    if any(row["tested"] for row in rows):
        parts.append("Thick and named: tested in the finals.")
    if course.chance is not None:
        parts.append("All lines start at the score of guessing.")
    lost = {arm for arm, step in course.scores if not has_score(arm, step, course.scores)}
    if lost:
        parts.append(f"Failed: {counted(len(lost), 'arm')}.")
    return " ".join(parts)
