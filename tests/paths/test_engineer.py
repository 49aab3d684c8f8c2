"""An engineer has support tickets in a table of Excel, and wants a model that sorts new ones."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from .conftest import User, readme_commands
from .german_tickets import NEW, tickets

# Two methods instead of fifty, and just enough examples to test both on three seeds.
SHORT = "--examples 4000 --batch-size 8 --method full --method lora --candidates 1"


def excel(path: Path, rows: list[tuple[object, ...]]) -> None:
    """Write a table as Excel saves CSV in Germany: semicolons and Windows-1252."""
    with path.open("w", encoding="cp1252", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)


@pytest.mark.slow
def test_from_a_table_of_tickets_to_predictions_with_names(user: User) -> None:
    excel(user.folder / "tickets.csv", tickets(200))
    excel(user.folder / "new.csv", [("Nr", "Nachricht"), *enumerate(NEW, start=1)])
    race, show, write = readme_commands("One answer")  # the fourth command installs

    race = race.replace("my-data", "tickets.csv")
    assert "--within 30m" in race
    said = user.types(race.replace("--within 30m", SHORT))
    assert "Kündigung (50), Lieferung (50), Rechnung (50)" in " ".join(
        (said.stdout + said.stderr).split()
    )
    assert "\nUse " in said.stdout
    assert "Predict: whichpeft predict chosen FILE" in said.stderr
    page = (user.folder / "whichpeft-runs" / "auto-tickets-minilm" / "report.html").read_text()
    assert "whichpeft predict chosen FILE</code>" in page
    assert "--write chosen" not in page

    rows = [line.split() for line in user.types(show).stdout.splitlines()]
    assert rows[0] == ["prediction", "probability", "input"]
    assert [row[0] for row in rows[1:]] == list(NEW.values())
    assert all(0.25 < float(row[1]) <= 1 for row in rows[1:])

    user.types(write)
    with (user.folder / "predicted.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == ["Nr", "Nachricht", "prediction", "probability"]
    assert {row["Nachricht"]: row["prediction"] for row in found} == NEW

    # The same again would write over the folder.
    again = user.types(race.replace("--within 30m", SHORT), code=2)
    assert "chosen: was written before; add --overwrite" in again.stderr
