"""A method of your own: trains the head and the weights whose names contain one of a few words."""

from dataclasses import dataclass

from whichpeft.methods import MethodInfo, PlainAdapter, PlainMethod


@dataclass(frozen=True, kw_only=True)
class Selective(PlainMethod):
    """Selective tuning."""

    info = MethodInfo(
        name="selective",
        description="trains the weights whose names contain given words",
        learning_rate=5e-4,
        learning_rate_source="a guess between full fine-tuning and LoRA; tune it",
        scales_with_width=True,
        choices={"words": (("value", "v_proj"), ("query", "q_proj"))},
    )
    words: tuple[str, ...] = ("value", "v_proj")
    """A weight trains if its name contains one of these; by default the value projections."""

    def refuses(self, backbone, task, budget):
        names = [name for name, _ in task.build_on_meta(backbone).named_parameters()]
        if not any(word in name for name in names for word in self.words):
            return f"no weight of {backbone.name} has {' or '.join(self.words)} in its name"
        return None

    def apply(self, model, context):
        def trains(name):
            return name in context.head or any(word in name for word in self.words)

        return PlainAdapter(model, trains, context.head)
