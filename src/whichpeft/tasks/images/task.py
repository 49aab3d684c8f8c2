"""Image tasks: each image belongs to one of several classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from whichpeft.tasks.images.raw import RawImage
from whichpeft.tasks.labelled import LabelledTask
from whichpeft.tasks.protocol import Batch, Examples, Excerpt

if TYPE_CHECKING:
    import torch

    from whichpeft.backbones import Backbone
    from whichpeft.backbones.fit import Fit


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImageTask(LabelledTask):
    """Images with a class each. The input of an example is the hash of its image's content."""

    raw_images: Mapping[str, RawImage] = field(default_factory=dict, repr=False)
    """The images by the hash of their content; equal images are stored once."""
    image_size: int | None = None
    """Height and width that convolutional networks read the images at; None for the backbone's own."""

    @property
    def task_type(self) -> None:
        """None: PEFT has no task type for images."""

    def read_at(self, size: int) -> Self:
        """Return the task with a height and width for networks that read any size."""
        return dataclasses.replace(self, image_size=size, fingerprint=f"{self.fingerprint}-{size}")

    def without_examples(self) -> Self:
        return dataclasses.replace(self, splits={}, raw_images={})

    def excerpts(self, split: str, places: Sequence[int]) -> list[Excerpt]:
        """Return the names of some images; equal images have one name."""
        inputs = self.splits[split].inputs
        return [Excerpt(inputs=(self.raw_images[inputs[place][0]].name,)) for place in places]

    def encode(self, backbone: Backbone, *, max_train: int | None) -> Mapping[str, Examples]:
        """Convert the images to the size and channels that the backbone reads, as 8-bit pixels.

        `max_train` keeps the training examples with the lowest content hash. Raises DataError if a class
        would be left without a training example or a file is not an image, and BackboneError if the
        backbone does not read images or its image processor cannot be loaded.
        """
        from whichpeft.tasks.classifier import check_modality
        from whichpeft.tasks.images.encoding import encode_images, processor_of_size

        splits = self.cut_splits(max_train)
        check_modality(backbone, "images")
        processor = processor_of_size(backbone, self.image_size)
        return {
            key: encode_images(
                [self.raw_images[content] for (content,) in split.inputs],
                split.labels,
                processor,
                backbone,
            )
            for key, split in splits.items()
        }

    def build(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.classifier import build_classifier

        return build_classifier(backbone, modality="images", classes=self.classes)

    def compare_weights(self, backbone: Backbone) -> Fit:
        from whichpeft.tasks.classifier import compare_classifier

        return compare_classifier(backbone, modality="images")

    def build_on_meta(self, backbone: Backbone) -> torch.nn.Module:
        from whichpeft.tasks.classifier import build_classifier_on_meta

        return build_classifier_on_meta(backbone, modality="images", classes=self.classes)

    def dummy_batch(self, backbone: Backbone, size: int, length: int) -> Batch:
        """Return images of zeros; `length` is ignored."""
        import torch

        from whichpeft.tasks.images.encoding import made_up_shape

        shape = made_up_shape(backbone, self.image_size)
        return {
            "pixel_values": torch.zeros((size, *shape)),
            "labels": torch.zeros(size, dtype=torch.int64),
        }
