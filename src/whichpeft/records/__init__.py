"""The facts: what happened to each trial. Records are written once and never edited."""

from whichpeft.records.claims import Claim, Claims
from whichpeft.records.example_texts import ExampleTexts
from whichpeft.records.race import Arm, Entrant, Race, Stage
from whichpeft.records.reading import BackboneReading, LengthReading, Reading, TaskReading
from whichpeft.records.record import SCHEMA, Measurement, Outcome, Record, Setting
from whichpeft.records.store import Store
from whichpeft.records.taken import Taken

__all__ = [
    "SCHEMA",
    "Arm",
    "BackboneReading",
    "Claim",
    "Claims",
    "Entrant",
    "ExampleTexts",
    "LengthReading",
    "Measurement",
    "Outcome",
    "Race",
    "Reading",
    "Record",
    "Setting",
    "Stage",
    "Store",
    "Taken",
    "TaskReading",
]
