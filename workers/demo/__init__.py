"""Generated histories, and the demonstration that plays one."""
