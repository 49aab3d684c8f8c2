"""Encodes prompts and completions as token ids."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from whichpeft.errors import DataError
from whichpeft.metrics.metric import Array
from whichpeft.tasks.generative.examples import GenerativeExamples
from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.generative.scoring import Evaluation
from whichpeft.tasks.special_strings import SpecialStrings
from whichpeft.tasks.text_encoding import count_unknown, load_tokenizer, pad_id

if TYPE_CHECKING:
    from whichpeft.backbones import Backbone

Tokens = list[int]
LONGEST = 1024
"""Most tokens of prompt and completion together."""
MOST_WRITTEN = 256
"""Most tokens that a model may generate for an answer, even if training completions are longer."""
_CHUNK = 1000


class PromptEncoder:
    """Encodes for one backbone, with its tokenizer and, if `chat`, its chat template (if it has one)."""

    def __init__(self, backbone: Backbone, *, chat: bool = True) -> None:
        self._tokenizer = load_tokenizer(backbone)
        self._pad = pad_id(backbone, self._tokenizer)
        self._end: int | None = self._tokenizer.eos_token_id
        self._name = backbone.name
        self._chat = chat and bool(getattr(self._tokenizer, "chat_template", None))
        self._special = SpecialStrings(
            self._tokenizer, str(self._tokenizer.chat_template) if self._chat else ""
        )
        self._gap = self._template_gap() if self._chat else ""
        begin = self._tokenizer.bos_token_id
        usual = self._tokenizer("a")["input_ids"][:1]
        # A chat template includes the beginning of a text. Otherwise an empty prompt needs some token
        # before the first token of the completion.
        self._begin: Tokens = [begin] if begin is not None and usual == [begin] else []
        self._before_all = next(t for t in (begin, self._end, self._pad) if t is not None)
        word, followed = self._read(["a", "a\n\n"])
        gap = followed[len(word) :]  # read inside a text: some tokenizers put a space before a text
        self._between = (self._end, *gap) if self._chat and self._end is not None else tuple(gap)
        positions = backbone.input_positions
        self._cap = LONGEST if positions is None else min(LONGEST, positions)

    def longest_completion(self, examples: Sequence[Prompted]) -> int:
        """Return the number of tokens of the longest completion, including the end-of-text token."""
        _, written = self._tokenise(examples, [example.completion for example in examples])
        return min(MOST_WRITTEN, max(map(len, written)))

    def encode(
        self,
        examples: Sequence[Prompted],
        evaluation: Evaluation | None,
        groups: Sequence[str],
        longest: int,
    ) -> GenerativeExamples:
        """Encode a split for training (`evaluation` None) or for an evaluation.

        `longest` is the number of tokens that a model may generate; the encoding leaves room for them.
        """
        prompts, written = self._tokenise(examples, [example.completion for example in examples])
        most = max(len(e.choices) for e in examples) if evaluation == "choices" else 0
        choices = self._choices(examples, most)
        generated = evaluation == "generation"
        texts = [
            (example.plain_prompt, example.completion, *example.completions) for example in examples
        ]
        strings = [self._special.found_in(text) for text in texts]
        rows: list[Tokens] = []
        kept: list[int] = []
        uncut: list[int] = []
        for i, (prompt, completion) in enumerate(zip(prompts, written, strict=True)):
            own_choices = choices[i * most : (i + 1) * most]
            room = longest if generated else max(map(len, (completion, *own_choices)))
            shorter = self._fitted(prompt, min(room, self._cap - 1))
            rows.append(shorter + completion[: self._cap - len(shorter)])
            kept.append(len(shorter))
            uncut.append(len(prompt) + room)
        return GenerativeExamples(
            ids=_flat(rows),
            offsets=_offsets(rows),
            prompts=np.array(kept, dtype=np.int32),
            labels=np.array([_label(e, evaluation) for e in examples], dtype=np.int64),
            right=np.array([e.right if generated else "" for e in examples]),
            options=np.array(["\n".join(e.choices) if generated else "" for e in examples]),
            groups=np.array([groups.index(e.group) for e in examples], dtype=np.int32),
            choices=_flat(choices),
            choice_offsets=_offsets(choices),
            letters=_letters(examples, most),
            evaluation=evaluation,
            longest=longest,
            cap=self._cap,
            begin=() if self._chat else tuple(self._begin),
            between=self._between,
            pad=self._pad,
            uncut=np.array(uncut, dtype=np.int32),
            as_text=sum(map(bool, strings)),
            special_strings=tuple(sorted(set().union(*strings))),
            unknown=count_unknown(_flat(rows), self._tokenizer),
        )

    def _tokenise(
        self, examples: Sequence[Prompted], completions: Sequence[str]
    ) -> tuple[list[Tokens], list[Tokens]]:
        """Return the tokens of the prompts and of the completions, with the end-of-text token.

        Both are tokenised as one text, so that words are tokenised as in the middle of a text. A space
        at the end of a prompt moves to the completion, where tokenizers put it. If the last token of a
        prompt would merge with the completion, the completion is tokenised on its own. Special strings
        in an example are text; those of a chat template are special tokens.
        """
        completions = [self._special.hide(completion) for completion in completions]
        whole = [
            self._opened(example) + self._joined(example, completion)
            for example, completion in zip(examples, completions, strict=True)
        ]
        prompts = self._read([self._opened(example).rstrip(" ") for example in examples])
        alone = self._read(completions)
        written = []
        for prompt, both, rest in zip(prompts, self._read(whole), alone, strict=True):
            follows = both[len(prompt) :] if both[: len(prompt)] == prompt else rest
            written.append(follows if self._end is None else [*follows, self._end])
        begin = [] if self._chat else self._begin
        return [[*begin, *prompt] or [self._before_all] for prompt in prompts], written

    def _opened(self, example: Prompted) -> str:
        """Return the prompt as a separate text, inside the chat template if there is one."""
        if not self._chat or not example.prompt:
            return self._special.hide(example.plain_prompt)
        turns = [*example.before, ("user", example.prompt)]
        return self._rendered(
            [(role, self._special.hide(words)) for role, words in turns], answered=False
        )

    def _joined(self, example: Prompted, completion: str) -> str:
        """Return a completion as it follows the prompt."""
        if not self._chat or not example.prompt:
            return example.joined(completion)
        return completion if completion[:1].isspace() else self._gap + completion

    def _template_gap(self) -> str:
        """Return what the chat template puts between its prompt and an answer, if it is white space."""
        probe = "42"
        try:
            opened = self._rendered([("user", "a")], answered=False)
            whole = self._rendered([("user", "a"), ("assistant", probe)], answered=True)
        except DataError:  # raised again for the examples, unless they have what the template misses
            return ""
        gap, found, _ = whole.removeprefix(opened).partition(probe)
        return gap if found and whole.startswith(opened) and not gap.strip() else ""

    def _rendered(self, turns: Sequence[tuple[str, str]], *, answered: bool) -> str:
        from jinja2 import TemplateError

        try:
            rendered: str = self._tokenizer.apply_chat_template(
                [{"role": role, "content": words} for role, words in turns],
                tokenize=False,
                add_generation_prompt=not answered,
            )
        except TemplateError as error:
            roles = ", ".join(role for role, _ in turns)
            raise DataError(
                f"backbone {self._name!r}: its chat template refuses a conversation of {roles} "
                f"({error}); leave such turns out of the data, or name another backbone"
            ) from None
        return rendered

    def _read(self, texts: Sequence[str]) -> list[Tokens]:
        found: list[Tokens] = []
        for start in range(0, len(texts), _CHUNK):
            some: Any = self._tokenizer(
                list(texts[start : start + _CHUNK]), add_special_tokens=False, verbose=False
            )
            found += some["input_ids"]
        for i, text in enumerate(texts):
            if self._special.hides(text):
                found[i] = self._special.read_hidden(text)
        return found

    def _choices(self, examples: Sequence[Prompted], most: int) -> list[Tokens]:
        """Return the tokens of each example's choices, padded with empty lists to `most` per example."""
        asked = [(e, text) for e in examples for text in e.completions] if most else []
        _, written = self._tokenise([e for e, _ in asked], [text for _, text in asked])
        found = iter(written)
        return [
            _unended(next(found), self._end)[: self._cap - 1] if i < len(e.completions) else []
            for e in examples
            for i in range(most)
        ]

    def _fitted(self, prompt: Tokens, room: int) -> Tokens:
        """Cut a prompt to leave `room` after it; keep its end and the token that begins every text."""
        most = self._cap - room
        if len(prompt) <= most:
            return prompt
        begin = prompt[:1] if self._begin and most > 1 else []
        return begin + prompt[len(prompt) - (most - len(begin)) :]


def _label(example: Prompted, evaluation: Evaluation | None) -> int:
    if evaluation == "choices":
        return example.choices.index(example.right)
    digest = hashlib.blake2b(example.right.encode("utf-8", "surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest)


def _unended(tokens: Tokens, end: int | None) -> Tokens:
    """Strip the end-of-text token: its likelihood says nothing about the choice."""
    return tokens[:-1] if tokens[-1] == end and len(tokens) > 1 else tokens


def _letters(examples: Sequence[Prompted], most: int) -> Array:
    letters: Array = np.zeros((len(examples), most), dtype=np.int32)
    for row, example in enumerate(examples if most else ()):
        letters[row, : len(example.completions)] = [len(text) for text in example.completions]
    return letters


def _flat(rows: Sequence[Tokens]) -> Array:
    return np.array([token for row in rows for token in row], dtype=np.int32)


def _offsets(rows: Sequence[Tokens]) -> Array:
    return np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
