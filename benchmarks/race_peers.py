"""`whichpeft auto` and other searches, replayed on the same recorded curves at equal examples.

    python benchmarks/race_peers.py --resamplings 300

On each table of tests/analysis/race/table, all of them choose a method with its hyperparameters. The
race has the default of each method and three points of its search, drawn for each resampling. The others
have the same, or all candidates of the table if `--pool all` is given.

- *random*: pairs of method and candidate, drawn uniformly and trained to the end;
- *ASHA*: the same pairs; of those at a rung, the best half (or third) continues (Li et al. 2020);
- *TPE*: Optuna's sampler over the method and the candidate of that method, with Optuna's median pruner
  or with its successive halving. A pair that is suggested again costs nothing.

Each of them ends in two ways. *Own choice*: it searches with all examples that the race used, finals
included, and takes the best validation score. *Finals*: it searches with what the race used before its
finals, and its best six methods are tested as those of the race are. A search that has tried all
candidates uses fewer examples than it may.

Prints how often each one ends within the margin (2 points) of the best method, the mean distance to the
best and the distance in the worst 5 % (points), the examples in whole trainings, and how many parameters
the chosen candidate trains.
"""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import race_table
from whichpeft.analysis.race.replay import Outcome, Table, judge, replay
from whichpeft.analysis.race.rules import RaceRules


class Spent(Exception):
    """The next part of a trial costs more examples than are left."""


class Trials:
    """What a search may look at: validations on one seed, paid for with training examples."""

    def __init__(self, table: Table, rows: list[int], seed: int, examples: float) -> None:
        self.table, self.rows, self.seed, self.left = table, rows, seed, examples
        self.reached = dict.fromkeys(rows, -1)
        self._asked: list[tuple[int, int]] = []

    def score(self, row: int, rung: int) -> float:
        """Return the validation score of a candidate at a rung; raises Spent if it cannot be paid."""
        steps = (0, *self.table.steps)
        more = max(0, steps[rung + 1] - steps[self.reached[row] + 1])
        price = self.table.examples * more / steps[-1]
        if price > self.left:
            raise Spent
        self.left -= price
        self.reached[row] = max(rung, self.reached[row])
        self._asked.append((row, rung))
        found = float(self.table.scores[row, self.seed, rung])
        return found if math.isfinite(found) else -math.inf

    def with_examples(self, examples: float) -> Trials:
        """Return what the same search would have seen with fewer examples."""
        found = Trials(self.table, self.rows, self.seed, examples)
        with contextlib.suppress(Spent):
            for row, rung in self._asked:
                found.score(row, rung)
        return found

    def best_first(self) -> list[int]:
        """Return the candidates, those that came furthest first, and of these the best score first."""

        def order(row: int) -> tuple[float, float]:
            rung = self.reached[row]
            return -rung, -np.nan_to_num(self.table.scores[row, self.seed, rung], nan=-math.inf)

        return sorted((row for row in self.rows if self.reached[row] >= 0), key=order)


Search = Callable[[Trials, np.random.Generator], None]


def random_search(trials: Trials, rng: np.random.Generator) -> None:
    """Train candidates in random order to the end."""
    for row in rng.permutation(trials.rows):
        trials.score(int(row), len(trials.table.steps) - 1)


def asha(reduction: int) -> Search:
    """Return ASHA with one worker, which always promotes if a candidate can be promoted."""

    def search(trials: Trials, rng: np.random.Generator) -> None:
        waiting = [int(row) for row in rng.permutation(trials.rows)]
        at: list[dict[int, float]] = [{} for _ in trials.table.steps]
        while (step := _promotion(at, reduction) or _fresh(waiting)) is not None:
            row, rung = step
            at[rung][row] = trials.score(row, rung)

    return search


def _promotion(at: list[dict[int, float]], reduction: int) -> tuple[int, int] | None:
    for rung in reversed(range(len(at) - 1)):
        best = sorted(at[rung], key=lambda row: -at[rung][row])[: len(at[rung]) // reduction]
        for row in best:
            if row not in at[rung + 1]:
                return row, rung + 1
    return None


def _fresh(waiting: list[int]) -> tuple[int, int] | None:
    return (waiting.pop(), 0) if waiting else None


def tpe(pruner: str) -> Search:
    """Return Optuna's TPE with a pruner, which sees the rungs as the quarters of a training."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def search(trials: Trials, rng: np.random.Generator) -> None:
        table, own = trials.table, _by_method(trials)
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=int(rng.integers(2**31))),
            pruner=optuna.pruners.MedianPruner()
            if pruner == "median"
            else optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
        )
        for _ in range(4 * len(trials.rows)):  # suggestions may repeat
            trial = study.ask()
            method = trial.suggest_categorical("method", list(own))
            rows = own[method]
            row = rows[trial.suggest_categorical(method, list(range(len(rows))))]
            state, score = optuna.trial.TrialState.COMPLETE, 0.0
            for rung, step in enumerate(table.steps):
                score = max(trials.score(row, rung), -1.0)
                trial.report(score, 4 * step // table.steps[-1])
                if rung < len(table.steps) - 1 and trial.should_prune():
                    state = optuna.trial.TrialState.PRUNED
                    break
            study.tell(trial, None if state == optuna.trial.TrialState.PRUNED else score, state)

    return search


def _by_method(trials: Trials) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row in trials.rows:
        found.setdefault(trials.table.arms[row].method, []).append(row)
    return found


@dataclass(frozen=True)
class Choice:
    """What a search chose."""

    row: int
    """The candidate, by its place in the table."""

    examples: float
    """Training examples that it used."""


def choices(
    table: Table, rows: list[int], raced: Outcome, search: Search, seed: int
) -> dict[str, Choice]:
    """Search with all examples of the race, and return the choice of each end."""
    rng = np.random.default_rng(seed)
    trials = Trials(table, rows, int(rng.integers(table.seeds)), raced.examples)
    with contextlib.suppress(Spent):
        search(trials, rng)
    return {
        "own choice": Choice(trials.best_first()[0], raced.examples - trials.left),
        "finals": _with_finals(trials, raced, rng),
    }


def _with_finals(trials: Trials, raced: Outcome, rng: np.random.Generator) -> Choice:
    """Cut a search to what the race used before its finals; test the best methods as the race does."""
    table = trials.table
    budget = raced.examples - _finals_examples(table, raced)
    trials = trials.with_examples(budget)
    best: dict[str, int] = {}
    for row in trials.best_first():
        best.setdefault(table.arms[row].method, row)
    going = list(best.values())[: RULES.finalists]
    others = [other for other in range(table.seeds) if other != trials.seed]
    seeds = np.array([rng.choice(others, RULES.looks[-1]) for _ in going])
    right = np.array([table.correct[row, own] for row, own in zip(going, seeds, strict=True)], float)
    used, had, costs, still = budget - trials.left, 0, table.costs[going], list(range(len(going)))
    for count in RULES.looks:
        used, had = used + (count - had) * len(still) * table.examples, count
        chosen, proved, left = judge(right[still, :count], costs[still], RULES.margin)
        row = going[still[chosen]]
        if proved:
            break
        still = [still[place] for place in left]
    return Choice(row, used)


def _finals_examples(table: Table, raced: Outcome) -> int:
    looks = [stage for stage in raced.race.stages if stage.name == "finals"]
    counts = [0, *(len(stage.seeds) for stage in looks)]
    trials = sum(
        len(stage.arms) * (now - before)
        for stage, before, now in zip(looks, counts, counts[1:], strict=False)
    )
    return trials * table.examples


RULES = RaceRules(baseline=race_table.BASELINE)
PEERS: dict[str, Search] = {
    "random": random_search,
    "ASHA, best half": asha(2),
    "ASHA, best third": asha(3),
    "TPE, median pruner": tpe("median"),
    "TPE, halving pruner": tpe("halving"),
}
ENDS = ("own choice", "finals")


def compare(table: Table, resamplings: int, pool: str) -> Iterator[tuple[str, str, list[Choice]]]:
    """Yield the name, the end and the choices of the race and of each peer."""
    raced = [replay(table, RULES, seed=seed) for seed in range(resamplings)]
    place = {arm: row for row, arm in enumerate(table.arms)}
    yield "auto", "finals", [Choice(place[one.chosen], one.examples) for one in raced]
    pools = [
        [place[arm] for arm in (table.arms if pool == "all" else one.race.stages[0].arms)]
        for one in raced
    ]
    for name, search in PEERS.items():
        found = [
            choices(table, rows, one, search, seed)
            for seed, (rows, one) in enumerate(zip(pools, raced, strict=True))
        ]
        for end in ENDS:
            yield name, end, [one[end] for one in found]


def line(table: Table, name: str, end: str, chosen: list[Choice]) -> str:
    """Return a row of the printed table."""
    regret = table.best - table.true_scores[[choice.row for choice in chosen]]
    near = regret <= RULES.margin
    error = 1.96 * math.sqrt(near.mean() * (1 - near.mean()) / len(near))
    units = np.mean([choice.examples for choice in chosen]) / table.examples
    costs = np.exp(np.log(table.costs[[choice.row for choice in chosen]]).mean())
    return (
        f"| {name} | {end} | {100 * near.mean():.1f} ± {100 * error:.1f} | {100 * regret.mean():+.2f} "
        f"| {100 * np.quantile(regret, 0.95):+.1f} | {units:.0f} | {costs:,.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resamplings", type=int, default=300)
    parser.add_argument(
        "--table", type=Path, action="append", help="files; all of the fixture by default"
    )
    parser.add_argument("--pool", choices=("race", "all"), default="race")
    given = parser.parse_args()
    for path in given.table or sorted(race_table.FIXTURE.glob("*.parquet")):
        table = race_table.read(path)
        print(
            f"\n{path.stem}: best {100 * table.best:.1f}, exhaustive "
            f"{table.exhaustive_examples // table.examples} trainings\n"
        )
        print(
            "| search | ends in | within 2 points, % | below the best | worst 5 % | trainings | trains |"
        )
        print("| --- | --- | --: | --: | --: | --: | --: |")
        for name, end, chosen in compare(table, given.resamplings, given.pool):
            print(line(table, name, end, chosen), flush=True)


if __name__ == "__main__":
    main()
