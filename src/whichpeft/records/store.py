"""Store: a run folder's records, curves and predictions; added atomically, read many times."""

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

from whichpeft.errors import FolderError, NewerRecord, RecordError
from whichpeft.records.record import Record, record_from_json
from whichpeft.storage.atomic import write_whole
from whichpeft.study import Study, dump_study, load_study

Curve = Sequence[tuple[int, str, float]]
_CURVE = ("step", "name", "value")


class Store:
    """A run folder: ``study.yaml``, ``records/``, ``curves/``, ``predictions/``, ``adapters/``.

    Records are written once, so each is parsed once and kept, unless its file changes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parsed: dict[str, tuple[tuple[int, int], Record]] = {}

    @property
    def study_file(self) -> Path:
        return self.folder / "study.yaml"

    def study(self) -> Study:
        """Read the folder's study. Raises FolderError where the folder holds none."""
        if not self.study_file.is_file():
            raise FolderError(
                f"{self.folder}: no study.yaml there; a run folder is made by `whichpeft run --out`"
            )
        return load_study(self.study_file)

    def keep_study(self, study: Study) -> None:
        """Write the study that this folder belongs to."""
        write_whole(self.study_file, dump_study(study).encode())

    def add(
        self,
        record: Record,
        *,
        curve: Curve = (),
        predictions: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Add what a trial gave; the record goes last, so that it vouches for the other two.

        Its checkpoint has served then.
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
        self.checkpoint(name).unlink(missing_ok=True)

    def adapter_folder(self, fingerprint: str) -> Path:
        """Return where a trial's adapter is kept, when a run is asked to keep adapters."""
        return self.folder / "adapters" / fingerprint

    def checkpoint(self, fingerprint: str) -> Path:
        """Return the file in which a trial under way keeps its state."""
        return self.folder / "checkpoints" / f"{fingerprint}.safetensors"

    def holds(self, fingerprint: str) -> bool:
        """Whether there is a record of a trial."""
        return (self.folder / "records" / f"{fingerprint}.json").exists()

    def fingerprints(self) -> set[str]:
        """Return the fingerprints of all records in the folder."""
        try:
            names = os.listdir(self.folder / "records")  # noqa: PTH208  a tenth of the time, for 100,000
        except (FileNotFoundError, NotADirectoryError):
            return set()
        return {n.removesuffix(".json") for n in names if n.endswith(".json") and not n.startswith(".")}

    def _files(self) -> list[Path]:
        return sorted((self.folder / "records").glob("[!.]*.json"))

    def __iter__(self) -> Iterator[Record]:
        """Read every record, in the order of fingerprints. Raises RecordError at a damaged one."""
        for found in self.each():
            if isinstance(found, RecordError):
                raise found
            yield found

    def each(self) -> Iterator[Record | RecordError]:
        """Go through the records as `__iter__` does; of a damaged one, give what is wrong with it."""
        for path in self._files():
            try:
                yield self._record(path)
            except RecordError as error:
                yield error

    def _record(self, path: Path) -> Record:
        """Return the record of a file, parsed only if the file is new or has changed."""
        try:
            found = path.stat()
        except OSError:  # reading it fails too, with a message
            return _read_record(path)
        version = found.st_mtime_ns, found.st_size
        kept = self._parsed.get(path.name)
        if kept is not None and kept[0] == version:
            return kept[1]
        record = _read_record(path)
        self._parsed[path.name] = version, record
        return record

    def sweep(self) -> None:
        """Delete what processes that were killed left half written; only where none other works here."""
        for path in (*self.folder.glob(".*.part"), *self.folder.glob("*/.*.part")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def set_aside(self) -> list[str]:
        """Move damaged records to ``set-aside/``, so that their trials are done again; say which.

        So is a record whose curve or predictions are damaged; its trial writes them anew. Raises
        NewerRecord where a later version of whichpeft wrote one: that is not damaged.
        """
        said = []
        aside = self.folder / "set-aside"
        for path in self._files():
            try:
                self._record(path)
                self.curve_rows(path.stem)
                self.predictions(path.stem)
            except NewerRecord:
                raise
            except RecordError as error:
                if not path.exists():  # somebody deleted it meanwhile: its trial is done again as well
                    continue
                aside.mkdir(exist_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    path.replace(aside / path.name)
                what = str(error).partition("; ")[0]
                said.append(f"{what}; it lies in {aside} now, and its trial is done again")
        return said

    def curve(self, fingerprint: str) -> pd.DataFrame | None:
        """Return a trial's curve (columns step, name, value), or None where there is none.

        Raises RecordError where the file is damaged.
        """
        rows = self.curve_rows(fingerprint)
        return None if rows is None else pd.DataFrame(rows, columns=list(_CURVE))

    def curve_rows(self, fingerprint: str) -> list[tuple[int, str, float]] | None:
        """Return a trial's curve as rows, which for a thousand trials takes a quarter of the time."""
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

        Raises RecordError where the file is damaged.
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
        raise RecordError(f"{path}: gone while it was to be read; run the study again") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(
            f"{path}: not a readable record ({error}); delete it and run the study again"
        ) from None
    record = record_from_json(raw, str(path))
    if record.trial.fingerprint != path.stem:
        raise RecordError(f"{path}: the file is named after another trial; delete it and run again")
    return record


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _damaged(path: Path, what: str, error: object) -> RecordError:
    return RecordError(
        f"{path}: no readable {what} ({error}); delete it with its record {path.stem}.json "
        "and run the study again"
    )
