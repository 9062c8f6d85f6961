"""Servers that another process lends to the tests."""

RUNNING = "TESTS_USE_SERVERS"
"""The variable by which `make mutants` lends its servers to tests that neither stop nor restart them."""
