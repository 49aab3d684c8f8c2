"""The facts: what happened to each trial, written once."""

from whichpeft.records.claims import Claim, Claims
from whichpeft.records.record import SCHEMA, Measurement, Outcome, Record, Setting
from whichpeft.records.store import Store

__all__ = ["SCHEMA", "Claim", "Claims", "Measurement", "Outcome", "Record", "Setting", "Store"]
