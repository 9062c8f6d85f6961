-- The companies whose fan-out cannot go on, and why.
select company_key, quarantined from company_fanouts where quarantined is not null order by company_key
