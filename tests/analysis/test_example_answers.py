"""How methods answered the test examples: by class, two by two, and which examples are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from whichpeft.analysis import comparisons
from whichpeft.analysis.answers.summary import ExampleAnswers, example_answers
from whichpeft.metrics.metric import Array
from whichpeft.records import ExampleTexts, Reading, Record, TaskReading

from .. import builders

METHODS = ("full", "lora:r=8")


def answered(
    outputs: Mapping[str, Sequence[Array]],
    labels: Array,
    *,
    metric: str = "accuracy",
    method: str | None = None,
    reading: Reading | None = None,
    texts: Sequence[ExampleTexts] = (),
    more: Mapping[str, Array] | None = None,
) -> ExampleAnswers | None:
    """Return what is known of a study whose methods have these outputs, one array per seed."""
    records: list[Record] = []
    arrays = {}
    for method_, seeds in outputs.items():
        for seed, found in enumerate(seeds):
            records.append(builders.final(method_, seed, 0.9, metric=metric))
            arrays[records[-1].trial.fingerprint] = {
                "outputs": np.asarray(found, dtype=np.float32),
                "labels": labels,
                **(more or {}),
            }
    study = builders.study(tuple(outputs))
    (comparison,) = comparisons(study, records, predictions=arrays.get)
    return example_answers(comparison, method, reading=reading, texts=texts)


def of_classes(answers: Sequence[int], classes: int, sure: float = 4.0) -> Array:
    """Return outputs whose highest is at the class that is answered."""
    return sure * np.eye(classes, dtype=np.float32)[np.asarray(answers)]


def test_scores_by_class_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 200, p=[0.6, 0.25, 0.1, 0.05])
    outputs = {
        method: [rng.normal(size=(200, 4)) + 2 * np.eye(4)[labels] for _ in range(3)]
        for method in METHODS
    }
    # The third class is never answered by one trial: its precision is undefined and counts as 0.
    outputs["full"][0][:, 2] = -10
    found = answered(outputs, labels)
    assert found is not None
    assert found.kind == "classes"
    assert found.examples == 200
    for one in found.classes:
        each = [o.argmax(axis=1) for o in outputs[one.method]]
        expected = np.mean(
            [
                precision_recall_fscore_support(labels, e, labels=range(4), zero_division=0)[:3]
                for e in each
            ],
            axis=0,
        )
        scores = np.array([(s.precision, s.recall, s.f1) for s in one.scores]).T
        np.testing.assert_allclose(scores, expected)
        matrices = [confusion_matrix(labels, e, labels=range(4)) for e in each]
        np.testing.assert_allclose(one.confusion, np.mean(matrices, axis=0))
        assert [s.examples for s in one.scores] == np.bincount(labels).tolist()
        assert [s.name for s in one.scores] == ["0", "1", "2", "3"]


def test_classes_have_the_names_of_the_data_and_mistakes_are_ordered():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    reading = Reading(
        tasks=(
            TaskReading(
                name="glue/sst2",
                problem="classification",
                metric="accuracy",
                classes={"dog": 4, "cat": 2, "cow": 1},
            ),
        )
    )
    found = answered({"full": [of_classes([1, 1, 2, 0, 0, 1, 2], 3)]}, labels, reading=reading)
    assert found is not None
    (one,) = found.classes
    assert [s.name for s in one.scores] == ["dog", "cat", "cow"]
    assert one.mistakes() == [("dog", "cat", 2.0), ("dog", "cow", 1.0), ("cat", "dog", 1.0)]


def test_disagreement_counts_pairs_of_different_seeds():
    labels = np.zeros(10, dtype=np.int64)
    none, one, three = [0] * 10, [1] + [0] * 9, [0] * 7 + [1] * 3
    found = answered(
        {
            "full": [of_classes(none, 2), of_classes(one, 2)],
            "lora:r=8": [of_classes(three, 2), of_classes(three, 2)],
        },
        labels,
    )
    assert found is not None
    between = found.disagreement.between
    # full with itself: seeds 0 and 1. full with lora: seed 0 with 1 (3 of 10), and 1 with 0 (4 of 10).
    np.testing.assert_allclose(np.array(between, float), [[0.1, 0.35], [0.35, 0.0]])
    assert not found.disagreement.same_seeds
    assert (found.disagreement.all_right, found.disagreement.all_wrong) == (6, 0)


def test_with_one_seed_pairs_have_the_same_seed_and_no_diagonal():
    labels = np.array([0, 0, 1, 1])
    found = answered(
        {"full": [of_classes([0, 0, 1, 0], 2)], "lora:r=8": [of_classes([0, 1, 1, 0], 2)]}, labels
    )
    assert found is not None
    assert found.disagreement.between == ((None, 0.25), (0.25, None))
    assert found.disagreement.same_seeds
    assert found.disagreement.all_wrong == 1


def texts_of(count: int, **changed: object) -> ExampleTexts:
    fields: dict[str, object] = {
        "task": "glue/sst2",
        "data": "d1",
        "places": tuple(range(count)),
        "inputs": tuple((f"text {n}",) for n in range(count)),
    }
    return ExampleTexts(**(fields | changed))  # type: ignore[arg-type]


def test_shown_examples_are_the_surest_mistakes_and_the_real_differences():
    labels = np.array([0, 0, 0, 0, 0, 0])
    sure, unsure = np.array([-4.0, 4.0]), np.array([-0.1, 0.1])
    right = np.array([4.0, -4.0])
    full = np.stack([sure, right, right, unsure, sure, right])
    lora = np.stack([unsure, right, right, right, right, sure])
    found = answered(
        {"full": [full, full], "lora:r=8": [lora, lora]}, labels, method="full", texts=[texts_of(6)]
    )
    assert found is not None
    shown = found.shown
    assert shown.of_method == "full"
    assert [one.place for one in shown.wrong_with_all] == [0]
    assert [one.place for one in shown.wrong] == [4, 3]
    assert sorted(one.place for one in shown.split) == [3, 4, 5]
    (first, *_) = shown.wrong
    assert first.inputs == ("text 4",)
    assert (first.right, first.answers) == ("0", {"1": ("full",), "0": ("lora:r=8",)})


def test_only_examples_with_an_excerpt_are_shown_and_none_of_other_data():
    labels = np.zeros(6, dtype=np.int64)
    outputs = {"full": [of_classes([1] * 6, 2)]}
    kept = texts_of(2, places=(1, 4))
    found = answered(outputs, labels, texts=[kept])
    assert found is not None
    assert sorted(one.place for one in found.shown.wrong_with_all) == [1, 4]
    other = answered(outputs, labels, texts=[texts_of(6, data="other")])
    assert other is not None
    assert len(other.shown.wrong_with_all) == 5
    assert all(one.inputs == () for one in other.shown.wrong_with_all)


def test_values_have_errors_and_their_unit():
    labels = np.array([1.0, 2.0, 3.0])
    found = answered(
        {"full": [[[1.0], [2.5], [3.0]]], "lora:r=8": [[[0.0], [2.0], [2.0]]]},
        labels,
        metric="pearson",
        method="lora:r=8",
    )
    assert found is not None
    assert found.kind == "values"
    full, lora = found.errors
    assert (full.mean_absolute, full.bias, full.largest) == pytest.approx((0.5 / 3, 0.5 / 3, 0.5))
    assert (lora.mean_absolute, lora.bias, lora.largest) == pytest.approx((2 / 3, -2 / 3, 1.0))
    assert [one.place for one in found.shown.wrong] == [0, 2]
    assert found.shown.wrong[0].answers == {"1.00": ("full",), "0.00": ("lora:r=8",)}
    assert found.disagreement.between[0][1] == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.classes == ()


def test_generated_texts_are_right_or_wrong_and_shown():
    labels = np.array([11, 12])  # hashes of the answers
    texts = texts_of(2, answers=("seven", "eight"))
    found = answered(
        {"full": [[[1, 1], [0, 1]]]},
        labels,
        metric="exact_match",
        texts=[texts],
        more={"answers": np.array(["seven", "eleven,\n or so"])},
    )
    assert found is not None
    assert found.kind == "marks"
    (one,) = found.shown.wrong_with_all
    assert (one.place, one.right, one.answers) == (1, "eight", {"eleven, or so": ("full",)})
    assert one.right_by == ()
    # A text that is judged right need not be the words of the data.
    found = answered(
        {"full": [[[1, 1], [0, 1]]], "lora:r=8": [[[0, 1], [0, 1]]]},
        labels,
        metric="exact_match",
        texts=[texts],
        more={"answers": np.array(["it is 7", "8?"])},
    )
    assert found is not None
    assert [(one.place, one.right_by) for one in found.shown.split] == [(0, ("full",))]
    other = {"full": [[[2.5, 1], [0, 1]]]}  # a metric of the harness that is no share
    assert answered(other, labels, metric="lm-eval:score") is None


def test_choices_are_classes_only_if_all_examples_have_the_same():
    labels = np.array([0, 1])
    likelihoods = np.zeros((2, 2, 2), dtype=np.float32)
    likelihoods[:, 1] = 1
    outputs = {"full": [likelihoods]}
    numbered = answered(outputs, labels, metric="acc", texts=[texts_of(2, answers=("no", "no"))])
    assert numbered is not None
    assert numbered.classes == ()
    (one,) = numbered.shown.wrong_with_all
    assert (one.right, one.answers) == ("no", {"choice 2": ("full",)})
    named = answered(outputs, labels, metric="acc", texts=[texts_of(2, choices=("no", "yes"))])
    assert named is not None
    assert [s.name for s in named.classes[0].scores] == ["no", "yes"]


def test_a_method_that_trains_nothing_is_left_out_and_likelihoods_have_no_answers():
    labels = np.array([0, 1])
    record = builders.final("full", 0, 0.9)
    idle = builders.final("zero-shot", 0, 0.5, adapter=-builders.HEAD)
    arrays = {
        record.trial.fingerprint: {"outputs": of_classes([0, 1], 2), "labels": labels},
        idle.trial.fingerprint: {"outputs": of_classes([0, 0], 2), "labels": labels},
    }
    (comparison,) = comparisons(
        builders.study(("full", "zero-shot")), [record, idle], predictions=arrays.get
    )
    found = example_answers(comparison)
    assert found is not None
    assert found.left_out == ("zero-shot",)
    assert [one.method for one in found.classes] == ["full"]
    assert answered({"full": [np.ones((2, 2))]}, labels, metric="log_likelihood") is None


@pytest.mark.parametrize("metric", ["accuracy", "pearson"])
def test_a_pair_is_not_expected_to_disagree_less_than_its_methods_with_themselves(metric):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 400)
    if metric == "accuracy":
        # Both methods answer by the same probabilities: the least that they can disagree.
        outputs = {m: [rng.normal(size=(400, 3)) + np.eye(3)[labels] for _ in range(8)] for m in METHODS}
    else:
        outputs = {m: [(labels + rng.normal(size=400))[:, None] for _ in range(8)] for m in METHODS}
    found = answered(outputs, labels, metric=metric)
    assert found is not None
    (one, pair), (_, other) = found.disagreement.between
    assert one is not None
    assert pair is not None
    assert other is not None
    assert pair == pytest.approx((one + other) / 2, rel=0.05)
