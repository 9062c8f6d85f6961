-- Notes a migration that was applied.
insert into migrations values ($1)
