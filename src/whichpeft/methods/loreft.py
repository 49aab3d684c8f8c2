"""LoReFT as a method; its PEFT tuner lives in `tuners.reft`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whichpeft.methods.info import MethodInfo, PeftInfo
from whichpeft.methods.layers import bare_model, layer_lists
from whichpeft.methods.peft_method import PeftMethod

if TYPE_CHECKING:
    from whichpeft.backbones import Backbone
    from whichpeft.study import Budget, Study
    from whichpeft.tasks import Task


@dataclass(frozen=True, kw_only=True)
class LoReft(PeftMethod):
    """LoReFT: hidden states at the first and last positions change within a low-rank subspace.

    positions: how many at either end of a sequence, 7 as in the paper's commonsense experiments,
    as the rank. share_weights: both ends have the same weights. In an encoder-decoder the encoder's
    layers are edited. The basis R is the one that a Cholesky factor gives of its raw rows; the
    authors parametrise the same bases by torch's orthogonal parametrization.
    """

    info = MethodInfo(
        name="loreft",
        description="edits hidden states at the first and last positions in a low-rank subspace",
        paper="Wu et al. 2024, arXiv 2404.03592",
        learning_rate=5e-3,
        learning_rate_source="docs/defaults.md: a sweep with minilm on stdlib-docs",
        scales_with_width=True,
        choices={"rank": (2, 4, 8, 16), "positions": (1, 3, 5, 7)},
        merges=False,
        several_adapters=True,
    )
    peft = PeftInfo(config="LoReftConfig", peft_type="LOREFT", stacking_order=3, loads_with="tuners")

    rank: int = 8
    positions: int = 7
    share_weights: bool = True
    dropout: float = 0.0

    def config_class(self) -> type[Any]:
        from whichpeft.methods.tuners.reft import LoReftConfig

        return LoReftConfig

    def refuses(self, backbone: Backbone, task: Task, budget: Budget) -> str | None:
        if not layer_lists(bare_model(backbone)):
            return f"LoReFT edits what layers put out, and whichpeft finds none in {backbone.family}"
        if "depths" in backbone.config:
            return f"LoReFT needs layers of one width, and {backbone.family}'s differ"
        width = backbone.width
        rank = self.hyperparameters.get("rank", self.rank)
        if width is not None and rank > width:
            return f"rank {rank} is more than the width of the hidden states, {width}"
        return None

    def refuses_options(self, study: Study) -> str | None:
        if study.conditions.packing:
            return "LoReFT edits the first and last positions of a row, which packed examples share"
        return super().refuses_options(study)
