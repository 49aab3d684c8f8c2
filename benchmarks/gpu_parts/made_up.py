"""Models of real shapes with random weights, and texts of random words: nothing is downloaded."""

from __future__ import annotations

import gc
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import whichpeft as wp

WORDS = [f"w{i}" for i in range(1000)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LLAMA_1B = {
    "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "head_dim": 64,
    "intermediate_size": 8192,
}  # fmt: skip
"""How Llama-3.2-1B differs from Llama-3.2-3B."""
MINILM = {
    "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
}  # fmt: skip
"""How all-MiniLM-L6 differs from BERT-base."""
NARROW = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
    "vocab_size": 1100,
}  # fmt: skip
"""What a narrow model has instead, to try the parts on a CPU."""

Lengths = Callable[[random.Random], int]
"""Draws the number of words of a text."""


def backbone(name: str, folder: Path, *, device: str, narrow: bool) -> str:
    """Return the folder of a model with random weights and a tokenizer of whole words.

    The model is made on the device, and only once. A model that generates text is stored in bfloat16, as
    its original is.
    """
    place = folder / f"{name}{'-narrow' if narrow else ''}"
    finished = place / "finished"
    if not finished.exists():
        shutil.rmtree(place, ignore_errors=True)
        _save_tokenizer(place, decoder=_config(name, narrow)["model_type"] == "llama")
        _save_model(place, _config(name, narrow), device)
        finished.touch()
    return str(place)


def gigabytes(name: str) -> float:
    """Return about how many GB the file of a model's weights has."""
    return {"minilm": 0.1, "bert-base": 0.4, "llama-1b": 2.5, "llama-3b": 6.4, "llama-8b": 16.1}[name]


def _config(name: str, narrow: bool) -> dict[str, Any]:
    from whichpeft.backbones.architectures import architectures

    known = {"minilm": "bert-base", "llama-1b": "llama-3.2-3b", "llama-3b": "llama-3.2-3b"}
    original = known.get(name, {"llama-8b": "llama-3-8b"}.get(name, name))
    config = dict(architectures()[original].config)
    config |= {"minilm": MINILM, "llama-1b": LLAMA_1B}.get(name, {})
    config |= {"pad_token_id": 0}
    if config["model_type"] == "llama":
        config |= {"bos_token_id": 2, "eos_token_id": 3, "max_position_embeddings": 8192}
    if narrow:
        config |= NARROW
        if config["model_type"] == "llama":
            config |= {"num_key_value_heads": 2, "head_dim": 16}
    return config


def _save_model(folder: Path, config: dict[str, Any], device: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    decoder = config["model_type"] == "llama"
    torch.manual_seed(0)
    with torch.device(device):
        shape = AutoConfig.for_model(**config)
        kind = AutoModelForCausalLM if decoder else AutoModel
        model = kind.from_config(shape, dtype=torch.bfloat16 if decoder else torch.float32)
    model.save_pretrained(folder)
    del model
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()  # trials in other processes need that memory


def _save_tokenizer(folder: Path, *, decoder: bool) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if not decoder:
        words.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    named = {"bos_token": "[CLS]", "eos_token": "[SEP]"} if decoder else {}
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        **named,
    ).save_pretrained(folder)


def sentences(folder: Path, *, narrow: bool, train: int = 512) -> wp.TaskSource:
    """Make labelled sentences of 5 to 60 words, most of them short, as those of SST-2 are."""
    place, rng = folder / f"sentences-{train}", random.Random(0)
    place.mkdir(parents=True, exist_ok=True)
    most = 16 if narrow else 60
    for split, count in (("train", train), ("dev", 64), ("test", 64)):
        lines = []
        for i in range(count):
            words = rng.choices(WORDS, k=round(5 + (most - 5) * rng.random() ** 2))
            lines.append(f"{' '.join([WORDS[i % 2], *words])}\t{('no', 'yes')[i % 2]}\n")
        (place / f"{split}.tsv").write_text("".join(["sentence\tlabel\n", *lines]), encoding="utf-8")
    return wp.TaskSource(name=str(place))


def instructions(folder: Path, *, narrow: bool) -> wp.TaskSource:
    """Make prompts of 40 to 240 words with answers of 4 to 20, which alone count in the loss."""
    low, high = (5, 30) if narrow else (40, 240)
    return _texts(
        folder / "instructions",
        lambda rng: round(low + (high - low) * rng.random() ** 2),
        lambda rng: rng.randint(4, 20),
    )


def solutions(folder: Path, *, narrow: bool) -> wp.TaskSource:
    """Make texts as long as PEFT's own suite reads them: 210 tokens on average and at most 768.

    Nearly every token counts in the loss, as there. The lengths are drawn from a log-normal
    distribution; its spread is an assumption.
    """
    share = 8 if narrow else 1
    return _texts(
        folder / "solutions",
        lambda rng: 4,
        lambda rng: max(8, min(760, round(rng.lognormvariate(5.22, 0.46))) // share),
    )


def _texts(folder: Path, prompt: Lengths, completion: Lengths) -> wp.TaskSource:
    rng = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 512), ("dev", 32), ("test", 32)):
        lines = [
            json.dumps(
                {
                    "prompt": " ".join(rng.choices(WORDS, k=prompt(rng))),
                    "completion": " ".join(rng.choices(WORDS, k=completion(rng))),
                }
            )
            for _ in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return wp.TaskSource(name=str(folder), problem="generation", metric="log_likelihood")
