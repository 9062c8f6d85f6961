"""A program whose event loops stop turning."""

HANGS = """
import time
from workers.ops import watchdog
watchdog.ROUND_SECONDS = 0.5
with watchdog.Watchdog("the worker", 2) as watchdog:
    for _ in range(3):
        watchdog.turned("one")
        watchdog.turned("another")
        time.sleep(0.1)
    print("alive", flush=True)
    time.sleep(60)
"""
