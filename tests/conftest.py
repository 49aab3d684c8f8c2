"""What many tests stand on: a tiny real BERT, a small data folder, the real data beside the checkout."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from whichpeft.backbones import Backbone

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# One thread each: two-thread operations on small tensors spend their time waiting for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two narrow layers with random weights and the real tokenizer, as a folder."""
    import torch
    from transformers import BertConfig, BertModel

    from whichpeft.backbones import resolve_backbone

    folder = tmp_path_factory.mktemp("backbone") / "tiny-bert"
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    for path in resolve_backbone("minilm").folder.glob("*token*"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def families(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    """Two narrow layers with random weights of an encoder, a second one, and a decoder."""
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
    found = {}
    for name, model in made.items():
        folder = tmp_path_factory.mktemp("family") / name
        model.save_pretrained(folder)
        for path in tiny_backbone.glob("*token*"):
            shutil.copy(path, folder)
        found[name] = resolve_backbone(str(folder))
    return found


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of short labelled sentences that a small model can learn in seconds."""
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
    """The real data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED
