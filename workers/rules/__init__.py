"""The rulebook as pure functions: no clock, no I/O, no randomness, the standard library only.

Read in this order: `calendar` (how periods are counted), `policy` (the parameters), `facts` (what is known),
`company` (which cases terminate), `judge` and `account` (what follows for one account), `difference` (what is
to be published).
"""

RULES_VERSION = 2
"""Grows with every change that would judge the past differently; adopted only by `standing setup`."""
