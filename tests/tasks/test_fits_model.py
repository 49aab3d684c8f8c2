"""What a model cannot read is known after encoding, before any trial: ids, token types, ends, labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.errors import BackboneError, DataError
from whichpeft.study import Budget
from whichpeft.tasks import Prompted, encoded_data, generative_task, text_task
from whichpeft.tasks.encoded_data import read_data, write_data

WORDS = ["<pad>", "<unk>", "<s>", "</s>", *(f"w{i}" for i in range(20))]
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 64,
}
Make = Callable[..., Backbone]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes a backbone of a family with a tokenizer of whole words."""

    def made(config: Any, *, ends: bool = True, added: tuple[str, ...] = ()) -> Backbone:
        folder = tmp_path / f"model-{len(list(tmp_path.iterdir()))}"
        words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
        words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        if ends:
            words.post_processor = processors.TemplateProcessing(
                single="<s> $A </s>",
                pair="<s> $A </s> $B:1 </s>:1",
                special_tokens=[("<s>", 2), ("</s>", 3)],
            )
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="<pad>", unk_token="<unk>", bos_token="<s>",
            eos_token="</s>", model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        )  # fmt: skip
        tokenizer.add_tokens(list(added))
        tokenizer.save_pretrained(folder)
        kind = (
            transformers.AutoModelForCausalLM if "llama" in config.model_type else transformers.AutoModel
        )
        kind.from_config(config).save_pretrained(folder)
        return resolve_backbone(str(folder))

    return made


def rows(extra: str = "") -> list[tuple[str, int]]:
    return [(f"w{i % 20} w{i // 20} {extra if i == 25 else ''}", i % 2) for i in range(40)]


@pytest.mark.parametrize("cached", [False, True])
def test_an_id_beyond_the_model_is_refused(
    cached: bool, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cached:
        monkeypatch.setattr(encoded_data, "_WORTH_KEEPING", -1.0)
        monkeypatch.setenv("WHICHPEFT_CACHE", str(tmp_path / "cache"))
    backbone = make(transformers.BertConfig(**SMALL, vocab_size=len(WORDS)), added=("<new>", "<newer>"))
    write_data(text_task("plain", train=rows()), backbone, Budget(), tmp_path)  # no text has them
    task = text_task("odd", train=rows("<newer>"))
    for _ in range(2):
        with pytest.raises(BackboneError, match=r"token '<newer>' with id 25, .* has 24 tokens.*resize"):
            write_data(task, backbone, Budget(), tmp_path)


def test_also_in_prompts_and_completions(make: Make, tmp_path: Path) -> None:
    config = transformers.LlamaConfig(**SMALL, vocab_size=len(WORDS), pad_token_id=0)
    backbone = make(config, added=("<new>",))
    examples = [Prompted(prompt=f"w{i % 20}", completion=f"w{i // 2}") for i in range(30)]
    write_data(generative_task("plain", train=examples), backbone, Budget(), tmp_path)
    for changed in (
        Prompted(prompt="<new>", completion="w1"),
        Prompted(prompt="w3", completion="<new>"),
    ):
        task = generative_task("odd", train=[*examples, changed])
        with pytest.raises(BackboneError, match="token '<new>' with id 24"):
            write_data(task, backbone, Budget(), tmp_path)


def test_token_types_that_the_model_lacks(make: Make, tmp_path: Path) -> None:
    pairs = [((f"w{i % 20}", f"w{i // 20}"), i % 2) for i in range(40)]
    task = text_task("pairs", train=pairs)
    one = make(
        transformers.RobertaConfig(**SMALL, vocab_size=len(WORDS), type_vocab_size=1, pad_token_id=0)
    )
    path, _ = write_data(task, one, Budget(), tmp_path)
    encoded = read_data(path)[1]["train"]
    assert encoded.types is None, "a model of one type tells no texts apart"  # type: ignore[attr-defined]
    model = task.build(one)
    assert torch.isfinite(task.loss(model, encoded.batch(np.arange(4))))
    two = make(transformers.BertConfig(**SMALL, vocab_size=len(WORDS), type_vocab_size=2))
    path, _ = write_data(task, two, Budget(), tmp_path)
    assert read_data(path)[1]["train"].types.max() == 1  # type: ignore[attr-defined]


def test_a_model_that_takes_no_token_types(make: Make, tmp_path: Path) -> None:
    config = transformers.DistilBertConfig(
        vocab_size=len(WORDS), dim=16, n_layers=1, n_heads=2, hidden_dim=16, max_position_embeddings=64
    )
    backbone = make(config)
    task = text_task("single", train=rows())
    path, _ = write_data(task, backbone, Budget(), tmp_path)
    batch = read_data(path)[1]["train"].batch(np.arange(4))
    assert "token_type_ids" not in batch
    assert torch.isfinite(task.loss(task.build(backbone), batch))


def test_a_word_that_the_model_takes_for_padding(make: Make, tmp_path: Path) -> None:
    backbone = make(transformers.RobertaConfig(**SMALL, vocab_size=len(WORDS), pad_token_id=5))
    with pytest.raises(BackboneError, match="token 'w1' with id 5, which is the model's padding"):
        write_data(text_task("t", train=rows()), backbone, Budget(), tmp_path)


BART: dict[str, Any] = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
    "max_position_embeddings": 64, "vocab_size": len(WORDS), "pad_token_id": 0, "bos_token_id": 2,
    "decoder_start_token_id": 3,
}  # fmt: skip


def test_texts_without_the_end_that_a_classifier_looks_for(make: Make, tmp_path: Path) -> None:
    task = text_task("t", train=rows())
    write_data(task, make(transformers.BartConfig(**BART, eos_token_id=3)), Budget(), tmp_path)
    with pytest.raises(
        BackboneError, match=r"example 0 has 0 end tokens \(id 3\).*needs 1 in every text"
    ):
        write_data(
            task, make(transformers.BartConfig(**BART, eos_token_id=3), ends=False), Budget(), tmp_path
        )


def test_labels_beyond_the_classes(make: Make, tmp_path: Path) -> None:
    task = text_task("t", train=rows())
    broken = dataclasses.replace(task, classes=task.classes[:1])
    with pytest.raises(DataError, match="the label 1, but the task numbers its 1 classes from 0"):
        write_data(
            broken, make(transformers.BertConfig(**SMALL, vocab_size=len(WORDS))), Budget(), tmp_path
        )


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_made_up_inputs_have_the_end_of_a_text(family: str, make: Make) -> None:
    """They go through the real classifier, and through one without weights as real inputs would."""
    config = transformers.BartConfig(**BART, eos_token_id=3)
    if family == "t5":
        config = transformers.T5Config(
            vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
            pad_token_id=0, eos_token_id=3, decoder_start_token_id=0,
        )  # fmt: skip
    backbone = make(config)
    task = text_task("t", train=rows())
    batch = task.dummy_batch(backbone, 3, 7)
    assert batch["input_ids"][:, -1].tolist() == [3, 3, 3]
    assert (batch["input_ids"][:, :-1] == 3).sum() == 0
    assert not (batch["input_ids"] == 0).any(), "no padding"
    real = task.build(backbone).eval()
    assert torch.isfinite(task.loss(real, batch))
    with torch.device("meta"):
        meta: Any = task.build_on_meta(backbone)
    wholly: Any = meta.to_empty(device="cpu").eval()
    wholly.load_state_dict(real.state_dict())
    torch.testing.assert_close(wholly(batch["input_ids"]).logits, real(batch["input_ids"]).logits)
    with pytest.raises(ValueError, match="finds the end of a text by its ids"):
        wholly(inputs_embeds=torch.zeros(3, 7, 16))


def test_an_end_token_may_be_a_list_or_missing(make: Make) -> None:
    task = text_task("t", train=rows())
    for ends, found in (([3, 1], 3), (None, 1)):
        config = transformers.LlamaConfig(
            **SMALL, vocab_size=len(WORDS), pad_token_id=0, eos_token_id=ends, bos_token_id=2
        )
        assert task.dummy_batch(make(config), 2, 5)["input_ids"][:, -1].tolist() == [found] * 2


def test_a_classifier_that_reads_the_last_column_is_padded_on_the_left(
    make: Make, tmp_path: Path
) -> None:
    """XLNet's classifier reads the last column, which must be the end of every text."""
    config = transformers.XLNetConfig(
        vocab_size=len(WORDS), d_model=16, n_layer=1, n_head=2, d_inner=16, pad_token_id=0, dropout=0.0
    )
    backbone = make(config)
    texts = ["w1", "w2 w3 w4 w5", "w6 w7"]
    task = text_task("t", train=[(f"{text} w{i}", i % 2) for i in range(14) for text in texts])
    examples = task.encode(backbone, max_train=None)["train"]
    torch.manual_seed(0)
    model = task.build(backbone).eval()
    together = task.outputs(model, examples.batch(np.arange(9)))
    alone = torch.cat([task.outputs(model, examples.batch(np.array([i]))) for i in range(9)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
