-- The incarnation of the deployment, which every message contains.
select incarnation from deployment
