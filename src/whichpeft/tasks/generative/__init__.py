"""Tasks for language models: prompts with completions."""

from whichpeft.tasks.generative.from_examples import generative_task
from whichpeft.tasks.generative.prompted import Prompted
from whichpeft.tasks.generative.task import GenerativeTask

__all__ = ["GenerativeTask", "Prompted", "generative_task"]
