-- What the fan-outs under way of these companies name as their cause; under the companies' locks.
select company_key, because from company_fanouts where company_key = any($1::text[])
