-- log_of_subject
-- Everything published about an account (about instants up to $2, where one is given), oldest first, but for what is
-- only its state now. A company's key or a record's place may be the same text.
select convert_from(value, 'UTF8') from decision_log
where subject = $1 and kind not in ('account_standing', 'dead_letter') and topic <> 'company-terminations'
      and ($2::timestamptz is null or effective_at <= $2)
order by shard, seq
