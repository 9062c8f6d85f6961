"""What the engine costs, beside hand-written loops on the same servers in the same run."""
