-- The statement that creates a database, independent of the server's defaults; its name cannot be a parameter.
select format(
    'create database %I encoding ''UTF8'' locale_provider libc locale ''C'' template template0', $1::text)
