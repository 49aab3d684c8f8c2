"""Converts the antibody model Sapiens VH to the folder of a transformers model.

    pip download --no-deps sapiens==1.0.4 && unzip sapiens-1.0.4-py3-none-any.whl -d sapiens
    python tools/convert_sapiens.py sapiens src/whichpeft/backbones/sapiens_vh

Sapiens (Prihoda et al. 2022, doi:10.1080/19420862.2021.2020203) is a RoBERTa of 0.57 million parameters,
pretrained on 20 million heavy chains of human antibodies. The package has a checkpoint of fairseq, which
cannot be installed beside current libraries; the weights are the same numbers under other names.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from transformers import RobertaConfig, RobertaForMaskedLM

from whichpeft.backbones.antibodies import residue_tokenizer

POSITIONS = 144
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_LAYER = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
_OUTSIDE = {
    "sentence_encoder.embed_tokens": "roberta.embeddings.word_embeddings",
    "sentence_encoder.embed_positions": "roberta.embeddings.position_embeddings",
    "sentence_encoder.emb_layer_norm": "roberta.embeddings.LayerNorm",
    "lm_head.dense": "lm_head.dense",
    "lm_head.layer_norm": "lm_head.layer_norm",
}


def convert(package: Path, out: Path) -> None:
    """Write configuration, weights, tokenizer and licence of the heavy-chain model into a folder."""
    models = package / "sapiens" / "models" / "v1"
    torch.serialization.add_safe_globals([argparse.Namespace])
    checkpoint = torch.load(models / "checkpoint_vh.pt", map_location="cpu", weights_only=True)
    given = checkpoint["args"]
    residues = [line.split()[0] for line in (models / "dict.txt").read_text().splitlines()]
    vocabulary = [*SPECIAL, *residues, "<mask>"]
    config = RobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=given.encoder_embed_dim,
        num_hidden_layers=given.encoder_layers,
        num_attention_heads=given.encoder_attention_heads,
        intermediate_size=given.encoder_ffn_embed_dim,
        max_position_embeddings=POSITIONS + 2,  # positions begin after that of the padding
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    model = RobertaForMaskedLM(config)
    weights = {_renamed(name): value for name, value in checkpoint["model"].items()}
    weights["roberta.embeddings.token_type_embeddings.weight"] = torch.zeros(1, config.hidden_size)
    weights["lm_head.decoder.weight"] = weights["roberta.embeddings.word_embeddings.weight"]
    weights["lm_head.decoder.bias"] = weights["lm_head.bias"]
    model.load_state_dict(weights, strict=True)
    model.save_pretrained(out)
    residue_tokenizer(
        vocabulary, POSITIONS, begin="<s>", end="</s>", pad="<pad>", unknown="<unk>", mask="<mask>"
    ).save_pretrained(out)
    (licence,) = package.glob("*.dist-info/LICENSE")
    shutil.copyfile(licence, out / "LICENSE")


def _renamed(name: str) -> str:
    name = name.removeprefix("decoder.")
    for old, new in _OUTSIDE.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    if name == "lm_head.weight":
        return "lm_head.decoder.weight"
    if name == "lm_head.bias":
        return name
    _, _, number, *rest, kind = name.split(".")  # sentence_encoder.layers.0.self_attn.k_proj.weight
    return f"roberta.encoder.layer.{number}.{_LAYER['.'.join(rest)]}.{kind}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="folder that the wheel was unpacked into")
    parser.add_argument("out", type=Path, help="folder of the model to write")
    asked = parser.parse_args()
    convert(asked.package, asked.out)
