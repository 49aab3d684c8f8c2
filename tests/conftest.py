"""Fixtures of many tests: a tiny real BERT, a small data folder, the real data next to the checkout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from whichpeft.backbones import Backbone, resolve_backbone

from . import builders
from .browser import browser, open_page
from .forks import Forks, shorten_profiles
from .protein_models import write_esm

__all__ = ["browser", "open_page"]  # fixtures

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# One thread each: with two, operations on small tensors spend their time waiting for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The machine of the tests is busy with them, and no test is about how fast a method is.
os.environ.setdefault("WHICHPEFT_PATIENCE", "0")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need CUDA on a machine without it."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="torch finds no CUDA device on this machine"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Use a cache of this session's own, so that no test reads or changes the user's.

    Workers share it, so that a backbone is pretrained once.
    """
    worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if worker else base) / "whichpeft-cache"
    folder.mkdir(exist_ok=True)
    os.environ["WHICHPEFT_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def brief_profiles() -> None:
    """Shorten the profiles of runs in this process; those of forked ones are shortened there."""
    shorten_profiles()


@pytest.fixture(scope="session")
def made_once(own_cache: Path) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a folder that the first worker makes and that all workers read."""

    def found(name: str, make: Callable[[Path], object]) -> Path:
        folder = own_cache.parent / name
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                unfinished = folder.with_suffix(".unfinished")
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return found


@pytest.fixture(scope="session")
def forks(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Start ``whichpeft`` in processes of its own, without the seconds of imports."""
    running = Forks(tmp_path_factory.mktemp("forks"))
    yield running
    running.close()


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a dry run do everything except timing steps, which takes most of its time."""

    from whichpeft.engine import Result

    def profiles(jobs: Iterable[Any], *_: object, until: float | None) -> Iterator[tuple[Any, Result]]:
        for job in jobs:
            yield job, Result(record=builders.profile(job.trial.method, seconds=9))

    monkeypatch.setattr("whichpeft.executors.local.run_jobs", profiles)
    monkeypatch.setattr("whichpeft.executors.local.start_server", lambda families: None)


@pytest.fixture(scope="session")
def tiny_vits(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders of two ViTs with two narrow layers and random weights, by channels: 8x8 and 16x16."""
    import torch
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folders = {}
    for channels, size in ((1, 8), (3, 16)):
        folders[channels] = folder = tmp_path_factory.mktemp("backbone") / f"tiny-vit-{channels}"
        torch.manual_seed(0)
        config = ViTConfig(
            image_size=size,
            patch_size=size // 4,
            num_channels=channels,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
        )
        ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
        mean, deviation = [0.5, 0.4, 0.3][:channels], [0.5, 0.25, 0.2][:channels]
        ViTImageProcessorPil(
            size={"height": size, "width": size}, image_mean=mean, image_std=deviation
        ).save_pretrained(folder)
    return folders


@pytest.fixture(scope="session")
def tiny_mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a narrow MobileNetV2 for images of 32x32, with random weights and fitting statistics."""
    import torch
    from transformers import MobileNetV2Config, MobileNetV2Model
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("backbone") / "tiny-mobilenet"
    torch.manual_seed(0)
    config = MobileNetV2Config(depth_multiplier=0.1, image_size=32, tf_padding=False)
    model = MobileNetV2Model(config).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # statistics are means over what is read
    with torch.no_grad():
        for _ in range(4):
            model(torch.randn(16, 3, 32, 32))
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small images, ``split/class/*.png``: a bright bar, horizontal or vertical."""
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("data") / "shapes"
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("val", 10), ("test", 12)):
        for name in ("lying", "standing"):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 60, (20, 24, 3), dtype=np.uint8)
                place = rng.integers(0, 16)
                bar = (slice(place, place + 4), slice(None))
                pixels[bar if name == "lying" else bar[::-1]] += 180
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a BERT with two narrow layers, random weights and the real tokenizer."""
    return _save_tiny_bert(tmp_path_factory.mktemp("backbone") / "tiny-bert")


@pytest.fixture(scope="session")
def still_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT without dropout, whose random numbers differ between stacked and single trials.

    Its weights are large enough for every part to get a real gradient: Adam takes steps of full length
    even if a gradient is only rounding error.
    """
    return _save_tiny_bert(
        tmp_path_factory.mktemp("still") / "still-bert",
        initializer_range=0.2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _save_tiny_bert(folder: Path, **options: float) -> Path:
    import torch
    from transformers import BertConfig, BertModel

    from whichpeft.backbones import resolve_backbone

    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        **options,
    )
    BertModel(config).save_pretrained(folder)
    for path in resolve_backbone("minilm").folder.glob("*token*"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def families(
    tiny_backbone: Path, tiny_vits: dict[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Backbone]:
    """Narrow models with two layers and random weights: two encoders, a decoder, a ViT and an ESM."""
    import torch
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, RobertaConfig, RobertaModel

    from whichpeft.backbones import resolve_backbone

    small = {
        "vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64,
    }  # fmt: skip
    torch.manual_seed(0)
    made = {
        "bert": BertModel(BertConfig(**small, max_position_embeddings=128)),
        "roberta": RobertaModel(RobertaConfig(**small, max_position_embeddings=130)),
        "llama": LlamaModel(LlamaConfig(**small, max_position_embeddings=128, num_key_value_heads=2)),
    }
    esm = write_esm(tmp_path_factory.mktemp("family") / "esm")
    found = {"vit": resolve_backbone(str(tiny_vits[1])), "esm": resolve_backbone(str(esm))}
    for name, model in made.items():
        folder = tmp_path_factory.mktemp("family") / name
        model.save_pretrained(folder)
        for path in tiny_backbone.glob("*token*"):
            shutil.copy(path, folder)
        found[name] = resolve_backbone(str(folder))
    return found


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of short labelled sentences that a small model learns in seconds."""
    folder = tmp_path_factory.mktemp("data") / "reviews"
    folder.mkdir()
    words = {
        "good": ("warm", "funny", "gripping", "tender", "clever", "lovely"),
        "bad": ("dull", "empty", "tedious", "clumsy", "stale", "awful"),
    }
    things = ("film", "story", "cast", "script", "ending", "score", "plot", "pace")
    lines = [
        f"the {thing} is {word} and {other} from beginning to end\t{label}"
        for thing in things
        for label, chosen in words.items()
        for word in chosen
        for other in chosen
        if word != other
    ]
    lines.sort(key=lambda line: hash_of(line))
    for name, part in (("train", lines[:160]), ("dev", lines[160:240]), ("test", lines[240:320])):
        (folder / f"{name}.tsv").write_text("sentence\tlabel\n" + "\n".join(part) + "\n")
    return folder


def hash_of(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data next to the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not next to this checkout")
    return SHARED


@pytest.fixture(scope="session")
def tiny_writer(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A tiny language model with random weights that reads any text."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder: Path = tmp_path_factory.mktemp("tiny-writer")
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words.train_from_iterator(["What is three plus four? The answer is seven."], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        initializer_range=0.2,  # so that what it writes depends on what it read
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return resolve_backbone(str(folder))
