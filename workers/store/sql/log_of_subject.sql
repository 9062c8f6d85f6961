-- Everything published about an account (up to the instant $2, if one is given), oldest first, except records of its
-- present state only. A company's key or a record's place may be the same text.
select convert_from(value, 'UTF8') from decision_log
where subject = $1 and kind not in ('account_standing', 'dead_letter') and topic <> 'company-terminations'
      and ($2::timestamptz is null or effective_at <= $2)
order by shard, seq
