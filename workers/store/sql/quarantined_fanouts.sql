-- Companies whose fan-out is quarantined, and why.
select company_key, quarantined from company_fanouts where quarantined is not null order by company_key
