"""Silences libraries when they report nothing that a user could act on."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_warnings() -> Iterator[None]:
    """Silence Python warnings, such as those that PEFT causes by its own calls into transformers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Silence the progress bar and the report on newly drawn weights; errors are still shown."""
    from transformers.utils import logging as shown

    level, bar = shown.get_verbosity(), shown.is_progress_bar_enabled()
    shown.set_verbosity(logging.ERROR)
    shown.disable_progress_bar()
    try:
        yield
    finally:
        shown.set_verbosity(level)
        if bar:
            shown.enable_progress_bar()
