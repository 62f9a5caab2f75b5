"""Answers of a given form: JSON schemas, regular expressions and grammars, enforced token by token by llguidance."""

from .compiler import GrammarCompiler

__all__ = ["GrammarCompiler"]
