"""A method of one's own: only the weights train whose names hold one of a few words, and the head."""

from dataclasses import dataclass

from whichpeft.methods import PlainAdapter, PlainMethod


@dataclass(frozen=True, kw_only=True)
class Selective(PlainMethod):
    """Selective tuning.

    words: what the name of a weight has to hold to train; the values' projections by default.
    """

    name = "selective"
    description = "a selection of the weights trains, by name"
    usual_learning_rate = 5e-4
    learning_rate_source = "a guess between full fine-tuning and LoRA; tune it"
    scales_with_width = True
    choices = {"words": (("value", "v_proj"), ("query", "q_proj"))}  # noqa: RUF012

    words: tuple[str, ...] = ("value", "v_proj")

    def refuses(self, backbone, task, budget):
        names = [name for name, _ in task.build_on_meta(backbone).named_parameters()]
        if not any(word in name for name in names for word in self.words):
            return f"no weight of {backbone.name} has {' or '.join(self.words)} in its name"
        return None

    def apply(self, model, context):
        def trains(name):
            return name in context.head or any(word in name for word in self.words)

        return PlainAdapter(model, trains, context.head)
