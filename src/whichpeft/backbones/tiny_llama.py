"""The backbone ``tiny-llama``: a small language model that whichpeft pretrains itself, once.

It reads and writes texts like those of `tiny_corpus`. Like ``digits-vit`` it needs no download, and the
same machine and library versions always produce the same weights.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whichpeft.backbones.quiet_libraries import quiet_loading
from whichpeft.backbones.reproducible import recipe_cache_name, seeded_single_thread
from whichpeft.backbones.tiny_corpus import training_texts
from whichpeft.storage.cache import cached

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

# Increase this for every change below or in the corpus, so that earlier weights are never reused.
RECIPE = 2
POSITIONS, VOCABULARY, TOKENIZER_TEXTS = 256, 640, 2000
BLOCK, BATCH_SIZE, STEPS, LEARNING_RATE, WEIGHT_DECAY, SEED = 64, 16, 1600, 8e-3, 0.01, 0
ARCHITECTURE: dict[str, object] = {
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": POSITIONS,
    "tie_word_embeddings": True,
    "initializer_range": 0.06,
}
_PAD, _BEGIN, _END = "<pad>", "<s>", "</s>"


def tiny_llama_folder() -> Path:
    """Return the folder with the weights; the first call pretrains them (about a minute).

    Raises FolderError if the cache is not writable.
    """
    name = recipe_cache_name("tiny-llama", RECIPE, "torch", "transformers", "tokenizers")
    return cached(name, _make)


def _make(folder: Path) -> None:
    print("tiny-llama: pretraining it once on made-up texts", file=sys.stderr, flush=True)
    texts = training_texts()
    tokenizer = make_tokenizer(texts)
    with seeded_single_thread(SEED):
        model = pretrain(new_model(tokenizer), tokenizer, texts)
    with quiet_loading():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def make_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    """Train a byte-level BPE, which can read any text, on these texts; each digit is one token."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # A space belongs to the digit after it, as with words.
            pre_tokenizers.Split(Regex(r" ?\d"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator(
        texts[:TOKENIZER_TEXTS],
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[_PAD, _BEGIN, _END],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    words.post_processor = processors.TemplateProcessing(
        single=f"{_BEGIN} $A",
        pair=f"{_BEGIN} $A $B",
        special_tokens=[(_BEGIN, words.token_to_id(_BEGIN))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=_PAD,
        bos_token=_BEGIN,
        eos_token=_END,
        model_max_length=POSITIONS,
        clean_up_tokenization_spaces=False,
    )


def new_model(tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    """Create the model with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **ARCHITECTURE,
        )
    )


def pretrain(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    steps: int = STEPS,
) -> LlamaForCausalLM:
    """Train on blocks of the joined texts, drawn at random for each step, and return the model."""
    import torch

    ids: list[int] = []
    for row in tokenizer(list(texts))["input_ids"]:
        ids += [*row, tokenizer.eos_token_id]
    stream = torch.tensor(ids)
    model.train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98), fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, steps, pct_start=0.1)
    for _ in range(steps):
        starts = torch.randint(len(stream) - BLOCK, (BATCH_SIZE, 1))
        block = stream[starts + torch.arange(BLOCK)]
        model(input_ids=block, labels=block).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    return model.eval()
