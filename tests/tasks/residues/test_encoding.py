"""Tokenizers of protein models read one token per residue, however they want sequences spelt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.protein_models import ANKH, ESM, PROTBERT, sequences, write_ankh, write_esm, write_protbert

from whichpeft.backbones import Backbone, resolve_backbone
from whichpeft.errors import BackboneError
from whichpeft.methods.position_limits import too_many_tokens
from whichpeft.metrics.metric import Array
from whichpeft.tasks import TextTask, text_task
from whichpeft.tasks.encoded_data import load_examples, save_examples
from whichpeft.tasks.lengths import lengths_of
from whichpeft.tasks.text_encoding import TextExamples, load_tokenizer

CHAIN = "MKTAYIAKQRQISFVKSHFSRQ"
PLAIN = sequences(40, 30)


def task_of(*texts: str | tuple[str, str]) -> TextTask:
    """Return a task whose test set has these inputs."""
    pair = not isinstance(texts[0], str)
    plain = [((one, one[::-1]) if pair else one, i % 2) for i, one in enumerate(PLAIN)]
    test = [(one, 0) for one in texts] + plain[:2]
    return text_task("proteins", train=plain[2:], validation=plain[2:6], test=test)


def read(folder: Path, *texts: str | tuple[str, str]) -> TextExamples:
    found = task_of(*texts).encode(resolve_backbone(str(folder)), max_train=None)["test"]
    assert isinstance(found, TextExamples)
    return found


def first(examples: TextExamples) -> list[int]:
    ids: list[int] = examples.batch(np.array([0]))["input_ids"][0].tolist()
    return ids


@pytest.fixture(scope="module")
def esm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_esm(tmp_path_factory.mktemp("models") / "esm")


@pytest.fixture(scope="module")
def protbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_protbert(tmp_path_factory.mktemp("models") / "protbert")


def test_esm_reads_residues_one_by_one(esm: Path) -> None:
    expected = [ESM.index(token) for token in ("<cls>", *CHAIN, "<eos>")]
    assert first(read(esm, CHAIN)) == expected
    assert load_tokenizer(resolve_backbone(str(esm)))(CHAIN)["input_ids"] == expected


def test_protbert_gets_spaces_and_reads_rare_residues_as_any(protbert: Path) -> None:
    tokens = ("[CLS]", *CHAIN, *"XXXXX", "[SEP]")
    assert first(read(protbert, CHAIN + "UZOBX")) == [PROTBERT.index(token) for token in tokens]
    spaced = load_tokenizer(resolve_backbone(str(protbert)))(" ".join(CHAIN))["input_ids"]
    assert first(read(protbert, CHAIN)) == spaced


def test_ankh_and_prott5_read_residues_one_by_one(tmp_path: Path) -> None:
    ankh = write_ankh(tmp_path / "ankh")
    assert first(read(ankh, CHAIN + "U")) == [ANKH.index(token) for token in (*CHAIN, "U", "</s>")]
    prott5 = write_ankh(tmp_path / "prott5", marks=("▁",))
    assert first(read(prott5, CHAIN + "U")) == [ANKH.index(one) for one in (*CHAIN, "X", "</s>")]


def test_rare_residues_have_the_tokens_that_a_model_knows(esm: Path) -> None:
    ids = first(read(esm, CHAIN + "XBUZOJ"))[-7:-1]
    assert ids == [ESM.index(letter) for letter in "XBUZOX"]  # ESM knows no J
    sapiens = resolve_backbone("sapiens-vh")
    found = task_of(CHAIN + "X").encode(sapiens, max_train=None)["test"]
    assert first(found)[-2] == load_tokenizer(sapiens).unk_token_id


def test_pairs_have_what_the_tokenizer_puts_between(esm: Path, protbert: Path) -> None:
    one, other = PLAIN[0], PLAIN[1][:22]
    expected = [ESM.index(token) for token in ("<cls>", *one, "<eos>", *other, "<eos>")]
    assert first(read(esm, (one, other))) == expected
    batch = read(protbert, (one, other)).batch(np.array([0]))
    whole = load_tokenizer(resolve_backbone(str(protbert)))(" ".join(one), " ".join(other))
    assert batch["input_ids"][0].tolist() == whole["input_ids"]
    assert batch["token_type_ids"][0].tolist() == whole["token_type_ids"]


def test_long_sequences_are_cut_and_counted_in_residues(esm: Path) -> None:
    long = sequences(1, 3000)[0]
    found = read(esm, long, CHAIN)
    room = resolve_backbone(str(esm)).input_positions - 2
    assert found.cap == room == 958
    ids = first(found)
    assert ids[1:4] == [ESM.index(letter) for letter in long[:3]]
    assert (len(ids), ids[-1]) == (room + 2, ESM.index("<eos>"))
    assert found.residues is not None
    assert found.residues[:2].tolist() == [room, len(CHAIN)]
    assert found.tokens is None
    lengths = lengths_of({"test": found})
    assert lengths is not None
    assert (lengths.unit, lengths.longest, lengths.limit, lengths.cut) == ("residues", 3000, room, 1)
    assert lengths.notes == ()
    assert lengths.pieces_per_word is None


def test_a_model_of_antibodies_reads_whole_chains() -> None:
    """It has few positions, and none are kept for virtual tokens, which are refused."""
    sapiens = resolve_backbone("sapiens-vh")
    found = task_of(sequences(1, 142)[0], sequences(1, 143)[0]).encode(sapiens, max_train=None)["test"]
    assert found.residues[:2].tolist() == [142, 142]  # type: ignore[attr-defined]
    assert found.truncated == 0.25
    refused = too_many_tokens(10, sapiens, task_of(CHAIN))
    assert refused is not None
    assert "10 virtual tokens overflow" in refused
    text = text_task("words", train=[(f"number {i}", i % 2) for i in range(40)])
    assert too_many_tokens(10, sapiens, text) is None


def test_pairs_lose_residues_of_the_longer_one(esm: Path) -> None:
    long, longer = sequences(1, 700)[0], sequences(1, 900)[0]
    tokens = first(read(esm, (long, longer)))
    between = tokens.index(ESM.index("<eos>"))
    assert (between - 1, len(tokens) - between - 2) == (478, 479)


def test_a_tokenizer_of_words_with_letters_reads_them_too(minilm: Backbone) -> None:
    found = task_of(CHAIN).encode(minilm, max_train=None)["test"]
    assert isinstance(found, TextExamples)
    tokens = load_tokenizer(minilm).convert_ids_to_tokens(first(found))
    assert tokens == ["[CLS]", *CHAIN.lower(), "[SEP]"]


def test_a_tokenizer_of_pieces_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    folder = write_esm(tmp_path / "pieces")
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"],
    )
    made.train_from_iterator(["ACDEFGHIKLMNPQRSTVWY" * 3, *PLAIN], trainer)
    for file in folder.glob("*token*"):
        file.unlink()
    (folder / "vocab.txt").unlink()
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>").save_pretrained(folder)
    with pytest.raises(BackboneError, match="no token for each residue of a protein; name a protein"):
        read(folder, CHAIN)


def test_files_keep_the_residues(esm: Path, tmp_path: Path) -> None:
    found = read(esm, CHAIN)
    save_examples({"test": found}, tmp_path)
    again = load_examples(tmp_path)["test"]
    assert isinstance(again, TextExamples)
    kept: Array | None = again.take(np.array([1, 0])).residues
    assert kept is not None
    assert kept.tolist() == [30, len(CHAIN)]
