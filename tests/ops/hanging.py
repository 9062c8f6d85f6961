"""A program whose event loops stop turning."""

HANGS = """
import time
from workers.ops.watchdog import Watchdog
with Watchdog("the worker", 2) as watchdog:
    for _ in range(30):
        watchdog.turned("one")
        watchdog.turned("another")
        time.sleep(0.1)
    print("alive", flush=True)
    time.sleep(60)
"""
