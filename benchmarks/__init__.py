"""What the engine costs, beside a plain handler and a hand-written loop, on the same servers in the same run."""
