"""Checks a plugin before anybody has to trust it: from its files alone, and if asked by importing it elsewhere."""

from .check import check_target
from .findings import CheckReport, Finding

__all__ = ["CheckReport", "Finding", "check_target"]
