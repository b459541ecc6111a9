"""The guard: what a text claims of an item, what a policy forbids, and why each was refused."""

from genrec.creatives.guard.check import Guard
from genrec.creatives.guard.finding import Finding, Verdict
from genrec.creatives.guard.policy import Policy

__all__ = ["Finding", "Guard", "Policy", "Verdict"]
