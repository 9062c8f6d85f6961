-- Whether rows of the log found no part, and lie behind the last one.
select exists (select from decision_log_default where seq >= (select coalesce(max(end_seq), 0) from log_parts))
