-- Sets the deadline hold to a reason; null clears it.
update deployment set held = $1
