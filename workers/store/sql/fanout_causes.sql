-- The causes of the fan-outs of these companies, under the companies' locks.
select company_key, because from company_fanouts where company_key = any($1::text[])
