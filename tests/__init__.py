"""Invariants of the repository: what no single distribution's tests can see."""
