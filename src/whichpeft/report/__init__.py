"""The report of a study: tables, figures and the HTML page. It does not import torch."""

from whichpeft.report.report import Report

__all__ = ["Report"]
