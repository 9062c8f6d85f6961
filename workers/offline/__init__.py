"""What runs beside the engine: generated histories and the demonstration that plays one."""
