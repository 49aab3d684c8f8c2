"""Store: the records, curves and predictions of a run folder, written atomically and read many times."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from whichpeft.errors import FolderError, NewerRecord, RecordError
from whichpeft.records.example_texts import EXAMPLE_TEXTS, ExampleTexts
from whichpeft.records.race import RACE, Race
from whichpeft.records.reading import READING, Reading
from whichpeft.records.record import Record, record_from_json
from whichpeft.records.taken import TAKEN, Taken
from whichpeft.storage.atomic import write_whole
from whichpeft.study import Study, dump_study, load_study

Curve = Sequence[tuple[int, str, float]]
_CURVE = ("step", "name", "value")


class Store:
    """A run folder: ``study.yaml``, ``data.json`` and folders of records, curves and arrays.

    Records are written once, so each is parsed once and kept, unless its file changes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parsed: dict[str, tuple[tuple[int, int], Record]] = {}

    @property
    def study_file(self) -> Path:
        """The file that the folder's study is written to."""
        return self.folder / "study.yaml"

    def study(self) -> Study:
        """Read the folder's study. Raises FolderError if the folder has none."""
        if not self.study_file.is_file():
            raise FolderError(
                f"{self.folder}: has no study.yaml; `whichpeft run --out` makes a run folder"
            )
        return load_study(self.study_file)

    def keep_study(self, study: Study) -> None:
        """Write the study that this folder belongs to."""
        write_whole(self.study_file, dump_study(study).encode())

    @property
    def reading_file(self) -> Path:
        """The file that says what was read of the data and the backbones."""
        return self.folder / "data.json"

    def reading(self) -> Reading | None:
        """Return what was read of the data; None if an old folder has no such file."""
        try:
            return READING.validate_json(self.reading_file.read_bytes())
        except (OSError, ValidationError):
            return None

    def keep_reading(self, reading: Reading) -> None:
        """Write what was read of the data and the backbones."""
        write_whole(self.reading_file, READING.dump_json(reading, indent=1))

    @property
    def example_texts_file(self) -> Path:
        """The file of excerpts of the test examples; nothing depends on it but what a report shows."""
        return self.folder / "test-examples.json"

    def example_texts(self) -> tuple[ExampleTexts, ...]:
        """Return excerpts of the test examples by task; none if there is no such file."""
        try:
            return EXAMPLE_TEXTS.validate_json(self.example_texts_file.read_bytes())
        except (OSError, ValidationError):
            return ()

    def keep_example_texts(self, texts: tuple[ExampleTexts, ...]) -> None:
        """Write excerpts of the test examples."""
        write_whole(self.example_texts_file, EXAMPLE_TEXTS.dump_json(texts))

    def taken(self) -> tuple[Taken, ...]:
        """Return the folders that methods were written to, as far as they are still there."""
        try:
            noted = TAKEN.validate_json((self.folder / "taken.json").read_bytes())
        except (OSError, ValidationError):
            return ()
        return tuple(one for one in noted if Path(one.folder).is_dir())

    def keep_taken(self, taken: Sequence[Taken]) -> None:
        """Note the folders that methods were written to; nothing but the next command depends on it."""
        folders = {one.folder for one in taken}
        others = [one for one in self.taken() if one.folder not in folders]
        with contextlib.suppress(OSError):  # the folder may be somebody else's
            write_whole(self.folder / "taken.json", TAKEN.dump_json((*others, *taken), indent=1))

    def race(self) -> Race | None:
        """Return what a race in this folder decided; None if there is no race."""
        path = self.folder / "race.json"
        try:
            return RACE.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise FolderError(
                f"{path}: cannot be read ({' '.join(str(error).split())[:200]}); delete it, "
                "and the race is decided again from the records"
            ) from None

    def keep_race(self, race: Race) -> None:
        """Write what a race has decided."""
        write_whole(self.folder / "race.json", RACE.dump_json(race, indent=1))

    @property
    def clock_file(self) -> Path:
        """The file that says how many seconds a race has taken."""
        return self.folder / "clock.json"

    def race_seconds(self) -> float:
        """Return the seconds that a race in this folder has taken; 0 if they are not known."""
        try:
            return float(json.loads(self.clock_file.read_text(encoding="utf-8"))["seconds"])
        except (OSError, ValueError, KeyError, TypeError):  # none, or half written by a full disk
            return 0.0

    def add(
        self,
        record: Record,
        *,
        curve: Curve = (),
        predictions: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Write the results of a trial, the record last, so that a record implies the other two files.

        The trial's checkpoint is deleted then. That of a screening trial stays, since a longer one
        resumes from it, unless the trial failed.
        """
        name = record.trial.fingerprint
        if curve:
            frame = pd.DataFrame(list(curve), columns=list(_CURVE))
            write_whole(self.folder / "curves" / f"{name}.parquet", frame.to_parquet(index=False))
        if predictions:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **predictions)
            write_whole(self.folder / "predictions" / f"{name}.npz", buffer.getvalue())
        text = json.dumps(record.to_json(), indent=1, allow_nan=False)
        write_whole(self.folder / "records" / f"{name}.json", text.encode())
        if record.trial.purpose != "screen" or record.outcome.status == "failed":
            self.checkpoint(record.trial.whole.fingerprint).unlink(missing_ok=True)

    def adapter_folder(self, fingerprint: str) -> Path:
        """Return the folder of a trial's adapter, for runs that keep adapters."""
        return self.folder / "adapters" / fingerprint

    def checkpoint(self, fingerprint: str) -> Path:
        """Return the file in which a running trial saves its state.

        A screening trial saves it under the fingerprint of its whole trial.
        """
        return self.folder / "checkpoints" / f"{fingerprint}.safetensors"

    def holds(self, fingerprint: str) -> bool:
        """Whether the folder has a record of a trial."""
        return (self.folder / "records" / f"{fingerprint}.json").exists()

    def remove(self, fingerprint: str) -> None:
        """Delete the record of a trial."""
        (self.folder / "records" / f"{fingerprint}.json").unlink(missing_ok=True)

    def fingerprints(self) -> set[str]:
        """Return the fingerprints of all records in the folder."""
        try:
            names = os.listdir(self.folder / "records")  # noqa: PTH208  ten times faster, for 100,000
        except (FileNotFoundError, NotADirectoryError):
            return set()
        return {n.removesuffix(".json") for n in names if n.endswith(".json") and not n.startswith(".")}

    def _files(self) -> list[Path]:
        return sorted((self.folder / "records").glob("[!.]*.json"))

    def __iter__(self) -> Iterator[Record]:
        """Yield every record, in order of fingerprints. Raises RecordError at a damaged one."""
        for found in self.each():
            if isinstance(found, RecordError):
                raise found
            yield found

    def each(self) -> Iterator[Record | RecordError]:
        """Yield every record like `__iter__`, but a damaged one as the RecordError that describes it."""
        for path in self._files():
            try:
                yield self._record(path)
            except RecordError as error:
                yield error

    def _record(self, path: Path) -> Record:
        """Return the record of a file, parsed only if the file is new or has changed."""
        try:
            found = path.stat()
        except OSError:  # reading fails too, and says why
            return _read_record(path)
        version = found.st_mtime_ns, found.st_size
        kept = self._parsed.get(path.name)
        if kept is not None and kept[0] == version:
            return kept[1]
        record = _read_record(path)
        self._parsed[path.name] = version, record
        return record

    def remove_partial_files(self) -> None:
        """Delete files that killed processes left half written. No other process may be working here."""
        for path in (*self.folder.glob(".*.part"), *self.folder.glob("*/.*.part")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def set_aside(self) -> list[str]:
        """Move damaged records to ``set-aside/``, so that their trials run again; describe each one.

        A record whose curve or predictions are damaged is moved too; its trial writes them again. Raises
        NewerRecord if a later version of whichpeft wrote a record, which is not damaged.
        """
        messages = []
        aside = self.folder / "set-aside"
        for path in self._files():
            try:
                self._record(path)
                self.curve_rows(path.stem)
                self.predictions(path.stem)
            except NewerRecord:
                raise
            except RecordError as error:
                if not path.exists():  # deleted in the meantime; its trial runs again too
                    continue
                aside.mkdir(exist_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    path.replace(aside / path.name)
                what = str(error).partition("; ")[0]
                messages.append(f"{what}; it was moved to {aside}, and its trial runs again")
        return messages

    def curve(self, fingerprint: str) -> pd.DataFrame | None:
        """Return a trial's curve (columns step, name, value), or None if it has none.

        Raises RecordError if the file is damaged.
        """
        rows = self.curve_rows(fingerprint)
        return None if rows is None else pd.DataFrame(rows, columns=list(_CURVE))

    def curve_rows(self, fingerprint: str) -> list[tuple[int, str, float]] | None:
        """Return a trial's curve as rows, which takes a quarter of the time of `curve`."""
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        path = self.folder / "curves" / f"{fingerprint}.parquet"
        if not path.is_file():
            return None
        try:
            with ParquetFile(path) as file:
                columns = file.read(columns=list(_CURVE), use_threads=False).to_pydict()
            return list(zip(*(columns[name] for name in _CURVE), strict=True))
        except (OSError, KeyError, pa.ArrowException) as error:
            raise _damaged(path, "curve", error) from None

    def predictions(self, fingerprint: str) -> dict[str, np.ndarray] | None:
        """Return a trial's arrays (outputs and labels of the test split), or None.

        Raises RecordError if the file is damaged.
        """
        path = self.folder / "predictions" / f"{fingerprint}.npz"
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise _damaged(path, "predictions", error) from None


def _read_record(path: Path) -> Record:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise RecordError(f"{path}: was deleted while it was read; run the study again") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(
            f"{path}: not a readable record ({error}); delete it and run the study again"
        ) from None
    record = record_from_json(raw, str(path))
    if record.trial.fingerprint != path.stem:
        raise RecordError(f"{path}: the file is named after another trial; delete it and run again")
    return record


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _damaged(path: Path, what: str, error: object) -> RecordError:
    return RecordError(
        f"{path}: {what} cannot be read ({error}); delete it with its record {path.stem}.json "
        "and run the study again"
    )
