-- Run once, when the volume is new: the user and the database of Sokoul. The user is no superuser, and the superuser can
-- sign in from within the container only.
\getenv password POSTGRES_PASSWORD
CREATE ROLE sokoul LOGIN PASSWORD :'password';
CREATE DATABASE sokoul_db OWNER sokoul;
ALTER ROLE postgres PASSWORD NULL;
