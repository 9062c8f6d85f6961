-- An account whose evaluation failed says why, and so does the fan-out of a company that cannot go on. A fan-out goes
-- round: a newer version of the company no longer takes it back to its beginning, and it counts nothing on its way.

drop index accounts_wake_at;
drop index accounts_held;
alter table accounts add column quarantined text;  -- why its last evaluation failed; null where it did not
update accounts set quarantined = 'of an older version, which did not store why' where held;
alter table accounts drop column held;
create index accounts_wake_at on accounts (wake_at) where wake_at is not null and quarantined is null;
create index accounts_quarantined on accounts (account_id) where quarantined is not null;

alter table spreads drop column hits;
alter table spreads add column waits boolean not null default false;  -- all members were reached, some are undecided
alter table spreads add column quarantined text;                      -- why it cannot go on; null where it can
update spreads set cursor = '';
