"""A frozen network stays as it is while something beside it trains."""

from __future__ import annotations

import torch
from torch import nn

from whichpeft.planning.batch_norm import set_training


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
    )


def test_frozen_norms_keep_their_statistics_and_do_not_look_at_the_batch() -> None:
    model = network()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model[4].bias.requires_grad_(True)  # as BitFit does
    images = torch.randn(6, 3, 8, 8)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    set_training(model)
    assert [model[i].training for i in (1, 4)] == [False, True]
    together = model[:4](images)
    alone = torch.cat([model[:4](image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-6)
    model(images)
    moved = {name for name, buffer in model.named_buffers() if not torch.equal(buffer, before[name])}
    assert moved == {"4.running_mean", "4.running_var", "4.num_batches_tracked"}


def test_a_network_that_trains_whole_is_in_training_mode() -> None:
    model = set_training(network())
    assert all(module.training for module in model.modules())
    set_training(model.eval())
    assert all(module.training for module in model.modules())
