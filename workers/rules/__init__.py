"""The rules as pure functions: no clock, no I/O, no randomness, the standard library only.

docs/rules.md states the rules; a rule's id stands in the docstring of the function that decides it. Read the modules
in this order: `calendar` (how periods are counted), `policy` (the parameters), `facts` (the input), `company` (which
cases terminate a company), `judge` and `account` (what follows for one account), `difference` (what is published).
"""

RULES_VERSION = 2
"""Increases with every change that judges the past differently. Only `standing setup` adopts a new version."""
