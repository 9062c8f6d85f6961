"""The mark of tests that take long: `make faults` runs them, `make test` leaves them out."""

import os

import pytest

long = pytest.mark.skipif(os.environ.get("FAULTS") != "all", reason="run by `make faults`")
