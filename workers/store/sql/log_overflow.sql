-- Whether the default part has rows after the last part.
select exists (select from decision_log_default where seq >= (select coalesce(max(end_seq), 0) from log_parts))
