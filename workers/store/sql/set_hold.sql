-- Enforces no deadline, for a reason; with null enforces them again.
update deployment set held = $1
