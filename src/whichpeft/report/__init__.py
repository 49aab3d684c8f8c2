"""What the records say together: tables, figures, the page. Needs no torch."""

from whichpeft.report.report import Report

__all__ = ["Report"]
