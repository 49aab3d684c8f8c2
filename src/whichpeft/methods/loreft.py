"""LoReFT as a method; `tuners.reft` is its PEFT tuner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whichpeft.methods.info import MethodInfo, PeftInfo
from whichpeft.methods.layers import bare_model, layer_lists
from whichpeft.methods.peft_method import PeftMethod

if TYPE_CHECKING:
    from peft import PeftConfig

    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task


@dataclass(frozen=True, kw_only=True)
class LoReft(PeftMethod):
    """LoReFT: hidden states at the first and last positions change within a low-rank subspace.

    In an encoder-decoder, the encoder's layers are edited. A Cholesky factor of the raw rows gives
    the orthonormal basis R; the authors parametrise the same bases with torch's orthogonal
    parametrisation.
    """

    info = MethodInfo(
        name="loreft",
        description="edits hidden states at the first and last positions in a low-rank subspace",
        paper="Wu et al. 2024, arXiv 2404.03592",
        paper_title="ReFT: Representation Finetuning for Language Models",
        learning_rate=5e-3,
        learning_rate_source="docs/defaults.md: a sweep with minilm on stdlib-docs",
        scales_with_width=True,
        choices={"rank": (2, 4, 8, 16), "positions": (1, 3, 5, 7)},
        merges=False,
        several_adapters=True,
    )
    peft = PeftInfo(config="LoReftConfig", peft_type="LOREFT", stacking_order=3, loads_with="tuners")

    rank: int = 8
    """Rank of the subspace, as in the paper's commonsense experiments."""

    positions: int = 7
    """Number of positions at either end of a sequence, as in the paper's commonsense experiments."""

    share_weights: bool = True
    """Whether both ends have the same weights."""

    dropout: float = 0.0
    """Dropout of the edited states."""

    def config_class(self) -> type[PeftConfig]:
        from whichpeft.methods.tuners.reft import LoReftConfig

        return LoReftConfig

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if not layer_lists(bare_model(backbone)):
            return f"LoReFT edits layers, but whichpeft cannot find those of {backbone.family}"
        if backbone.family == "xlnet":
            return "LoReFT edits positions, but xlnet has them in the place of the batch"
        if backbone.family == "openai-gpt":
            return "LoReFT edits what a layer returns, and those of openai-gpt return a list"
        if "depths" in backbone.config:
            return f"LoReFT needs layers of equal width, but those of {backbone.family} differ"
        if getattr(backbone.architecture(), "hidden_size", None) is None:
            return f"LoReFT needs one width of hidden states, and those of {backbone.family} differ"
        width = backbone.width
        rank = self.hyperparameters.get("rank", self.rank)
        if width is not None and rank > width:
            return f"rank {rank} exceeds the width of the hidden states, {width}"
        return None

    def refuses_options(self, study: Study) -> str | None:
        if study.conditions.packing:
            return "LoReFT edits the first and last positions of a row, but packed examples share rows"
        return super().refuses_options(study)
