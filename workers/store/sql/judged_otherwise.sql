-- Accounts that are not judged up to the watermark $1: deadlines are due, or they were judged further. Without a
-- watermark (null) it is all accounts.
select account_id, judged_until from accounts
where $1::timestamptz is null or next_check <= $1 or judged_until > $1
