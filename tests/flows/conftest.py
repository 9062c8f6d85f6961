"""The deployment that each flow is tried on."""

from tests.support.deployment_fixture import deployment

__all__ = ["deployment"]
