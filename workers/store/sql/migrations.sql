-- The applied migrations.
select name from migrations
