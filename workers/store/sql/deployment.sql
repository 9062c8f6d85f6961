-- What the database was set up for; another schema version may have other columns.
select * from deployment
