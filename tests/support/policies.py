"""The texts of policies: the one that ships, and short ones under which much happens within a month."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
POLICIES = PROJECT / "schemas" / "policies"
"""The directory of those that ship."""
SAMPLE = POLICIES / "2016-02.toml"
SHORT = """
id = "short"
effective_from = 2016-02-03T00:00:00+08:00
time_zone = "Asia/Shanghai"
day_count = "calendar"
inactivity_days = 6
activation_days = 3
lockout_days = 2
reapply_days = 4
inactivity_notices = [3, 1]
activation_notices = [1]
exempt_causes = ["onetouch_unable"]
[violations.refusal]
penalty = "terminate"
[violations.late]
penalty = "terminate"
after = 2
within_days = 5
"""
HOURLY = """
id = "hourly"
effective_from = 2016-02-15T00:00:00+08:00
time_zone = "Asia/Shanghai"
day_count = "elapsed"
inactivity_days = 5
activation_days = 2
lockout_days = 1
reapply_days = 3
inactivity_notices = [1]
activation_notices = []
exempt_causes = []
[violations.refusal]
penalty = "terminate"
"""
