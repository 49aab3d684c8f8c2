"""The studies that run if a user names no methods."""

from __future__ import annotations

from collections.abc import Sequence

from whichpeft.study import Budget, Study
from whichpeft.tasks import default_backbone, generates_text, is_image_task, is_protein_task

DEFAULT = Study(
    name="default",
    backbone="minilm",
    task="stdlib-kinds",
    methods=(
        "full", "head", "top-layers", "lora:r=8", "adalora", "bitfit", "ia3", "ln-tuning",
    ),
    seeds=(0, 1, 2, 3),
    budget=Budget(epochs=3, max_train=600, batch_size=16),
)  # fmt: skip
"""The study that `whichpeft run` runs without arguments: methods that many people choose from."""

IMAGE_METHODS = (
    "full", "head", "top-layers", "lora", "dora", "adalora", "ia3", "vera", "oft", "bitfit",
    "ln-tuning", "series-adapter", "parallel-adapter", "loreft", "zero-shot",
)  # fmt: skip
"""The default methods for images: one of each kind that needs no tokens."""

CODE_METHODS = ("full", "top-layers", "lora:r=8", "bitfit", "ia3", "ln-tuning")
"""The default methods for docstrings and code: texts are long, and a new head has nothing to do."""

PROTEIN_METHODS = (
    "full", "head:learning_rate=1e-2", "top-layers", "lora:r=8", "dora", "ia3", "bitfit", "ln-tuning",
)  # fmt: skip
"""The default methods for proteins. The two layers of the head of a narrow RoBERTa need a lower rate."""

_OF_TASKS = {
    "stdlib-doc-match": CODE_METHODS,
    "stdlib-search": CODE_METHODS,
    "antibody-origin": PROTEIN_METHODS,
    "antibody-immunogenicity": PROTEIN_METHODS,
}

CONVOLUTION_METHODS = (
    "full", "head", "top-layers", "lora", "ia3", "bitfit", "bn", "conv-adapter", "zero-shot",
)  # fmt: skip
"""The default methods for `mobilenet-v2`: one of each kind that adapts convolutions, in minutes."""

GENERATION_METHODS = (
    "prefix", "series-adapter", "parallel-adapter", "lora", "dora", "loreft", "full",
)  # fmt: skip
"""The default methods for a language model that generates text: those of the survey's table."""


PROTEIN_EPOCHS = 8
"""The epochs for the bundled tasks of proteins, whose few examples are few steps."""


def default_study(tasks: Sequence[str], backbones: Sequence[str] | None = None) -> Study:
    """Return the study for tasks that were named without methods: it fits what they contain.

    Without `backbones`, each task runs on its own usual one.
    """
    backbones = backbones or list(dict.fromkeys(default_backbone(task) for task in tasks))
    images = all(is_image_task(task) for task in tasks)
    generated = all(generates_text(task) for task in tasks)
    methods = _OF_TASKS.get(tasks[0], DEFAULT.methods) if len(set(tasks)) == 1 else DEFAULT.methods
    if set(backbones) == {"mobilenet-v2"}:
        methods = CONVOLUTION_METHODS
    elif images or generated:
        methods = IMAGE_METHODS if images else GENERATION_METHODS
    proteins = all(is_protein_task(task) for task in tasks)
    return Study(
        budget=Budget(epochs=PROTEIN_EPOCHS) if proteins else Budget(),
        backbones=backbones,
        tasks=tasks,
        methods=methods,
    )
