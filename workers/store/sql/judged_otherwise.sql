-- Accounts that are not judged exactly up to the watermark $1: their deadline is due, or they were judged further.
-- Without a watermark (null), all accounts.
select account_id, judged_until from accounts
where $1::timestamptz is null or next_check <= $1 or judged_until > $1
