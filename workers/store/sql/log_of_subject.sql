-- log_of_subject
-- Everything published about an account (about instants up to $2, where one is given), oldest first, but for what is
-- only its state now.
select convert_from(value, 'UTF8') from decision_log
where subject = $1 and kind <> 'account_standing' and topic <> 'company-terminations'
      and ($2::timestamptz is null or effective_at <= $2)
order by shard, seq
