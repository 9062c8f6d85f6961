"""How much a soak must suffer to prove anything: the issue asks for a million facts and 100 kills in 20 minutes.

It states the minimum only.
"""

FACTS, AT_RATE = 50_000, 900
"""Facts a minute, at so many sent a second."""
KILLS, AT_BETWEEN = 5.0, 4.5
"""Processes killed a minute, with so many seconds between faults."""
LONG_MINUTES = 10.0
SHORT_SHARE = 0.5
"""What a shorter soak needs of the floors: its dice may fall so, and a dead broker takes a large part of its time."""


def too_little(seconds: float, rate: int, between: float, facts: int, kills: int) -> list[str]:
    """What a soak of so many seconds has too little of, in words."""
    minutes = seconds / 60
    share = 1 if minutes >= LONG_MINUTES else SHORT_SHARE
    wanted_facts = int(share * minutes * FACTS * rate / AT_RATE)
    wanted_kills = int(share * minutes * KILLS * AT_BETWEEN / between)
    missed = []
    if facts < wanted_facts:
        missed.append(f"too little: {facts:,} facts in {minutes:.1f} minutes, {wanted_facts:,} are wanted")
    if kills < wanted_kills:
        missed.append(f"too little: {kills} kills in {minutes:.1f} minutes, {wanted_kills} are wanted")
    return missed
