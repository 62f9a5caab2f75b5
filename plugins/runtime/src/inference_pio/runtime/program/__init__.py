"""Decode programs: a model as a list of operations, for executors that compute all of it in one call.

A model describes itself once, in its ``fused_layers``; ``print(program)`` shows what it said, ``reference`` computes it
slowly and plainly in numpy, and executors lower it to what they run. Neither torch nor any executor is imported here.
"""

from .builder import ProgramBuilder
from .errors import MissingOperationError, ProgramError
from .program import DecodeProgram, RotaryTable

__all__ = ["DecodeProgram", "MissingOperationError", "ProgramBuilder", "ProgramError", "RotaryTable"]
