"""Retrieval: finding the document that belongs to a query, by the similarity of their embeddings."""

from whichpeft.tasks.retrieval.task import RetrievalTask

__all__ = ["RetrievalTask"]
