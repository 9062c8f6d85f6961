-- The companies whose fan-out cannot go on, and why.
select company_key, quarantined from spreads where quarantined is not null order by company_key
