"""The backbone ``digits-vit``: a small ViT that whichpeft pretrains itself, once, on digits 0 to 4.

It needs no download. Its training is seeded and uses one thread, so that the same machine and version
of torch always produce the same weights.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.backbones.digit_images import PRETRAINED_CLASSES, digit_images
from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.backbones.reproducible import recipe_cache_name, seeded_single_thread
from whichpeft.storage.cache import cached

if TYPE_CHECKING:
    import torch
    from transformers import ViTForImageClassification

# Increase this for every change below, so that weights of an earlier recipe are never reused.
RECIPE = 1
EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, SEED = 15, 32, 1e-3, 0.01, 0
ARCHITECTURE: dict[str, object] = {
    "image_size": 8,
    "patch_size": 2,
    "num_channels": 1,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    # The usual 0.02 suits a width of 768; at 64, it gave worse features in 40 epochs than this in 20.
    "initializer_range": 0.1,
}


def digits_vit_folder() -> Path:
    """Return the folder with the weights; the first call pretrains them (less than a minute).

    Raises FolderError if the cache is not writable.
    """
    return cached(recipe_cache_name("digits-vit", RECIPE, "torch", "transformers"), _make)


def _make(folder: Path) -> None:
    print("digits-vit: pretraining it once on the digits 0 to 4", file=sys.stderr, flush=True)
    with seeded_single_thread(SEED):
        model = _pretrain()
    processor = {"size": {"height": 8, "width": 8}, "image_mean": [0.5], "image_std": [0.5]}
    with quiet_loading():
        from transformers import ViTImageProcessor  # warns if torchvision is missing

        model.vit.save_pretrained(folder)
        ViTImageProcessor(**processor, do_convert_rgb=False).save_pretrained(folder)


def _pretrain() -> ViTForImageClassification:
    """Train a classifier of digits 0 to 4; each batch is shifted by up to one pixel per direction."""
    import torch
    from torch.nn import functional
    from transformers import ViTConfig, ViTForImageClassification

    pixels, digits = digit_images(PRETRAINED_CLASSES)
    images = torch.from_numpy(pixels).float()[:, None] / 127.5 - 1
    labels = torch.from_numpy(digits)  # the digits are the class numbers
    model = ViTForImageClassification(ViTConfig(num_labels=len(PRETRAINED_CLASSES), **ARCHITECTURE))
    model.train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    steps = EPOCHS * -(-len(images) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, steps, pct_start=0.1)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(BATCH_SIZE):
            logits = model(pixel_values=_moved(images[chosen])).logits
            functional.cross_entropy(logits, labels[chosen]).backward()
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
    return model.eval()


def _moved(images: torch.Tensor) -> torch.Tensor:
    """Shift images of shape (n, 1, 8, 8) by -1, 0 or 1 pixel per direction, padded with background."""
    import torch
    from torch.nn import functional

    padded = functional.pad(images, (1, 1, 1, 1), value=-1.0)
    down, right = torch.randint(0, 3, (2,)).tolist()
    return padded[:, :, down : down + 8, right : right + 8]
