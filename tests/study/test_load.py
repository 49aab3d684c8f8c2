"""Study files: read strictly, with messages that name the file, the key and the fix."""

from pathlib import Path

import pytest

from whichpeft.errors import StudyError
from whichpeft.study import Budget, Study, TaskSource, dump_study, load_study
from whichpeft.tasks import text_task

GOOD = """
backbones: [minilm]
tasks: [glue/sst2]
methods: [full, "lora:r=8"]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return path


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, GOOD))
    assert study.name == "study"
    assert study.seeds == (0, 1, 2)
    assert study.budget == Budget()
    assert study.tasks == (TaskSource(name="glue/sst2"),)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    data = tmp_path / "pairs.tsv"
    data.write_text("x")
    study = Study(
        name="mine",
        backbones=["minilm", "bert-base-uncased"],
        tasks=[TaskSource(name=str(data), text_columns=("1", "2"), label_column="4"), "glue/rte"],
        methods=["full", "lora:r=8"],
        seeds=[3, 5],
        budget=Budget(epochs=2, max_train=100, early_stopping=1),
        threads=2,
        same_targets=False,
        baseline="lora:r=8",
    )
    assert load_study(write(tmp_path, dump_study(study))) == study


def test_relative_paths_start_at_the_study_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    study = load_study(write(tmp_path, GOOD.replace("glue/sst2", "./data")))
    assert study.tasks[0].name == str(tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            GOOD + "budget: {epoch: 3}",
            r"\[budget\]: unknown key 'epoch'; did you mean 'epochs'",
        ),
        (GOOD + "seed: [1]", "unknown key 'seed'; did you mean 'seeds'"),
        (GOOD + "budget: {epochs: three}", r"\[budget.epochs\].*three"),
        (GOOD + "budget: {epochs: 0}", "budget: epochs is 0; it has to be 1 or more"),
        (GOOD + "budget: {tuning_trials: -1}", "tuning_trials is -1"),
        (
            GOOD.replace("glue/sst2", "{name: a, label_colum: b}"),
            "'label_colum'; did you mean 'label_column'",
        ),
        (GOOD + "precision: float8", "unknown precision 'float8'"),
        (GOOD + "seeds: [1, 1]", "names 1 twice"),
        (GOOD + "threads: 0", "threads is 0"),
        ("backbones: [minilm]\ntasks: [t]", "'methods' is missing"),
        ("backbones: [minilm]\ntasks: [t]\nmethods: []", "methods is empty"),
        ("- a\n- b", "is a mapping"),
        ("a: [", "not valid YAML"),
        ("a: !!python/object:os.system {}", "not valid YAML"),
    ],
)
def test_a_mistake_is_reported_with_file_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(StudyError, match=complaint) as caught:
        load_study(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"nowhere.yaml: no such study file"):
        load_study(tmp_path / "nowhere.yaml")


def test_a_fingerprint_does_not_depend_on_the_spelling() -> None:
    from whichpeft.study import Trial

    def trial(**changes: object) -> Trial:
        fields: dict[str, object] = {
            "purpose": "final",
            "backbone": "minilm",
            "backbone_revision": "r",
            "task": "t",
            "data": "d",
            "method": "lora:r=8",
            "method_id": "lora",
            "hyperparameters": {"r": 8, "learning_rate": 1e-3},
            "seed": 0,
            "budget": Budget(),
        }
        return Trial(**(fields | changes))  # type: ignore[arg-type]

    assert trial(method="lora").fingerprint == trial().fingerprint
    other = [{"seed": 1}, {"purpose": "profile"}, {"data": "e"}, {"budget": Budget(epochs=4)}]
    other += [{"hyperparameters": {"r": 8, "learning_rate": 2e-3}}, {"backbone_revision": "s"}]
    assert len({trial(**change).fingerprint for change in other} | {trial().fingerprint}) == 7


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"task": text_task("mine", train=[(f"a {i}", "yes" if i % 2 else "no") for i in range(20)])},
         "tasks holds a TextTask.*TaskSource.*plug-in"),
        ({"methods": [object()]}, "methods holds a object.*'lora:r=8'"),
        ({"backbone": 3}, "backbones holds a int"),
        ({"methods": "full"}, r"methods is a list; write methods=\['full'\]"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_reported_with_the_fix(asked: dict[str, object], complaint: str) -> None:
    usual = {"backbone": "minilm", "task": "stdlib-docs", "methods": ["full"]}
    with pytest.raises(StudyError, match=complaint):
        Study(**(usual | asked))
