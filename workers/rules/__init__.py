"""The rulebook as pure functions: no clock, no I/O, no randomness, the standard library only.

Read in this order: ``calendar`` (how periods are counted), ``policy`` (the parameters), ``facts`` (what is
known), ``company`` (which cases terminate), ``judge`` (what follows for one account), ``difference`` (what is
to be published).
"""
