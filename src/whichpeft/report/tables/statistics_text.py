"""The statistics of a table in sentences that a paper can print."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.analysis import Comparison, MethodResult
from whichpeft.report.text import plain
from whichpeft.units import join_words, plural, points, show_count

_WORDS = (
    *("no", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)


def statistics_sentences(comparison: Comparison) -> list[str]:
    """Return what scores, intervals, gaps and verdicts are, and over how much they were taken.

    ``p-values are adjusted over eight methods`` counts all methods that were tested, shown or not.
    """
    scored = [result for result in comparison.results if result.seeds]
    if not scored:
        return ["No score yet."]
    return [*_scores(comparison, scored), *_gaps(comparison, scored), *_tuning(comparison, scored)]


def in_words(count: int, noun: str) -> str:
    """Show a count as a text does: ``eight methods``, ``13 methods``, ``one seed``."""
    word = _WORDS[count] if count < len(_WORDS) else show_count(count)
    return f"{word} {plural(noun, count)}"


def _scores(comparison: Comparison, scored: Sequence[MethodResult]) -> list[str]:
    counts = sorted({len(result.seeds) for result in scored})
    seeds = in_words(counts[-1], "seed")
    if len(counts) > 1:
        seeds = f"{_WORDS[counts[0]] if counts[0] < len(_WORDS) else counts[0]} to {seeds}"
    unit = "in hundredths of a nat per token" if comparison.metric == "log_likelihood" else "in points"
    metric = plain(comparison.metric or "the metric").replace("_", " ")
    mean = f"averaged over {seeds}" if counts[-1] > 1 else "from one seed"
    return [f"Scores are {metric} {unit}, {mean}{_intervals(comparison, scored, counts)}."]


def _intervals(comparison: Comparison, scored: Sequence[MethodResult], counts: list[int]) -> str:
    """Return what the 95 % intervals cover."""
    if all(result.score_high is None for result in scored):
        return "; there are no intervals"
    test = comparison.examples.get("test")
    examples = "test examples" if test is None else f"{show_count(test)} test examples"
    by_example = [result for result in scored if result.over_examples]
    if not by_example:
        return "; 95 % intervals cover seeds, for this test set"
    covered = f"seeds and {examples}" if counts[-1] > 1 else f"{examples} and not seeds"
    rest = len(scored) - len(by_example)
    without = f" ({in_words(rest, 'method')}: seeds only)" if rest else ""
    return f"; 95 % intervals cover {covered}{without}"


def _gaps(comparison: Comparison, scored: Sequence[MethodResult]) -> list[str]:
    baseline = comparison.baseline_result
    if baseline is None:
        return []
    name, margin = plain(comparison.baseline), f"{points(comparison.margin):.3g}"
    tested = {
        variant: sum(r.p_adjusted is not None for r in scored if r.variant == variant)
        for variant in ("default", "tuned")
    }
    both = all(tested.values())
    families = [
        in_words(count, f"{variant} method" if both else "method")
        for variant, count in tested.items()
        if count
    ]
    paired = "seed and test example" if baseline.over_examples else "seed"
    gap = f"Gaps are to {name}, paired by {paired}"
    if not families:
        return [f"{gap}."]
    adjusted = f"p-values are adjusted over {join_words(families)} (step-down maximum)"
    sentences = [
        f"{gap}; {adjusted}, so that in at most 5 % of studies any verdict of better or worse is "
        f"wrong; equivalent means within {margin} points (two one-sided tests at 5 %)."
    ]
    if any(result.verdict_low is not None for result in scored):
        sentences.append(
            "Gaps have the intervals that verdicts rest on: 90 % if equivalent, otherwise wide enough "
            "for all methods together."
        )
    if comparison.looks:
        looks = join_words([str(count) for count in comparison.looks])
        sentences.append(f"Looks at {looks} seeds share the 5 %.")
    return sentences


def _tuning(comparison: Comparison, scored: Sequence[MethodResult]) -> list[str]:
    trained = [result for result in scored if not result.trains_nothing]
    tuned = [result for result in trained if result.variant == "tuned"]
    if not trained:
        return []
    if not tuned:
        return ["Every method has its default hyperparameters."]
    which = "Hyperparameters" if len(tuned) == len(trained) else "Tuned hyperparameters"
    return [f"{which} were found by a search on the validation split."]
