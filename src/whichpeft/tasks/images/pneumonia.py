"""The bundled medical task: does a chest X-ray show pneumonia?

The images are from PneumoniaMNIST (CC BY 4.0; Yang et al. 2023, doi:10.1038/s41597-022-01721-8):
frontal X-rays of children of one to five years (Kermany et al. 2018, doi:10.1016/j.cell.2018.02.010), of
28x28 pixels. See ``tasks/embedded/README.md`` for what is kept of them. Accuracy at a threshold of 0.5
misleads, since 10 % of the training images are normal but 38 % of the test images; so the score is the
area under the ROC curve.
"""

from __future__ import annotations

from importlib.resources import as_file, files

from whichpeft.metrics.labelled import ACCURACY, AUROC, BALANCED_ACCURACY, MACRO_F1
from whichpeft.tasks.from_examples import image_task
from whichpeft.tasks.images.medmnist import SMALLEST, medmnist_splits
from whichpeft.tasks.images.task import ImageTask

CLASSES = ("normal", "pneumonia")


def pneumonia() -> ImageTask:
    """Load the task ``pneumonia``: 600 training, 250 validation and 624 test images."""
    with as_file(files("whichpeft.tasks.embedded") / "pneumonia.npz") as path:
        found = medmnist_splits(path)
    splits = {
        split: [(image, CLASSES[number]) for image, number in zip(images, numbers, strict=True)]
        for split, (images, numbers) in found.items()
    }
    metrics = (AUROC, ACCURACY, BALANCED_ACCURACY, MACRO_F1)
    return image_task("pneumonia", **splits, metrics=metrics).read_at(SMALLEST)
