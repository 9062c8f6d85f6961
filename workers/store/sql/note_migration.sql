-- Records an applied migration.
insert into migrations values ($1)
