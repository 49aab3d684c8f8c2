"""Image tasks: digits, folders of images, images in tables; reading and refusals."""

from __future__ import annotations

import io
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.backbones.digit_images import PRETRAINED_CLASSES, digit_images
from whichpeft.errors import BackboneError, DataError
from whichpeft.methods import MethodContext, resolve_method
from whichpeft.study import Budget, TaskSource
from whichpeft.tasks import ImageTask, TextTask, default_backbone, image_task, is_image_task, load_task
from whichpeft.tasks.images.digits import CLASSES, digits
from whichpeft.tasks.images.encoding import load_processor
from whichpeft.tasks.images.raw import RawImage
from whichpeft.testing import TaskContract

from ..hub_stub import parquet


@pytest.fixture
def grey_vit(tiny_vits: dict[int, Path]) -> Backbone:
    return resolve_backbone(str(tiny_vits[1]))


@pytest.fixture
def colour_vit(tiny_vits: dict[int, Path]) -> Backbone:
    return resolve_backbone(str(tiny_vits[3]))


@pytest.fixture
def by_class(shapes: Path, tmp_path: Path) -> Path:
    """Only the training images, ``class/*.png``."""
    return Path(shutil.copytree(shapes / "train", tmp_path / "by-class"))


def load(folder: Path, **fields: str) -> ImageTask:
    task = load_task(TaskSource(name=str(folder), **fields))  # type: ignore[arg-type]
    assert isinstance(task, ImageTask)
    return task


def refusal(folder: Path, **fields: object) -> str:
    with pytest.raises(DataError) as caught:
        load_task(TaskSource(name=str(folder), **fields))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_digits_keep_the_contract(grey_vit: Backbone) -> None:
    TaskContract(load=digits, backbone=grey_vit).check()


def test_folders_of_images_keep_the_contract(shapes: Path, by_class: Path, colour_vit: Backbone) -> None:
    for folder in (shapes, by_class):
        TaskContract(load=partial(load, folder), backbone=colour_vit).check()


def test_digits_never_contain_pretraining_images() -> None:
    assert not set(CLASSES) & set(PRETRAINED_CLASSES)
    assert len(CLASSES) + len(PRETRAINED_CLASSES) == 10
    task = digits()
    assert task.classes == ("5", "6", "7", "8", "9")
    assert sum(task.counts.values()) == 896
    seen = {RawImage(pixels, "").fingerprint() for pixels in digit_images(PRETRAINED_CLASSES)[0]}
    assert len(seen) == 901
    assert not seen & task.raw_images.keys()
    splits = [set(split.inputs) for split in task.splits.values()]
    assert sum(map(len, splits)) == len(set.union(*splits))


def test_known_tasks_have_a_default_backbone(shapes: Path, reviews: Path) -> None:
    assert default_backbone("digits") == "digits-vit"
    assert default_backbone("stdlib-docs") == default_backbone(str(shapes)) == "minilm"
    assert is_image_task("digits")
    assert is_image_task(str(shapes))
    assert not any(map(is_image_task, ("stdlib-docs", str(reviews), "owner/name", "nowhere")))


def test_a_folder_of_splits_and_a_folder_of_classes(shapes: Path, by_class: Path) -> None:
    task = load(shapes)
    assert task.name == "shapes"
    assert task.classes == ("lying", "standing")
    assert task.counts == {"train": 60, "validation": 20, "test": 24}
    assert [metric.name for metric in task.metrics] == ["accuracy", "macro_f1"]
    alone = load(by_class)
    assert alone.counts == {"train": 48, "validation": 6, "test": 6}
    assert any("only one set" in note for note in alone.notes)
    for one in by_class.rglob("*.png"):  # renaming does not change an image
        one.rename(one.with_name(f"renamed-{one.name}"))
    assert set(load(by_class).splits["test"].inputs) == set(alone.splits["test"].inputs)


def test_a_test_without_labels_is_left_out(shapes: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shapes, tmp_path / "shapes"))
    shutil.rmtree(folder / "test")
    (folder / "test").mkdir()
    for one in (shapes / "test" / "lying").iterdir():
        shutil.copy(one, folder / "test")
    task = load(folder)
    assert task.counts["test"] == 20
    assert any("has no labels" in note for note in task.notes)


def test_batches_match_the_backbones_own_processor(shapes: Path, colour_vit: Backbone) -> None:
    task = load(shapes)
    examples = task.encode(colour_vit, max_train=None)["test"]
    assert examples.tokens is None
    assert examples.truncated == 0
    batch = examples.batch(np.arange(24))
    raw_images = [task.raw_images[content] for (content,) in task.splits["test"].inputs]
    processor = load_processor(colour_vit)
    expected = processor([picture.open(grey=False) for picture in raw_images], return_tensors="pt")
    assert batch["pixel_values"].shape == (24, 3, 16, 16)
    np.testing.assert_allclose(batch["pixel_values"], expected["pixel_values"], atol=1e-5)


def test_the_subset_is_the_same_for_every_backbone(
    shapes: Path, colour_vit: Backbone, grey_vit: Backbone
) -> None:
    task = load(shapes)
    labels = [task.encode(b, max_train=20)["train"].labels.tolist() for b in (colour_vit, grey_vit)]
    assert labels[0] == labels[1]
    assert len(labels[0]) == 20


def test_images_of_all_formats_are_opened(tmp_path: Path) -> None:
    ramp = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
    deep = tmp_path / "deep.png"
    Image.fromarray(ramp.astype(np.uint16) * 257).save(deep)
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with a rotated camera
    Image.fromarray(np.repeat(ramp, 2, axis=1)).save(turned, exif=exif)
    for image in (deep, png(ramp), ramp):
        assert np.array_equal(RawImage(image, "it").open(grey=True), ramp)
    assert RawImage(turned, "it").open(grey=False).size == (8, 16)
    palette = tmp_path / "palette.gif"
    Image.fromarray(ramp).convert("P").save(palette)
    assert RawImage(palette, "it").open(grey=False).mode == "RGB"


def test_a_file_that_is_not_an_image_is_named(by_class: Path, colour_vit: Backbone) -> None:
    broken = by_class / "lying" / "broken.png"
    broken.write_bytes((by_class / "lying" / "0.png").read_bytes()[:100])
    with pytest.raises(DataError, match=r"lying/broken\.png: cannot be read as an image"):
        load(by_class).encode(colour_vit, max_train=None)


def test_faulty_folders_are_refused(shapes: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(shapes, tmp_path / name))

    typo = copy("typo")
    (typo / "train").rename(typo / "trian")
    assert "no sub-folder is named train, only test, trian, val" in refusal(typo)
    twice = copy("twice")
    shutil.copytree(twice / "val", twice / "validation")
    assert "2 sub-folders could be the validation set: val, validation" in refusal(twice)
    unseen = copy("unseen")
    (unseen / "test" / "lying").rename(unseen / "test" / "lieing")
    assert "label 'lieing' never occurs in the training data" in refusal(unseen)
    assert "no folders of classes" in refusal(unseen / "test" / "lieing")
    one = copy("one")
    shutil.rmtree(one / "train" / "lying")
    assert "every label is 'standing'" in refusal(one)
    assert "images can only be classified" in refusal(shapes, problem="regression")
    assert "no column 'text'" in refusal(shapes, text_columns=("text",))
    assert "is a folder" in refusal(shapes, test=str(shapes / "test"))
    (tmp_path / "empty").mkdir()
    assert "images in one sub-folder per class" in refusal(tmp_path / "empty")


def test_a_folder_of_texts_may_also_contain_images(reviews: Path, shapes: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(reviews, tmp_path / "reviews"))
    shutil.copytree(shapes / "train", folder / "pictures")
    assert isinstance(load_task(TaskSource(name=str(folder))), TextTask)


def test_a_parquet_file_of_images(tmp_path: Path, colour_vit: Backbone) -> None:
    rng = np.random.default_rng(0)
    images = [png(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for _ in range(40)]
    columns = {
        "image": [{"bytes": image, "path": f"{i}.png"} for i, image in enumerate(images)],
        "label": ["cat" if i % 2 else "dog" for i in range(40)],
    }
    (tmp_path / "pets.parquet").write_bytes(parquet(columns))
    task = load(tmp_path / "pets.parquet")
    assert task.classes == ("cat", "dog")
    assert len(task.encode(colour_vit, max_train=None)["train"]) == 32
    columns["image"][3]["bytes"] = b"no image"
    (tmp_path / "pets.parquet").write_bytes(parquet(columns))
    with pytest.raises(DataError, match=r"pets\.parquet row 3 \(3\.png\): cannot be read as an image"):
        load(tmp_path / "pets.parquet").encode(colour_vit, max_train=None)


def test_backbones_of_the_other_modality_are_refused(
    shapes: Path, tiny_backbone: Path, colour_vit: Backbone
) -> None:
    bert = resolve_backbone(str(tiny_backbone))
    texts = load_task(TaskSource(name="stdlib-docs"))
    for task, backbone in ((load(shapes), bert), (texts, colour_vit)):
        for work in (partial(task.encode, max_train=None), task.build, task.build_on_meta):
            with pytest.raises(BackboneError, match=r"does not classify .* with --backbone, such as"):
                work(backbone)


def test_a_backbone_without_an_image_processor_is_refused(
    shapes: Path, colour_vit: Backbone, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(colour_vit.files, tmp_path / "bare"))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(BackboneError, match=r"preprocessor_config\.json"):
        load(shapes).encode(resolve_backbone(str(folder)), max_train=None)


def test_a_processor_of_other_channels_is_refused(
    shapes: Path, grey_vit: Backbone, tmp_path: Path
) -> None:
    """A model of one channel with the usual processor, which normalises three."""
    folder = Path(shutil.copytree(grey_vit.files, tmp_path / "grey"))
    settings = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    settings |= {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(BackboneError, match="normalises 3 channels"):
        load(shapes).encode(resolve_backbone(str(folder)), max_train=None)


def test_images_of_different_sizes_are_refused(colour_vit: Backbone, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(colour_vit.files, tmp_path / "shortest"))
    file = folder / "preprocessor_config.json"
    asked = json.loads(file.read_text()) | {"size": {"shortest_edge": 16}}
    file.write_text(json.dumps(asked))
    rng = np.random.default_rng(0)
    rows = [(rng.integers(0, 256, (20, 20 + i % 9), dtype=np.uint8), i % 2) for i in range(40)]
    with pytest.raises(BackboneError, match=r"one size .* height and width, or crop"):
        image_task("own", train=rows).encode(resolve_backbone(str(folder)), max_train=None)


def test_a_model_on_meta_has_the_shapes_of_the_built_one(shapes: Path, colour_vit: Backbone) -> None:
    import torch

    task = load(shapes)
    with torch.device("meta"):
        meta_model = task.build_on_meta(colour_vit)
        batch = task.dummy_batch(colour_vit, 4, 7)
        assert task.outputs(meta_model, batch).shape == (4, 2)
    built = task.build(colour_vit)
    assert {n: p.shape for n, p in meta_model.named_parameters()} == {
        n: p.shape for n, p in built.named_parameters()
    }
    assert task.head_parameters(meta_model) == task.head_parameters(built)
    assert task.head_parameters(built) == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("text", ["lora:r=2", "dora:r=2", "adalora", "ia3", "bitfit"])
def test_methods_train_the_head_and_reload_from_disk(
    text: str, grey_vit: Backbone, tmp_path: Path
) -> None:
    import torch

    task = digits()
    method = resolve_method(text)
    assert method.refuses(grey_vit, task, Budget()) is None
    batch = task.encode(grey_vit, max_train=60)["train"].batch(np.arange(8))
    torch.manual_seed(0)
    model = task.build(grey_vit)
    head = frozenset(task.head_parameters(model))
    adapter = method.apply(model, MethodContext(task_type=task.task_type, head=head, steps=10))
    trained = [p for p in adapter.model.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in trained]
    optimiser = torch.optim.SGD(trained, lr=1.0)
    task.loss(adapter.model, batch).backward()
    optimiser.step()
    moved = {tuple(p.shape) for p, old in zip(trained, before, strict=True) if not torch.equal(p, old)}
    assert (5, 32) in moved  # the classifier's weight
    adapter.save(tmp_path)
    torch.manual_seed(0)
    again = method.load(task.build(grey_vit), tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            task.outputs(again, batch), task.outputs(adapter.model.eval(), batch), atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("text", ["prefix", "prompt", "p-tuning"])
def test_methods_of_tokens_refuse_images(text: str, grey_vit: Backbone) -> None:
    assert resolve_method(text).refuses(grey_vit, digits(), Budget()) == (
        "virtual tokens need a task whose inputs are tokens"
    )


def test_an_image_task_in_code(shapes: Path, colour_vit: Backbone) -> None:
    rows = [(path, path.parent.name) for path in sorted(shapes.rglob("train/*/*.png"))]
    task = image_task("own", train=rows)
    assert task.counts == {"train": 48, "validation": 6, "test": 6}
    assert task.encode(colour_vit, max_train=10)["train"].batch(np.arange(2))["labels"].shape == (2,)
    with pytest.raises(DataError, match=r"task 'own' \[train\]: example 0 has no label"):
        image_task("own", train=[(rows[0][0], "")])
    with pytest.raises(DataError, match=r"nowhere\.png: cannot be read"):
        image_task("own", train=[(Path("nowhere.png"), "cat")])
