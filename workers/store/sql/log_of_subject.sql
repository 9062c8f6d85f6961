-- Everything published about an account, oldest first, but for what is only its state now.
select convert_from(value, 'UTF8') from decision_log
where subject = $1 and kind <> 'account_standing' and topic <> 'company-terminations' order by shard, seq
