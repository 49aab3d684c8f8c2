"""Writes the data that come inside the package: chest X-rays and therapeutic antibodies.

    python tools/make_embedded_data.py MEDMNIST.npz BIOPHI src/whichpeft/tasks/embedded

MEDMNIST.npz is ``data/pneumoniamnist.npz`` of github.com/varun19424/pneumonia_mnist at 9361a71: the
images of PneumoniaMNIST (CC BY 4.0), of which its training set has 3,882. BIOPHI is a checkout of
github.com/Merck/BioPhi-2021-publication at d6323ce (MIT).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
from pathlib import Path

import numpy as np

IMAGES = {"train": 600, "val": 250, "test": 624}
VALIDATION_SHARE, TEST_SHARE = 0.18, 0.27
SALT = "3"  # of ten, the one with the most even shares of classes
_PIECE = 5
_ALIKE = 0.55
"""Share of common pieces of 5 residues, among all of two chains, of chains that are 95 % identical."""
# Heavy chains end in the last residues of a J gene; light chains end in others.
_HEAVY = re.compile(r"V[AST][SAGP]$")


def write_images(source: Path, out: Path) -> None:
    """Keep the images of each split with the lowest hash, in the layout of MedMNIST."""
    whole = np.load(source, allow_pickle=False)
    kept: dict[str, np.ndarray] = {}
    for split, most in IMAGES.items():
        images, labels = whole[f"{split}_images"], whole[f"{split}_labels"]
        order = sorted(range(len(images)), key=lambda i: hashlib.sha256(images[i].tobytes()).digest())
        chosen = sorted(order[:most])
        kept[f"{split}_images"], kept[f"{split}_labels"] = images[chosen], labels[chosen]
    np.savez_compressed(out / "pneumonia.npz", allow_pickle=False, **kept)


def write_antibodies(source: Path, out: Path) -> None:
    """Write antibodies with their origin, and others with the response of patients to them."""
    humanness = source / "data" / "tasks" / "humanness"
    chains = _fasta(humanness / "imgt_mab_db.fa")
    origin = []
    for row in _rows(humanness / "imgt_mab_db.tsv"):
        own = [chains.get(f"{row['INN_Number']}_seq{i}", "") for i in (1, 2)]
        heavy = next((chain for chain in own if _HEAVY.search(chain[-7:])), "")
        origin.append((row["Antibody"], heavy, row["Species"].casefold()))
    _write(out / "antibody-origin.tsv", "origin", origin)
    immune = source / "data" / "tasks" / "immunogenicity"
    chains = _fasta(immune / "mabs.fa")
    found = [
        (row["Name"], chains.get(f"{row['Name']} VH", ""), row["Immunogenicity"])
        for row in _rows(immune / "immunogenicity.tsv")
    ]
    _write(out / "antibody-immunogenicity.tsv", "percent", found)


def _splits(chains: list[str]) -> list[str]:
    """Return the split of each chain; those that are nearly identical are in the same one."""
    pieces = [{chain[i : i + _PIECE] for i in range(len(chain) - _PIECE + 1)} for chain in chains]
    cluster = list(range(len(chains)))
    for one in range(len(chains)):
        for other in range(one):
            if len(pieces[one] & pieces[other]) >= _ALIKE * len(pieces[one] | pieces[other]):
                old, new = cluster[one], cluster[other]
                cluster = [new if number == old else number for number in cluster]
    first = {
        number: min(c for c, n in zip(chains, cluster, strict=True) if n == number) for number in cluster
    }
    return [_split(first[number]) for number in cluster]


def _split(chain: str) -> str:
    share = int.from_bytes(hashlib.sha256((SALT + chain).encode()).digest()[:8]) / 2**64
    if share < TEST_SHARE:
        return "test"
    return "validation" if share < TEST_SHARE + VALIDATION_SHARE else "train"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _fasta(path: Path) -> dict[str, str]:
    parts = path.read_text().split(">")[1:]
    return {part.split("\n", 1)[0].strip(): "".join(part.split("\n")[1:]).strip() for part in parts}


def _write(path: Path, label: str, rows: list[tuple[str, str, str]]) -> None:
    kept = [row for row in rows if row[1]]
    splits = _splits([chain for _, chain, _ in kept])
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("antibody", "heavy_chain", label, "split"))
        writer.writerows((*row, split) for row, split in zip(kept, splits, strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("antibodies", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    write_images(asked.images, asked.out)
    write_antibodies(asked.antibodies, asked.out)
