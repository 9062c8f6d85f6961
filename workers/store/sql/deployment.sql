-- What the database was set up for; an older or a newer schema may have other columns.
select * from deployment
