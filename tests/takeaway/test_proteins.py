"""Proteins are predicted as the study did, by script and by command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.protein_models import sequences, write_esm, write_protbert

from whichpeft.errors import DataError
from whichpeft.study import TaskSource
from whichpeft.takeaway.predict import predict

from .conftest import Take
from .test_predict import own_script

CHAINS = sequences(60, 40)


@pytest.fixture(scope="module")
def fitness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FASTA file whose headers hold a class each."""
    path = tmp_path_factory.mktemp("data") / "fitness.fasta"
    kinds = ["active" if one.count("L") > one.count("K") else "inert" for one in CHAINS]
    rows = [f">P{i} TARGET={kind}\n{CHAINS[i]}" for i, kind in enumerate(kinds)]
    path.write_text("\n".join(rows))
    return path


@pytest.mark.parametrize("write", [write_esm, write_protbert])
def test_classes_of_proteins(
    take_away: Take, fitness: Path, write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = take_away("lora:r=4", TaskSource(name=str(fitness)), str(write(tmp_path / "model")))
    said = predict(taken.folder, fitness)
    assert said.metric == "accuracy"
    assert said.scored == len(CHAINS)
    found = own_script(taken.folder, tmp_path, monkeypatch, plain=True)([*CHAINS[:9], CHAINS[9].lower()])
    assert [name for name, _ in found] == list(said.answers[:10])
    np.testing.assert_allclose([chance for _, chance in found], said.probabilities[:10], atol=1e-4)
    new = tmp_path / "new.csv"
    new.write_text(f"id,chain\n1,{CHAINS[0]}\n2,{CHAINS[1]}\n")
    assert predict(taken.folder, new).answers == said.answers[:2]
    new.write_text(f"sequence\n{CHAINS[0]}\nMKT?A\n")
    with pytest.raises(DataError, match=r"column 'sequence', row 2: '\?' at position 4 of 'MKT\?A'"):
        predict(taken.folder, new)


def test_tags_of_residues(take_away: Take, tmp_path: Path) -> None:
    path = tmp_path / "sites.fasta"
    tags = ["".join("PB"[residue in "DEKR"] for residue in one) for one in CHAINS]
    path.write_text(
        "\n".join(f">{i}\n{one}\n{two}" for i, (one, two) in enumerate(zip(CHAINS, tags, strict=True)))
    )
    taken = take_away("lora:r=4", TaskSource(name=str(path)), str(write_esm(tmp_path / "model")))
    said = predict(taken.folder, path)
    assert said.metric == "token_accuracy"
    right = [one == other for one, other in zip("".join(tags), said.answers, strict=True)]
    assert said.score == pytest.approx(np.mean(right))
    (tmp_path / "new.csv").write_text(f"sequence\n{CHAINS[0].lower()}\n")
    assert predict(taken.folder, tmp_path / "new.csv").answers == said.answers[:40]
