"""Gives lm-evaluation-harness access to an adapted model. Imported only if it is installed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from lm_eval.models.huggingface import HFLM

from whichpeft.tasks.generative.encoding import MOST_WRITTEN
from whichpeft.tasks.generative.examples import right_padded
from whichpeft.tasks.generative.model_outputs import continuations

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BATCH_SIZE = 64


class HarnessModel(HFLM):  # type: ignore[misc]
    """The harness's wrapper of a transformers model, around a model that whichpeft adapted.

    The harness tokenises the texts. The forward passes are those of training instead of the harness's,
    because methods that edit prompts have to know where a prompt ends, and because the harness counts
    virtual tokens as generated ones. `longest` is the most tokens of prompt and answer together.
    """

    def __init__(self, model: torch.nn.Module, longest: int) -> None:
        device = model.device.type
        cast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        super().__init__(
            pretrained=model,
            backend="causal",
            tokenizer=_tokenizer(model.config.name_or_path),
            max_length=longest,
            batch_size=_BATCH_SIZE,
            mixed_precision_dtype=None if cast is None else str(cast).removeprefix("torch."),
        )

    @property
    def max_gen_toks(self) -> int:
        """Tokens to generate if a task does not set a limit, leaving room for the prompt."""
        return min(MOST_WRITTEN, int(self.max_length) // 2)

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[tuple[str, str], list[int], list[int]]],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        # Rows without their last token, with the prompt length: choices may differ only in that token.
        rows: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for i, (_, context, continuation) in enumerate(requests):
            tokens = (context + continuation)[-self.max_length :]
            prompt = max(1, len(tokens) - len(continuation))
            rows.setdefault((prompt, *tokens[:-1]), []).append((i, tokens[-1]))
        found = [(0.0, False)] * len(requests)
        longest_first = sorted(rows, key=len, reverse=True)
        for start in range(0, len(rows), _BATCH_SIZE):
            chosen = longest_first[start : start + _BATCH_SIZE]
            batch = right_padded(
                [(np.array(row[1:]), row[0]) for row in chosen], self.tokenizer.pad_token_id
            )
            texts = [(place, *text) for place, row in enumerate(chosen) for text in rows[row]]
            batch["rows"] = torch.tensor([place for place, _, _ in texts])
            batch["lasts"] = torch.tensor([last for _, _, last in texts])
            read = continuations(self.model, {k: v.to(self.device) for k, v in batch.items()})
            for (_, i, _), (nats, likeliest) in zip(texts, read.tolist(), strict=True):
                found[i] = nats, bool(likeliest)
        return found

    def _model_generate(
        self, context: torch.Tensor, max_length: int, stop: list[str], **asked: object
    ) -> torch.Tensor:
        new = max_length - context.shape[1]
        return super()._model_generate(context, None, stop, max_new_tokens=new, **asked)


@cache
def _tokenizer(folder: str) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
