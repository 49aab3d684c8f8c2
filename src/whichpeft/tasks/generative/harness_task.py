"""``lm-eval:NAME``: trained on a task's own documents and scored by lm-evaluation-harness."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.errors import DataError, unknown
from whichpeft.metrics.metric import Array, Metric
from whichpeft.metrics.per_example import LM_EVAL
from whichpeft.study import TaskSource
from whichpeft.tasks.generative.encoding import LONGEST
from whichpeft.tasks.generative.from_examples import generative_task
from whichpeft.tasks.generative.from_tables import read_texts
from whichpeft.tasks.generative.harness import ORIGINS, Harness, find_task_folder, open_harness_task
from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.generative.rows import read_rows
from whichpeft.tasks.generative.task import GenerativeTask
from whichpeft.tasks.protocol import Batch, Examples
from whichpeft.tasks.tables.files import read_table

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone

_FILE = "file"


@dataclass(frozen=True, kw_only=True, slots=True)
class Document(Prompted):
    """A document of a task of the harness, as an example for training."""

    origin: str = _FILE
    """The set of documents that it comes from; `_FILE` for a row of the user's own file."""
    index: int = 0
    """Its number in that set."""

    def joined(self, completion: str) -> str:
        """Return a completion unchanged: it already has the harness's delimiter, if there is one."""
        return completion


@dataclass(frozen=True, slots=True, eq=False)
class HarnessExamples:
    """A split that the harness evaluates: example i is document ``indices[i]`` of ``origins[i]``."""

    origins: Array
    """Numbers of the origins in `ORIGINS`."""
    indices: Array
    """Numbers of the documents in their origins."""
    labels: Array
    """Hashes of the right answers."""
    sizes: Array
    """Characters of prompt and answer."""
    longest: int
    """Most tokens of prompt and answer together."""
    shots: int = 0
    """Number of examples that the harness shows before each prompt."""

    tokens = None
    truncated = 0.0

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Array) -> HarnessExamples:
        """Return some examples of the split, in the given order."""
        return dataclasses.replace(
            self,
            origins=self.origins[indices],
            indices=self.indices[indices],
            labels=self.labels[indices],
            sizes=self.sizes[indices],
        )

    def with_shots(self, shown: Sequence[tuple[int, ...]]) -> HarnessExamples:
        """Return the split with this many examples before each prompt; the harness chooses them."""
        return dataclasses.replace(self, shots=len(shown))

    def batch(self, indices: Array) -> Batch:
        import torch

        chosen = np.asarray(indices)
        return {
            "origins": torch.from_numpy(self.origins[chosen]),
            "documents": torch.from_numpy(self.indices[chosen]),
            "longest": torch.tensor(self.longest),
            "shots": torch.tensor(self.shots),
        }


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HarnessTask(GenerativeTask):
    """A task of the harness.

    Outputs have one column per metric, the score first. Examples that are not documents of the harness
    are scored by the mean log-likelihood per token.
    """

    harness: tuple[str, str]
    """The task's name in the harness, and the folder of its YAML file."""

    chat = False  # the default of the harness

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Tokenise the training examples; the harness reads the other documents itself."""
        read = GenerativeTask.encode(self, backbone, max_train=max_train)
        longest = min(LONGEST, backbone.input_positions or LONGEST)
        found = dict(read)
        for split in ("validation", "test"):
            own: Any = read[split]
            asked = [one for one in self.splits[split] if isinstance(one, Document)]
            if asked[0].origin == _FILE:
                found[split] = dataclasses.replace(own, evaluation=None)
            else:
                found[split] = _asked(asked, own.labels, longest)
        return found

    def outputs(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        import torch

        if "documents" not in batch:
            return GenerativeTask.outputs(self, model, batch)
        from whichpeft.tasks.generative.harness_model import HarnessModel

        harness = open_harness_task(*self.harness)
        places = zip(batch["origins"].tolist(), batch["documents"].tolist(), strict=True)
        asked = [(ORIGINS[origin], index) for origin, index in places]
        asks = HarnessModel(model, int(batch["longest"]))
        found = harness.scores(asks, asked, int(batch["shots"]))
        order = [_columns(harness)[metric.name] for metric in self.metrics]
        return torch.from_numpy(found[:, order])

    def predictions(
        self, outputs: Array, examples: Any, backbone: Backbone | None
    ) -> Mapping[str, Array]:
        """Return one column per metric, and the generated texts, if any."""
        found: dict[str, Array] = {"outputs": outputs}
        if not isinstance(examples, HarnessExamples):
            if examples.evaluation is None:  # the harness has no metrics for rows of a file
                found["outputs"] = np.repeat(outputs[:, :1] / outputs[:, 1:], len(self.metrics), axis=1)
            return found
        texts = open_harness_task(*self.harness).texts
        places = zip(examples.origins.tolist(), examples.indices.tolist(), strict=True)
        answers = [texts.get((ORIGINS[origin], index)) for origin, index in places]
        written = [answer for answer in answers if answer is not None]
        return found if len(written) < len(answers) else found | {"answers": np.array(written)}


def load_harness_task(source: TaskSource) -> HarnessTask:
    """Load ``lm-eval:NAME``.

    The training set is the task's training documents, or the file that the source names. The test set is
    its test documents, or else its validation documents. If no validation documents are left, part of
    the training set is held out. Raises DataError.
    """
    for key in ("text_columns", "label_column", "problem", "prompt", "verbaliser", "sets", "test",
                "validation"):  # fmt: skip
        if getattr(source, key):
            raise DataError(
                f"task {source.name!r}: its YAML file defines prompts and tests, so {key} cannot be "
                "given; folder, metric, train and held_out can"
            )
    name = source.name.removeprefix(LM_EVAL)
    place = name, find_task_folder(name, source.folder)
    harness = open_harness_task(*place)
    metrics = _metrics(harness, source)
    test = _documents(harness, "test") or _documents(harness, "validation")
    if not test:
        raise DataError(f"task {source.name!r}: has no test documents; name another task")
    left = _documents(harness, "validation") if test[0].origin == "test" else None
    tested = {example.prompt for example in test}
    notes: list[str] = []
    train = _training(harness, source, notes)
    unseen = [example for example in train if example.prompt not in tested]
    lost = len(train) - len(unseen)
    if lost:
        notes.append(f"skipped {lost} training examples that are also in the test set")
    built = generative_task(
        source.name,
        train=unseen,
        validation=left or None,
        test=test,
        metric="log_likelihood",
        held_out=read_texts(source.held_out),
        notes=notes,
    )
    if source.train is not None and not left:
        note = "no validation documents: the best epoch is the one with the likeliest held-out examples"
        built = dataclasses.replace(built, notes=(*built.notes, note))
    fields = {f.name: getattr(built, f.name) for f in dataclasses.fields(built)}
    fields |= {"metrics": metrics, "chance": _chance(test)}
    # A different metric gives a different score, even if the documents are the same.
    fields["fingerprint"] = f"{metrics[0].name}:{built.fingerprint}"
    return HarnessTask(**fields, harness=place)


def _training(harness: Harness, source: TaskSource, notes: list[str]) -> list[Document]:
    if source.train is not None:
        table = read_table(Path(source.train))
        rows = read_rows(table, TaskSource(name=source.name))
        notes += (*table.notes, *rows.notes)
        return [
            Document(prompt=row.plain_prompt, completion=row.joined(row.completion))
            for row in rows.examples
        ]
    found = _documents(harness, "training")
    if not found:
        raise DataError(
            f"task {source.name!r}: has no training documents; give a file of instructions with --train"
        )
    return found


def _documents(harness: Harness, origin: str) -> list[Document]:
    return list(_read(harness, origin, len(harness.documents(origin) or ())))


def _read(harness: Harness, origin: str, count: int) -> Iterator[Document]:
    """Yield documents as prompts with their right completions."""
    task = harness.task
    for index in range(count):
        requests = harness.requests(origin, index)
        document, prompt = requests[0].doc, requests[0].args[0]
        right = task.doc_to_target(document)
        if task.OUTPUT_TYPE == "multiple_choice":
            right = task.doc_to_text(document) if task.multiple_input else right
            offered = task.doc_to_choice(document)
            first = right[0] if isinstance(right, list) else right
            number = offered.index(first) if isinstance(first, str) else first
            prompt, completion = requests[number].args
            choices = tuple(map(str, offered))
        elif task.OUTPUT_TYPE == "loglikelihood":
            completion, choices = requests[0].args[1], ()
        elif task.OUTPUT_TYPE == "generate_until":
            first = right[0] if isinstance(right, list) else right
            if task.config.doc_to_choice is not None:
                first = task.doc_to_choice(document)[first]
            completion, choices = f"{task.config.target_delimiter}{first}", ()
        else:
            raise DataError(
                f"task {LM_EVAL + harness.name!r}: measures the likelihood of whole texts; name a file "
                "of such texts as the task instead, scored by log_likelihood"
            )
        yield Document(
            prompt=prompt,
            completion=completion,
            answer=choices[number] if choices else "",
            choices=choices,
            completions=tuple(request.args[1] for request in requests[: len(choices)]),
            origin=origin,
            index=index,
        )


def _asked(documents: Sequence[Any], labels: Array, longest: int) -> HarnessExamples:
    return HarnessExamples(
        origins=np.array([ORIGINS.index(one.origin) for one in documents]),
        indices=np.array([one.index for one in documents]),
        labels=labels,
        sizes=np.array([len(one.prompt) + len(one.completion) for one in documents]),
        longest=longest,
    )


def _columns(harness: Harness) -> dict[str, int]:
    """Return the columns of `Harness.scores` by the names of the metrics in whichpeft."""
    filters = {name for _, name in harness.columns}
    return {
        f"{LM_EVAL}{metric},{name}" if len(filters) > 1 else f"{LM_EVAL}{metric}": column
        for column, (metric, name) in enumerate(harness.columns)
    }


def _metrics(harness: Harness, source: TaskSource) -> tuple[Metric, ...]:
    """Return the task's metrics: first the one that the user chose, else the first of its YAML file."""
    names = list(_columns(harness))
    if not names:
        raise DataError(
            f"task {source.name!r}: none of its metrics is a mean over documents that is better when "
            "higher, so documents cannot be compared; name another task"
        )
    first = names[0]
    if source.metric is not None:
        short = [name.removeprefix(LM_EVAL) for name in names]
        # With several filters the first one is used, unless the user names one.
        same = [n for n in names if n.removeprefix(LM_EVAL).split(",")[0] == source.metric]
        asked = [n for n in names if n in (source.metric, LM_EVAL + source.metric)] or same
        if not asked:
            raise DataError(f"task {source.name!r}: {unknown('metric', source.metric, short)}")
        first = asked[0]
    ordered = [first, *(name for name in names if name != first)]
    return tuple(Metric(n, functools.partial(_mean, column)) for column, n in enumerate(ordered))


def _mean(column: int, labels: Array, outputs: Array) -> float:
    return float(np.mean(outputs[:, column], dtype=np.float64))


def _chance(test: Sequence[Document]) -> float | None:
    """Return the score of guessing among the choices; None if there are no choices."""
    if not all(one.choices for one in test):
        return None
    return float(np.mean([1 / len(one.choices) for one in test]))
