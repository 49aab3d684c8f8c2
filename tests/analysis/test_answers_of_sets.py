"""Answers that are several at once: scores by type of entity, by tag and by label, and what is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from whichpeft.analysis import comparisons
from whichpeft.analysis.answers.sets import parts, spelled
from whichpeft.analysis.answers.summary import ExampleAnswers, example_answers
from whichpeft.analysis.check.predictions import prediction_findings
from whichpeft.metrics.metric import Array
from whichpeft.metrics.tagging import counts, entities
from whichpeft.records import ExampleTexts, Reading, Record, TaskReading
from whichpeft.report.page.answers import answers_section

from .. import builders

METHODS = ("full", "lora:r=8")
TAGS = ("O", "B-PER", "I-PER", "B-LOC")
WORDS = 7


def arrays_of(tags: Array, right: Array, names: Sequence[str] = TAGS) -> dict[str, Array]:
    """Return what a tagging task keeps of its predictions; each right tag has a probability of 0.5."""
    known = np.array([*names, "O"])
    lengths = (right >= 0).sum(axis=1)
    rows = [
        (*counts(known[t[:n]].tolist(), known[g[:n]].tolist()), n * np.log(2))
        for t, g, n in zip(right, tags, lengths, strict=True)
    ]
    return {
        "outputs": np.array(rows, dtype=np.float32),
        "labels": lengths,
        "tags": tags.astype(np.int16),
        "right": right.astype(np.int16),
    }


def studied(
    arrays: Sequence[Sequence[dict[str, Array]]],
    names: Sequence[str],
    metric: str,
    sentences: Sequence[str] = (),
) -> tuple[ExampleAnswers, list[str], dict[str, object]]:
    """Return the answers of a study, what `check` finds in them, and the page's variables."""
    records: list[Record] = []
    kept = {}
    for method, seeds in zip(METHODS, arrays, strict=True):
        for seed, found in enumerate(seeds):
            records.append(builders.final(method, seed, 0.9, metric=metric))
            kept[records[-1].trial.fingerprint] = found
    (comparison,) = comparisons(builders.study(METHODS), records, predictions=kept.get)
    problem = "multilabel" if metric.startswith("micro") else "tagging"
    about = TaskReading(
        name=comparison.task, problem=problem, classes=dict.fromkeys(names, 9), metric=metric
    )
    texts = ExampleTexts(
        task=comparison.task,
        data=comparison.data,
        places=tuple(range(len(sentences))),
        inputs=tuple((sentence,) for sentence in sentences),
    )
    reading = Reading(tasks=(about,))
    answers = example_answers(comparison, reading=reading, texts=[texts] if sentences else [])
    assert answers is not None
    found_wrong = [one.what for one in prediction_findings(comparison, kept.get, tuple(names))]
    section = answers_section(answers, comparison)
    assert section is not None
    return answers, found_wrong, section


def drawn(seed: int, sentences: int = 40, tags: int = len(TAGS)) -> tuple[Array, list[list[Array]]]:
    """Draw right tags, and those of two methods with two seeds each."""
    rng = np.random.default_rng(seed)
    right = rng.integers(0, tags, (sentences, WORDS))
    right[np.arange(WORDS) >= rng.integers(1, WORDS + 1, sentences)[:, None]] = -1

    def guess() -> Array:
        wrong = (right >= 0) & (rng.random(right.shape) < 0.3)
        return np.where(wrong, rng.integers(0, tags, right.shape), right)

    return right, [[guess() for _ in range(2)] for _ in METHODS]


def test_scores_by_type_are_those_of_entities() -> None:
    right, guesses = drawn(0)
    kept = [[arrays_of(tags, right) for tags in own] for own in guesses]
    answers, wrong, section = studied(kept, TAGS, "entity_f1")
    assert answers.kind == "tags"
    assert wrong == []
    known = np.array(TAGS)
    for one, own in zip(answers.classes, guesses, strict=True):
        assert [score.name for score in one.scores] == ["LOC", "PER"]
        for score in one.scores:
            by_seed = []
            for tags in own:
                true, found = (
                    {
                        (row, *entity)
                        for row, (t, n) in enumerate(zip(side, kept[0][0]["labels"], strict=True))
                        for entity in entities(known[t[:n]].tolist())
                        if entity[0] == score.name
                    }
                    for side in (right, tags)
                )
                hits = len(true & found)
                by_seed.append(
                    (hits / len(found), hits / len(true), 2 * hits / (len(found) + len(true)))
                )
                assert score.examples == len(true)
            expected = np.mean(by_seed, axis=0)
            assert (score.precision, score.recall, score.f1) == pytest.approx(tuple(expected))
        assert one.mistakes() == []
    differ = np.mean([(a != b).any(axis=1).mean() for a in guesses[0] for b in guesses[1] if a is not b])
    assert answers.disagreement.between[0][1] == pytest.approx(differ, abs=0.2)
    table = section["classes"]
    assert isinstance(table, dict)
    assert (table["of"], table["examples"]) == ("type", "entities")
    assert section["matrices"] == []


def test_wrong_sentences_show_their_entities() -> None:
    right = np.array([[1, 2, 0, 3], [0, 0, -1, -1], [0, 1, 0, -1]])
    good, bad = right.copy(), right.copy()
    bad[0] = [1, 0, 0, 0]
    bad[2, 1] = 0
    sentences = ("Ada Byron in Rome", "all good", "so Alan left")
    kept = [[arrays_of(bad, right)] * 2, [arrays_of(good, right)] * 2]
    answers, _, section = studied(kept, TAGS, "entity_f1", sentences)
    shown = {one.inputs[0]: one for one in answers.shown.split}
    assert set(shown) == {sentences[0], sentences[2]}
    assert shown[sentences[0]].right == "Ada Byron (PER), Rome (LOC)"
    assert shown[sentences[0]].answers == {
        "Ada (PER)": ("full",),
        "Ada Byron (PER), Rome (LOC)": ("lora:r=8",),
    }
    assert shown[sentences[2]].answers["no entity"] == ("full",)
    assert answers.disagreement.all_right == 1
    assert section["texts_kept"]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ([1, 2, 0, 3], "Ada Byron in Rome", "Ada Byron (PER), Rome (LOC)"),
        ([1, 2, 0, 3], "Ada Byron…", "Ada Byron (PER), word 4 (LOC)"),
        ([0, 0, -1, -1], "all good", "no entity"),
        ([0, -1, 1, -1], "cut out Ada", "Ada (PER)"),
    ],
)
def test_entities_in_words(pattern: list[int], text: str, expected: str) -> None:
    assert spelled("tags", np.array(pattern), TAGS, text) == expected


def test_tags_without_an_outside_are_counted_by_word() -> None:
    assert parts("tags", np.array([1, 1, 0, -1]), ("NOUN", "VERB")).total() == 3
    assert spelled("tags", np.array([1, 1, 0]), ("NOUN", "VERB"), "a b c") == "VERB VERB NOUN"
    right, guesses = drawn(1, tags=2)
    names = ("NOUN", "VERB")
    kept = [[arrays_of(tags, right, names) for tags in own] for own in guesses]
    answers, _, section = studied(kept, names, "token_accuracy")
    for one, own in zip(answers.classes, guesses, strict=True):
        expected = np.mean(
            [
                precision_recall_fscore_support(right[right >= 0], tags[right >= 0], zero_division=0)[2]
                for tags in own
            ],
            axis=0,
        )
        assert [score.f1 for score in one.scores] == pytest.approx(expected.tolist())
    table = section["classes"]
    assert isinstance(table, dict)
    assert (table["of"], table["examples"]) == ("tag", "words")


def test_scores_by_label_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    names = ("comedy", "drama", "war")
    truth = (rng.random((60, 3)) < 0.4).astype(np.float32)
    outputs = [[truth - 0.5 + rng.normal(size=truth.shape) for _ in range(2)] for _ in METHODS]
    kept = [[{"outputs": one.astype(np.float32), "labels": truth} for one in own] for own in outputs]
    answers, wrong, section = studied(kept, names, "micro_f1")
    assert answers.kind == "labels"
    assert wrong == []
    for one, own in zip(answers.classes, outputs, strict=True):
        expected = np.mean(
            [precision_recall_fscore_support(truth, found > 0, zero_division=0)[:3] for found in own],
            axis=0,
        )
        scores = np.array([(s.precision, s.recall, s.f1) for s in one.scores]).T
        np.testing.assert_allclose(scores, expected)
        assert [s.name for s in one.scores] == list(names)
    assert spelled("labels", np.array([1, 0, 1]), names, "") == "comedy, war"
    assert spelled("labels", np.array([0, 0, 0]), names, "") == "no label"
    table = section["classes"]
    assert isinstance(table, dict)
    assert table["of"] == "label"


def test_a_method_that_tags_all_words_alike_learned_nothing() -> None:
    right, guesses = drawn(3)
    flat = np.where(right >= 0, 0, -1)
    kept = [[arrays_of(tags, right) for tags in guesses[0]], [arrays_of(flat, right)] * 2]
    _, wrong, _ = studied(kept, TAGS, "entity_f1")
    assert len(wrong) == 1
    assert wrong[0].startswith("it predicts one class only (O)")
