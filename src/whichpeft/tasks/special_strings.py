"""Reads a tokenizer's special strings, such as ``</s>`` or ``[SEP]``, as text if a text contains them.

A tokenizer turns such a string into its special token, also in the middle of a text. There it ends the
text, counts as padding, or begins another turn of a conversation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

Tokens = list[int]
# Private-use characters: a special string in a text is replaced by one of _PLACES while a template is
# filled in, and those of the template are written between _OPEN and _CLOSE.
_PLACES, _OPEN, _CLOSE = 0xF0000, "\U0010fffc", "\U0010fffd"


class SpecialStrings:
    """The special strings of a tokenizer.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    template
        A chat template. Strings that begin or end its turns are special, too, if the tokenizer has
        tokens for them.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str = "") -> None:
        self._tokenizer = tokenizer
        self._by_string = _special_tokens(tokenizer, template)
        self._ids = np.array(sorted(self._by_string.values()), dtype=np.int64)
        longest_first = sorted(self._by_string, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self._places = {string: chr(_PLACES + i) for i, string in enumerate(self._by_string)}
        self._hidden = re.compile(f"[{''.join(self._places.values())}]" if self._places else "(?!)")
        self._marked: Tokenizer | None = None

    def found_in(self, texts: Iterable[str]) -> set[str]:
        """Return the special strings that some texts contain."""
        return {string for text in texts for string in self._pattern.findall(text)}

    def count(self, rows: Sequence[Tokens]) -> Array:
        """Return the number of special tokens in each row."""
        ends = np.cumsum([len(row) for row in rows])
        flat = np.isin(np.fromiter((t for row in rows for t in row), np.int64), self._ids)
        return np.diff(np.concatenate([[0], flat.cumsum()])[np.concatenate([[0], ends])])

    def read(
        self, texts: Sequence[tuple[str, ...]], *, enclosed: bool = True, cap: int | None = None
    ) -> dict[str, list[Tokens]]:
        """Tokenise texts with their special strings as text.

        Parameters
        ----------
        texts
            Texts or pairs of texts.
        enclosed
            Whether to add the special tokens that begin and end an input.
        cap
            Most tokens of an input.
        """
        if not self._tokenizer.is_fast:
            limits: dict[str, Any] = (
                {} if cap is None else {"truncation": "longest_first", "max_length": cap}
            )
            found: Any = self._tokenizer(
                *map(list, zip(*texts, strict=True)),
                add_special_tokens=enclosed,
                split_special_tokens=True,
                return_attention_mask=False,
                verbose=False,
                **limits,
            )
            return dict(found)
        marked = self._marking_tokenizer()
        if cap is None:
            marked.no_truncation()
        else:
            side = self._tokenizer.truncation_side
            marked.enable_truncation(cap, strategy="longest_first", direction=side)
        inputs: list[Any] = [text if len(text) > 1 else text[0] for text in texts]
        rows = marked.encode_batch(inputs, add_special_tokens=enclosed)
        return {
            "input_ids": [row.ids for row in rows],
            "token_type_ids": [row.type_ids for row in rows],
        }

    def hide(self, text: str) -> str:
        """Replace the special strings of a text by characters that `read_hidden` turns back."""
        return self._pattern.sub(lambda found: self._places[found.group()], text)

    def hides(self, text: str) -> bool:
        """Whether `hide` has replaced something in a text."""
        return self._hidden.search(text) is not None

    def read_hidden(self, text: str) -> Tokens:
        """Tokenise a text: strings that `hide` replaced are text, others are special tokens.

        Raises DataError if the tokenizer cannot do so.
        """
        found = self._read_hidden(text)
        if self.count([found])[0] > len(self._pattern.findall(text)):
            shown = text
            for string, place in self._places.items():
                shown = shown.replace(place, string)
            raise DataError(
                f"the text {shown[:200]!r} contains a string that this backbone's tokenizer cannot read "
                "as text, but only as a special token; remove it from the text"
            )
        return found

    def _read_hidden(self, text: str) -> Tokens:
        if self._tokenizer.is_fast:
            text = self._pattern.sub(lambda found: f"{_OPEN}{found.group()}{_CLOSE}", text)
            for string, place in self._places.items():
                text = text.replace(place, string)
            return self.read([(text,)], enclosed=False)["input_ids"][0]
        strings = {place: string for string, place in self._places.items()}
        read: Tokens = []
        for part in re.split(f"({self._hidden.pattern})", text):
            if part in strings:
                read += self.read([(strings[part],)], enclosed=False)["input_ids"][0]
            elif part:
                read += self._tokenizer(part, add_special_tokens=False)["input_ids"]
        return read

    def _marking_tokenizer(self) -> Tokenizer:
        """Return a copy of the tokenizer that finds special tokens only between marks."""
        if self._marked is None:
            from tokenizers import Tokenizer

            described = json.loads(self._tokenizer.backend_tokenizer.to_str())
            self._marked = Tokenizer.from_str(json.dumps(_with_marks(described, self._by_string)))
            self._marked.no_padding()
        return self._marked


def _special_tokens(tokenizer: PreTrainedTokenizerBase, template: str) -> dict[str, int]:
    """Return the ids of the special strings, without the one of unknown words, which harms no text."""
    named = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token}
    named |= {tokenizer.sep_token, tokenizer.cls_token, tokenizer.mask_token}
    named -= {None}
    found: dict[str, int] = {}
    for number, token in tokenizer.added_tokens_decoder.items():
        text = str(token.content)
        in_template = text.strip() and text in template
        if token.special or text in named or in_template:
            found[text] = number
    for text in named - found.keys():
        found[text] = tokenizer.convert_tokens_to_ids(text)
    if tokenizer.unk_token not in named:
        found.pop(tokenizer.unk_token, None)
    # A single character, such as the "!" that some name as their padding, is text in the first place.
    return {text: number for text, number in found.items() if len(text) > 1 and number is not None}


def _with_marks(described: dict[str, Any], strings: Collection[str]) -> dict[str, Any]:
    """Return a tokenizer's description in which the special strings are written between marks."""

    def marked(text: Any) -> Any:
        return f"{_OPEN}{text}{_CLOSE}" if text in strings else text

    model = described["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {marked(text): number for text, number in vocabulary.items()}
    else:
        model["vocab"] = [[marked(text), score] for text, score in vocabulary]
    if isinstance(model.get("unk_token"), str):
        model["unk_token"] = marked(model["unk_token"])
    for token in described["added_tokens"]:
        # Without normalising, because a normaliser might change or remove the marks.
        token |= {"content": marked(token["content"])}
        if token["content"].startswith(_OPEN):
            token["normalized"] = False
    return described
