"""What decides a problem and a class, and what is said about it."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from whichpeft.errors import DataError
from whichpeft.running.reading import read_of_task
from whichpeft.study import TaskSource
from whichpeft.tasks import load_task, text_task
from whichpeft.tasks.assemble import assemble
from whichpeft.tasks.labels import class_name, infer_problem, number
from whichpeft.tasks.splits import Split
from whichpeft.tasks.text import TextTask


def rows(labels, start=0):
    return [(f"some text number {start + i}", label) for i, label in enumerate(labels)]


def task(labels, *, test=None, validation=None, **options):
    """A task with these training labels; the other splits have the same ones unless given."""
    few = list(dict.fromkeys(labels)) * 6
    return text_task(
        "made up",
        train=rows(labels),
        validation=rows(validation or few, 10_000),
        test=rows(test or few, 20_000),
        **options,
    )


def table(tmp_path, labels, **options):
    frame = pd.DataFrame(
        {"text": [f"some text number {i}" for i in range(len(labels))], "label": labels}
    )
    frame.to_csv(tmp_path / "data.csv", index=False)
    return load_task(TaskSource(name=str(tmp_path / "data.csv"), **options))


@pytest.mark.parametrize(
    "spelling",
    [
        ["0", "1", "2"],
        [0, 1, 2],
        [0.0, 1.0, 2.0],
        ["0.0", "1.0", "2.0"],
        ["0.00", "1.00", "2.00"],
        ["0.", "1.", "2."],
        [" 0", "1 ", " 2 "],
        ["0e0", "1e0", "2e0"],
        [f"{i:.18e}" for i in range(3)],
        list(np.array([0, 1, 2])),
        list(np.array([0, 1, 2], dtype=np.float32)),
        [Decimal(0), Decimal("1.0"), Decimal(2)],
    ],
)
def test_whole_numbers_are_classes_however_they_are_written(spelling):
    found = task(spelling * 10)
    assert found.problem == "classification"
    assert found.classes == ("0", "1", "2")
    assert found.fingerprint == task([0, 1, 2] * 10).fingerprint


@pytest.mark.parametrize(
    ("labels", "problem", "note"),
    [
        ([1.0, 1.5, 2.0, 2.5], "regression", "labels 1.0, 1.5, 2.0 and 2.5|labels 1, 1.5, 2 and 2.5"),
        (
            list(range(21)),
            "regression",
            "labels 0 to 20 are read as numbers .* 21 different whole numbers",
        ),
        ([1, 2, 3, 4, 5], "classification", "labels 1, 2, 3, 4 and 5 are read as 5 classes"),
        ([0.0, 1.0, 2.0], "classification", "labels 0, 1 and 2 are read as 3 classes; .*regression"),
        (["6,8", "7,4", "5,0"], "classification", "labels such as '6,8' are read as names of 3 classes"),
        (["50%", "75%"], "classification", "labels such as '50%' are read as names of 2 classes"),
        (["001", "002", *(f"{i:03}" for i in range(3, 30))], "classification", None),
        ([f"{i}_{i}" for i in range(30)], "classification", None),
        ([i / 7 for i in range(30)], "regression", None),
        ([0, 1, 2, 3], "classification", None),
        ([0.0, 1.0], "classification", None),
        ([-1, 1], "classification", None),
        (["yes", "no"], "classification", None),
        ([True, False], "classification", None),
        ([1.5, float("inf")], "classification", None),
    ],
)
def test_the_problem_is_said_when_it_was_a_guess(labels, problem, note):
    found = task(labels * 10)
    assert found.problem == problem
    assert read_of_task(found).problem == problem
    if note is None:
        assert found.notes == ()
    else:
        assert [one for one in found.notes if pd.Series([one]).str.contains(note)[0]]
    asked = task(labels * 10, problem=problem)
    assert not [one for one in asked.notes if "are read as" in one]


def test_names_of_classes():
    assert [class_name(label) for label in (True, np.True_, "True", "007", "3.10", "+1", "-0.0")] == [
        "true",
        "true",
        "True",
        "007",
        "3.10",
        "+1",
        "0",
    ]
    assert class_name("e\u0301tat") == class_name("\u00e9tat")
    assert number("1_2") is None
    assert infer_problem(["12_1", "3_4"]) == "classification"


@pytest.mark.parametrize("marker", ["NA", "N/A", "nan", "None", "null", "?", "-", "unlabeled"])
def test_a_marker_among_numbers_is_no_class(marker):
    found = task([0, 1, 1] * 20 + [marker] * 5, test=[0, 1] * 8 + [marker])
    assert found.classes == ("0", "1")
    assert found.counts == {"train": 60, "validation": 12, "test": 16}
    said = [note for note in found.notes if "left out as unlabelled" in note]
    assert [note.split(": ")[1].split(" with")[0] for note in said] == [
        "5 examples",
        "6 examples",
        "1 example",
    ]


@pytest.mark.parametrize(
    ("labels", "marker", "note"),
    [
        (["pos", "neg"] * 40, "nan", "are a class of their own"),
        (["DE", "FR", "ZA"] * 40, "NA", "are a class of their own"),
        ([0, 1] * 40, "-1", "are a class of their own"),
        (["entailment", "neutral", "contradiction"] * 30, "-", "left out as unlabelled"),
        (["ENTAILMENT", "NEUTRAL", "CONTRADICTION"] * 30, "-", "left out as unlabelled"),
        ([1, 2, 3, 4] * 30, "-1", "left out as unlabelled"),
        ([1, 2] * 40, "-1", "are a class of their own"),
        (["\u6b63", "\u8d1f"] * 40, "\uff1f", "are a class of their own"),
        ([0, 1] * 40, "\u2014", "left out as unlabelled"),
        ([0, 1, 2] * 30, -1, "left out as unlabelled"),
        ([0, 1, 2] * 30, -1.0, "left out as unlabelled"),
        ([0, 1] * 30, -100, "left out as unlabelled"),
        (["against", "favor"] * 30, "none", None),
        (["+"] * 40, "-", None),
        ([1] * 8, -1, None),
    ],
)
def test_a_marker_that_may_be_a_class_stays_one_with_a_note(labels, marker, note):
    found = task(labels + [marker] * 6)
    said = [one for one in found.notes if repr(class_name(marker)) in one and "fewer than" not in one]
    kept = class_name(marker) in found.classes
    assert kept == (note is None or "own" in note)
    assert all(note is not None and note in one for one in said)
    assert bool(said) == (note is not None)
    if kept:
        assert found.class_counts[class_name(marker)] == 18


def test_minus_one_is_a_value_of_a_regression_and_of_a_scale():
    assert "-1" in task([-1, 0, 1] * 20).classes
    assert task([-1, 0, 1] * 20).counts["train"] == 60
    values = task([-1, *range(30)] * 2, test=[-1, 4, 5] * 5)
    assert values.counts["train"] == 62
    assert values.counts["test"] == 15
    assert values.problem == "regression"


def test_gold_label_of_snli(tmp_path):
    lines = [
        {"gold_label": label, "sentence1": f"a man number {i}", "sentence2": f"he walks {i} miles"}
        for i, label in enumerate(["-", "yes", "no", "perhaps"] * 20)
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = load_task(TaskSource(name=str(tmp_path / "train.jsonl")))
    assert found.classes == ("no", "perhaps", "yes")
    assert any("20 examples with the label '-' are left out" in note for note in found.notes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("positive", "Positive"),
        ("positive", "POSITIVE"),
        ("positive", "\uff50ositive"),
        ("positive", "pos\u200bitive"),
        ("positive", '"positive"'),
        ("not spam", "not_spam"),
        ("not spam", "Not-Spam"),
        ("True", "TRUE"),
        ("istanbul", "\u0130stanbul"),
        ("stra\u00dfe", "STRASSE"),
        ("spam", "sp\u0430m"),
        ("7", "007"),
        ("1", "+1"),
    ],
)
def test_spellings_of_one_name_are_said(one, other):
    found = task([one] * 40 + [other] * 8 + ["else"] * 20)
    assert {one, other} < set(found.classes)
    (note,) = (note for note in found.notes if "differ only in spelling" in note)
    assert f"classes {one!r} (52) and {other!r} (20)" in note


def test_a_rare_misspelling_is_said():
    few = ["positive", "negative"] * 9
    found = task(["positive"] * 100 + ["negative"] * 90 + ["postive"] * 2, test=few, validation=few)
    assert any("'postive' (2) may be a misspelling of 'positive' (118)" in note for note in found.notes)


@pytest.mark.parametrize(
    "names",
    [["A", "A-", "B"], ["C", "C++", "C#"], ["a", "A", "b"], ["class1", "class2"], ["moral", "amoral"],
     ["male", "female"], ["positive", "negative"], ["happy", "unhappy"]],
)  # fmt: skip
def test_other_names_are_no_spellings(names):
    assert task(names * 20).notes == ()


def test_composed_and_decomposed_accents_are_one_class():
    found = task(["caf\u00e9", "th\u00e9"] * 20 + ["cafe\u0301"] * 5)
    assert found.classes == ("caf\u00e9", "th\u00e9")
    assert found.class_rows["train"] == {"caf\u00e9": 25, "th\u00e9": 20}


def test_a_spelling_that_train_lacks_is_refused_with_its_twin():
    with pytest.raises(
        DataError, match=r"label 'Positive' never occurs .* 'Positive' may be 'positive'"
    ):
        task(["positive", "negative"] * 20, test=["Positive", "negative"] * 9)


def test_rare_and_lacking_classes_are_said_and_counted():
    found = task(
        ["a"] * 40 + ["b"] * 30 + ["c"] * 3, test=["a", "b"] * 9, validation=["a", "b", "c"] * 5
    )
    assert "1 of 3 classes has fewer than 5 training examples: 'c' (3)" in found.notes
    assert "the test set lacks 1 of 3 classes: 'c'" in found.notes
    reading = read_of_task(found)
    assert reading.class_rows["test"] == {"a": 9, "b": 9, "c": 0}
    assert reading.classes == {"a": 54, "b": 44, "c": 8}
    ordinary = task(["a"] * 40 + ["b"] * 30)
    assert ordinary.notes == ()


def test_a_one_sided_test_set_is_said():
    found = task(["genuine"] * 90 + ["fraud"] * 10, test=["genuine"] * 57 + ["fraud"] * 3)
    assert any("95 % of the test examples are of class 'genuine'" in note for note in found.notes)
    few = task(["a", "b"] * 10, test=["a", "b", "a"])
    assert "the test set has only 3 examples, too few to tell methods apart" in few.notes


def test_f1_has_its_class_in_the_name_in_the_fingerprint_and_in_chance(tmp_path):
    labels = ["fraud" if i % 5 == 0 else "genuine" for i in range(300)]
    found = table(tmp_path, labels, metric="f1")
    assert found.metrics[0].name == "f1:fraud"
    assert read_of_task(found).positive_class == "fraud"
    assert any("f1 is of class 'fraud', the rarer one" in note for note in found.notes)
    named = table(tmp_path, labels, metric="f1:fraud")
    assert named.fingerprint == found.fingerprint
    assert not [note for note in named.notes if note.startswith("f1 ")]
    other = table(tmp_path, labels, metric="f1:genuine")
    assert len({found.fingerprint, other.fingerprint, table(tmp_path, labels).fingerprint}) == 3
    # The best constant answer is the class itself.
    for one in (found, other):
        truth = np.array(one.classes)[one.splits["test"].labels]
        positive = one.metrics[0].positive_class
        best = max(
            f1_score(truth, np.full(len(truth), answer), pos_label=positive) for answer in one.classes
        )
        assert one.chance == pytest.approx(best)
    numbers = table(tmp_path, [float(i % 5 == 0) for i in range(300)], metric="f1:1.0")
    assert numbers.metrics[0].name == "f1:1"


def test_f1_of_a_class_that_a_split_lacks_is_refused():
    pairs = {"train": ["a"] * 40 + ["b"] * 40 + ["c"] * 9, "validation": ["a", "b", "c"] * 5}
    pairs["test"] = ["a", "b"] * 9
    splits = {
        name: Split(tuple((f"{name} text {i}",) for i in range(len(labels))), tuple(labels), name)
        for name, labels in pairs.items()
    }
    with pytest.raises(DataError, match="'f1:c': the test set has no example of this class"):
        assemble(TextTask, "made up", **splits, metric="f1:c")


def test_macro_f1_of_data_that_lack_a_class_has_another_fingerprint(tmp_path):
    def load(test):
        for name, labels in {
            "train": ["a", "b", "c"] * 20,
            "validation": ["a", "b", "c"] * 5,
            "test": test,
        }.items():
            texts = [f"{name} text number {i}" for i in range(len(labels))]
            pd.DataFrame({"text": texts, "label": labels}).to_csv(tmp_path / f"{name}.csv", index=False)
        return load_task(TaskSource(name=str(tmp_path), metric="macro_f1"))

    whole, lacking = load(["a", "b", "c"] * 4), load(["a", "b"] * 6)
    assert whole.notes == ()
    assert lacking.notes == (
        "the test set lacks 1 of 3 classes: 'c'; macro_f1 there is the mean over the others",
    )
    truth = lacking.splits["test"].labels
    expected = f1_score(truth, np.zeros(12), labels=[0, 1], average="macro", zero_division=0)
    assert lacking.chance == pytest.approx(expected)


@pytest.mark.parametrize("marker", ["?", "-", "NA", "-1", "unlabelled"])
def test_a_test_file_of_markers_alone_has_no_labels(tmp_path, marker):
    splits = {"train": ["a", "b"] * 30, "dev": ["a", "b"] * 10, "test": [marker] * 12}
    for name, labels in splits.items():
        texts = [f"{name} text number {i}" for i in range(len(labels))]
        pd.DataFrame({"text": texts, "label": labels}).to_csv(tmp_path / f"{name}.csv", index=False)
    found = load_task(TaskSource(name=str(tmp_path)))
    assert found.counts["test"] == 20
    assert any("test.csv is not used, because it has no labels" in note for note in found.notes)


def test_many_values_are_read_in_no_time():
    values = [i / 7 for i in range(30_000)]
    began = time.perf_counter()
    found = task(values, test=values[:500], validation=[i / 3 for i in range(5000)])
    assert found.problem == "regression"
    assert time.perf_counter() - began < 20


def test_truth_values_next_to_their_numbers_are_said(tmp_path):
    labels = [1, "1", True, 0, "0", False, 1, 0] * 10
    lines = [json.dumps({"text": f"some text {i}", "label": one}) for i, one in enumerate(labels)]
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    found = load_task(TaskSource(name=str(tmp_path / "data.jsonl")))
    assert found.class_counts == {"0": 30, "1": 30, "false": 10, "true": 10}
    alike = [note for note in found.notes if "differ only in spelling" in note]
    assert len(alike) == 2
    assert "'1' (30) and 'true' (10)" in " ".join(alike)
    assert "'0' (30) and 'false' (10)" in " ".join(alike)
    assert not any("spelling" in note for note in task([True, False] * 20).notes)


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (list(range(0, 100, 5)), "from 0 to 95 in the test set"),
        ([5.5, 6.5], "from 5.5 to 6.5 in the test set"),
        ([i / 20 for i in range(20)], None),
        ([0.4, 0.41], None),
    ],
)
def test_values_on_another_scale_than_in_train_are_said(test, said):
    train = [i / 30 for i in range(31)]
    found = task(train, test=test, validation=train)
    noted = [note for note in found.notes if "on one scale" in note]
    assert len(noted) == (said is not None)
    assert all(f"from 0 to 1 in the training set, but {said}" in note for note in noted)


def test_examples_without_a_text_are_said_by_number():
    train = [*rows(["a", "b"] * 10), ("", "a"), (" \n", "b")]
    found = text_task("made up", train=train, validation=rows("ab", 50), test=rows("ab", 70))
    (note,) = (note for note in found.notes if "is empty" in note)
    assert "[train]: the text of examples 20 and 21 is empty" in note
    assert not any("is empty" in note for note in task(["a", "b"] * 10).notes)
