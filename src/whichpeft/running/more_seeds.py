"""What other seeds than before do to the error of a run folder's verdicts, in words."""

from __future__ import annotations

from whichpeft.records import Record, Store
from whichpeft.study import UntilDecided
from whichpeft.study.seeds import Seeds
from whichpeft.units import counted, join_words


def note_on_seeds(store: Store, kept: Seeds, now: Seeds, whole: Seeds) -> tuple[str | None, bool]:
    """Return a sentence on seeds that differ from those of a folder, and whether the folder keeps it.

    Parameters
    ----------
    store
        The run folder. As long as no method has two seeds there are no verdicts and nothing to say.
    kept
        The seeds that the folder's study had.
    now
        The seeds that are asked for.
    whole
        The seeds that the folder's study has from now on.
    """
    if _most_seeds(store) < 2:
        return None, False
    if isinstance(kept, UntilDecided) and not isinstance(now, UntilDecided) and whole == kept:
        return (
            "the folder's study gives seeds until methods are decided: verdicts stay those of "
            f"{_looks(kept)}, at 5 % together, whatever other seeds are run; --seeds auto continues",
            False,
        )
    if isinstance(now, UntilDecided) and not isinstance(whole, UntilDecided):
        return (
            f"the folder's study has seeds beyond the {now.at_most} of --seeds auto, so it keeps its "
            f"{counted(len(whole), 'seed')} and one verdict on all; for looks choose another --out",
            False,
        )
    if kept == whole:
        return None, False
    return _changed(kept, whole), True


def _changed(kept: Seeds, whole: Seeds) -> str:
    if isinstance(whole, UntilDecided):
        if isinstance(kept, UntilDecided):
            return (
                f"verdicts come from {_looks(whole)} now, and came from {_looks(kept)}: as results had "
                "been seen before, up to 10 % of studies err, not 5 %"
            )
        return (
            f"the study had {counted(len(kept), 'seed')} and now gives seeds until methods are decided: "
            f"verdicts come from {_looks(whole)}, which share the 5 %, and replace those given before"
        )
    if isinstance(kept, UntilDecided):
        return (
            f"{_looks(kept)} have spent the 5 %; all methods are now judged once more with "
            f"{counted(len(whole), 'seed')} at 5 %, so up to 10 % of studies err"
        )
    return (
        f"the study had {counted(len(kept), 'seed')} and has {len(whole)} now: if the verdicts of both "
        "count, up to 10 % of studies err, not 5 %; --seeds auto shares 5 % among its looks"
    )


def _looks(until: UntilDecided) -> str:
    return f"looks at {join_words([str(seeds) for seeds in until.looks])} seeds"


def _most_seeds(store: Store) -> int:
    """Return the number of different seeds of the completed final trials."""
    return len(
        {
            record.trial.seed
            for record in store.each()
            if isinstance(record, Record)
            and record.trial.purpose == "final"
            and record.outcome.status == "completed"
        }
    )
