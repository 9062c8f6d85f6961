"""`standing hold` and `standing release`: the brake for back-fills and emergencies."""

from workers.commands.status import read_status
from workers.ops.refused import Refused
from workers.store.deployment import hold as write_hold
from workers.wiring import Parts


class CannotRelease(Refused):
    """Silence cannot be enforced yet."""


async def hold(made: Parts, why: str) -> None:
    """Enforce no silence until `release`."""
    await write_hold(made.pool, why)


async def release(made: Parts, *, force: bool) -> None:
    """Enforce silence again; raises CannotRelease until every partition was read to its end."""
    if not force:
        status = await read_status(made)
        behind = [place for place, lag in status.lag.items() if lag]
        if behind:
            raise CannotRelease(
                f"not read to the end yet: {', '.join(behind)}; wait (`standing status`), or release with --force"
            )
    await write_hold(made.pool, None)
