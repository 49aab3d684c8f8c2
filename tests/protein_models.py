"""Small models and data of proteins for tests: tokenizers as their authors published them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from whichpeft.tasks.residues.alphabet import RESIDUES

ESM = ("<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>")
PROTBERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"LAGVESIKRDTPNQFYMHCWXUBZO")
ANKH = ("<pad>", "</s>", "<unk>", *"ALGVSREDTIPKFQNYMHWCXBOUZ")
# The frequencies of UniProt in per cent, roughly.
_FREQUENCIES = (8, 1, 5, 7, 4, 7, 2, 6, 6, 10, 2, 4, 5, 4, 6, 7, 5, 7, 1, 3)


def sequences(count: int, length: int, seed: int = 0) -> list[str]:
    """Return random sequences with the frequencies of real ones."""
    draw = random.Random(seed)
    return ["".join(draw.choices(RESIDUES, _FREQUENCIES, k=length)) for _ in range(count)]


def write_esm(folder: Path, width: int = 32, layers: int = 2) -> Path:
    """Write an ESM of random weights with its tokenizer, which has no Rust."""
    import torch
    from transformers import EsmConfig, EsmForMaskedLM, EsmTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(ESM))
    EsmTokenizer(str(folder / "vocab.txt"), model_max_length=1024).save_pretrained(folder)
    torch.manual_seed(0)
    config = EsmConfig(**esm_config(width, layers, heads=2))
    EsmForMaskedLM(config).save_pretrained(folder)
    return folder


def esm_config(width: int, layers: int, *, heads: int = 20) -> dict[str, object]:
    """Return the configuration of an ESM2, which differs between sizes in these numbers alone."""
    return {
        "vocab_size": len(ESM),
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 1026,
        "position_embedding_type": "rotary",
        "token_dropout": True,
        "emb_layer_norm_before": False,
        "mask_token_id": ESM.index("<mask>"),
        "pad_token_id": ESM.index("<pad>"),
        "layer_norm_eps": 1e-5,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }


def write_protbert(folder: Path) -> Path:
    """Write a small BERT with ProtBert's tokenizer, which wants spaces between residues."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(PROTBERT))
    BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(PROTBERT),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=4096,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


def write_ankh(folder: Path, marks: Sequence[str] = ("",)) -> Path:
    """Write a small T5 with the tokenizer of Ankh, or of ProtT5 if tokens are marked by ``▁``."""
    import torch
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import Unigram
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    tokens = [*ANKH[:3], *(mark + letter for mark in marks for letter in ANKH[3:])]
    made = Tokenizer(Unigram([(token, -2.0) for token in tokens], unk_id=2))
    if marks != ("",):
        made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokens), d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2,
        decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def write_config(folder: Path, model_type: str, config: dict[str, object]) -> Path:
    """Write a folder with a configuration alone."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, **config}))
    return folder
