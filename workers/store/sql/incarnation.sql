-- The deployment that every message is of.
select incarnation from deployment
