"""Tags of words and several labels per text are predicted as the study did, by script and by command."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.protein_models import sequences, write_esm

from whichpeft.errors import DataError
from whichpeft.metrics.tagging import counts, entity_f1
from whichpeft.study import TaskSource
from whichpeft.takeaway.predict import predict
from whichpeft.tasks import load_task
from whichpeft.tasks.tagging import TaggingTask
from whichpeft.tasks.tagging.words import split_words

from .conftest import Take, Taken
from .test_predict import own_script

PEOPLE, PLACES = ("Ada", "Grace", "Alan", "Linus"), ("Zurich", "Paris", "New York")
LABELS = ("comedy", "drama", "war")


def test_words_and_punctuation_stand_apart() -> None:
    text = "Ada's e-mail, sent (v3.11) to U.S. troops: done!"
    assert " ".join(split_words(text)) == "Ada's e-mail , sent ( v3.11 ) to U.S . troops : done !"


@pytest.fixture(scope="module")
def conll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of CoNLL files: people in places."""
    folder = tmp_path_factory.mktemp("data") / "people"
    folder.mkdir()
    verbs = ("saw", "left", "liked", "reached", "missed")
    rows = [
        (f"{one} O\n" * extra) + f"{person} B-PER\n{verb} O\n" + place_lines(place) + ". O\n"
        for person in PEOPLE
        for place in PLACES
        for verb in verbs
        for one, extra in (("today", 1), ("", 0))
    ]
    mixed = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    for name, part in (("train", mixed[:60]), ("dev", mixed[60:90]), ("test", mixed[90:])):
        (folder / f"{name}.conll").write_text("\n".join(part))
    return folder


def place_lines(place: str) -> str:
    first, *others = place.split()
    return f"{first} B-LOC\n" + "".join(f"{word} I-LOC\n" for word in others)


@pytest.fixture
def tagger(take_away: Take, conll: Path, tiny_backbone: Path) -> Taken:
    return take_away("lora:r=4", TaskSource(name=str(conll)), str(tiny_backbone))


def test_tags_of_words(
    tagger: Taken, conll: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_task(TaskSource(name=str(conll)))
    assert isinstance(task, TaggingTask)
    score = tagger.record.value("score", "test")
    said = predict(tagger.folder, conll / "test.conll")
    assert said.metric == "entity_f1"
    assert said.score == pytest.approx(score)
    assert list(said.columns) == ["sentence", "word", "tag", "prediction", "probability"]
    words = task.splits["test"].words
    assert len(said.answers) == sum(map(len, words))
    script = own_script(tagger.folder, tmp_path, monkeypatch, plain=True)
    found = script(list(words))
    assert [tag for own in found for tag, _ in own] == list(said.answers)
    chances = [chance for own in found for _, chance in own]
    np.testing.assert_allclose(chances, said.probabilities, atol=2e-3)
    right = [[task.classes[number] for number in own] for own in task.splits["test"].tags]
    pairs = zip(right, found, strict=True)
    counted = sum(counts(true, [tag for tag, _ in own]) for true, own in pairs)
    assert entity_f1(counted) == pytest.approx(score)  # type: ignore[arg-type]


def test_sentences_in_other_files(tagger: Taken, tmp_path: Path) -> None:
    """Words without tags, lists in JSONL and plain texts get the same tags."""
    texts = {
        "new.conll": "Ada\nsaw\nParis\n.\n\nAlan\nleft\n",
        "new.jsonl": '{"id": 1, "tokens": ["Ada", "saw", "Paris", "."]}\n'
        '{"id": 2, "tokens": ["Alan", "left"]}\n',
        "new.csv": "id,text\n1,Ada saw Paris.\n2,Alan left\n",
        "new.txt": "Ada saw Paris.\nAlan left\n",
    }  # fmt: skip
    found = {}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        found[name] = predict(tagger.folder, tmp_path / name)
    first = found["new.conll"]
    assert first.columns["word"] == ["Ada", "saw", "Paris", ".", "Alan", "left"]
    assert first.columns["sentence"] == [1, 1, 1, 1, 2, 2]
    assert first.score is None
    for other in found.values():
        assert other.answers == first.answers
        assert other.to_csv() == first.to_csv()


def test_words_that_are_not_read_have_no_probability(tagger: Taken, tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text(json.dumps({"tokens": ["Ada"] * 900}))
    said = predict(tagger.folder, tmp_path / "new.jsonl")
    assert said.answers[-1] == "O"
    assert math.isnan(said.probabilities[-1])
    assert said.to_csv().splitlines()[-1] == "1,Ada,O,"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"tokens": ["Ada", "saw"], "tags": ["O"]}', "row 1 has 2 words and 1 tag"),
        ('{"tokens": []}\n{"tokens": []}', "contains no words"),
        ('{"tokens": ["Ada", " "]}', "row 1: a word is empty"),
        ('{"a": "Ada", "b": "saw"}', "no column 'tokens', only a and b; name the words"),
    ],
)
def test_wrong_sentences_are_named(tagger: Taken, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "new.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as raised:
        predict(tagger.folder, path)
    assert str(path) in str(raised.value)


def test_the_command_shows_one_word_per_line(
    tagger: Taken, conll: Path, whichpeft: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = whichpeft("predict", str(tagger.folder), str(conll / "test.conll"))
    assert code == 0, err
    head, *lines = out.splitlines()
    assert head.split() == ["prediction", "probability", "input"]
    assert lines.count("") == 29  # between the sentences
    assert "entity_f1 on 30 sentences with a label" in err
    readme = (tagger.folder / "README.md").read_text()
    assert "whichpeft predict . new.conll" in readme
    card = (tagger.folder / "adapter" / "README.md").read_text()
    assert "AutoModelForTokenClassification" in card
    assert "type: token-classification" in card


def lines_of(texts: list[str], labels: list[list[str]], flags: bool) -> str:
    rows = zip(texts, labels, strict=True)
    if not flags:
        return "\n".join(json.dumps({"text": text, "labels": own}) for text, own in rows)
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["comment", *LABELS])
    writer.writerows([text, *(int(name in own) for name in LABELS)] for text, own in rows)
    return written.getvalue()


@pytest.mark.parametrize("flags", [False, True])
def test_several_labels(
    flags: bool,
    take_away: Take,
    tiny_backbone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = [(how, about) for how in ("funny", "sad") for about in ("war", "us")]
    texts = [f"a {how} film about {about} {i}" for i in range(8) for how, about in kinds]
    labels = [
        [name for name, word in zip(LABELS, ("funny", "sad", "war"), strict=True) if word in text]
        for text in texts
    ]
    suffix = "csv" if flags else "jsonl"
    (tmp_path / "data").mkdir()
    for name, part in (("train", slice(16)), ("dev", slice(16, 24)), ("test", slice(24, None))):
        text = lines_of(texts[part], labels[part], flags)
        (tmp_path / "data" / f"{name}.{suffix}").write_text(text)
    source = TaskSource(name=str(tmp_path / "data"), problem="multilabel")
    taken = take_away("full", source, str(tiny_backbone), epochs=6)
    score = taken.record.value("score", "test")
    said = predict(taken.folder, tmp_path / "data" / f"test.{suffix}")
    assert (said.metric, said.scored) == ("micro_f1", 8)
    assert said.score == pytest.approx(score)
    logits = taken.arrays["outputs"]
    np.testing.assert_allclose(
        np.stack([said.by_label[name] for name in LABELS], axis=1), 1 / (1 + np.exp(-logits)), atol=1e-4
    )
    expected = ["|".join(n for n, v in zip(LABELS, row, strict=True) if v > 0) for row in logits]
    assert list(said.answers) == expected
    assert list(said.columns)[-4:] == ["prediction", *(f"probability of {name}" for name in LABELS)]
    script = own_script(taken.folder, tmp_path, monkeypatch, plain=True)
    found = script(texts[24:])
    assert ["|".join(own) for own in found] == expected
    alone = tmp_path / "alone.csv"
    alone.write_text("\n".join(["comment" if flags else "text", *texts[24:]]))
    assert predict(taken.folder, alone).answers == said.answers
    assert predict(taken.folder, alone).score is None


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora:r=4", "prefix"])
def test_what_the_training_script_leaves_predicts(
    method: str, take_away: Take, conll: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    taken = take_away(method, TaskSource(name=str(conll)), str(tiny_backbone), epochs=4)
    out = tmp_path / "again"
    done = subprocess.run(
        [sys.executable, str(taken.folder / "train.py"), "--out", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "test entity_f1: " in done.stdout
    said = float(done.stdout.partition("test entity_f1: ")[2].split(",")[0])
    shutil.rmtree(taken.folder / "adapter")
    out.rename(taken.folder / "adapter")
    assert predict(taken.folder, conll / "test.conll").score == pytest.approx(said, abs=1e-4)


def test_tags_of_residues(take_away: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = write_esm(tmp_path / "esm")
    rows = [{"sequence": list(one), "tags": ["s" if r in "DE" else "c" for r in one]}
            for one in sequences(40, 30)]  # fmt: skip
    data = tmp_path / "sites.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    source = TaskSource(
        name=str(data), problem="tagging", text_columns=("sequence",), label_column="tags"
    )
    taken = take_away("lora:r=2", source, str(backbone), epochs=1)
    task = load_task(source)
    assert isinstance(task, TaggingTask)
    tested = tmp_path / "new.csv"
    tested.write_text("\n".join(["sequence", *("".join(one) for one in task.splits["test"].words)]))
    said = predict(taken.folder, tested)
    flat = taken.arrays["tags"][taken.arrays["right"] >= 0]
    assert list(said.answers) == [task.classes[number] for number in flat]
    tested.write_text("sequence\nMKT1\n")
    with pytest.raises(DataError, match=r"new.csv: row 1: '1' at position 4"):
        predict(taken.folder, tested)
