"""What every sign-in does, as functions: PostgreSQL keeps their plans, and a sign-in is few messages.

A plan that is kept was made for a table as it was then, may be empty, until autovacuum has looked at it again. So no statement
here leaves a choice that would be wrong for a large one: none reads a whole table, and none joins `attempts`.
`attempts_queue` takes the locks that the statements of older processes take.
"""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION attempts_key(whose text) RETURNS text STABLE LANGUAGE sql AS $$
    -- By the same lower() that finds an account: letters that only PostgreSQL folds would give a name more tries than its own.
    SELECT encode(sha256(convert_to(lower(whose), 'UTF8')), 'hex')
$$;

CREATE FUNCTION attempts_queue(scopes text[], names text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Behind whoever counts the same, in one order for everybody, until the transaction ends. Two-key advisory locks, and the few
    -- small numbers of others, are out of the way of these. What comes after sees what those before have written.
    PERFORM pg_advisory_xact_lock(number) FROM (
        SELECT DISTINCT ('x' || left(encode(sha256(convert_to(scope || ' ' || attempts_key(whose), 'UTF8')), 'hex'), 16)
            )::bit(64)::bigint AS number
        FROM unnest(scopes, names) AS tries (scope, whose) ORDER BY number) queue;
END $$;

-- A place in each of these limits, or in none. `used`: how many of a limit's were taken before; `oldest`: seconds since the oldest
-- of them, below zero; `place` is null where one limit was full. Removes in passing what is older than any limit looks back,
-- `old` rows at most.
CREATE FUNCTION attempts_take(scopes text[], names text[], mosts int[], windows int[], longest int, old int)
RETURNS TABLE (place bigint, used bigint, oldest float) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    moment timestamptz;
BEGIN
    PERFORM attempts_queue(scopes, names);
    moment := clock_timestamp();
    RETURN QUERY
    WITH counted AS MATERIALIZED (
        SELECT tries.*, newest.count, extract(epoch FROM newest.first - moment)::float AS since
        FROM (
            SELECT scope, attempts_key(whose) AS key, most, seconds, number
            FROM unnest(scopes, names, mosts, windows) WITH ORDINALITY AS given (scope, whose, most, seconds, number)
        ) tries CROSS JOIN LATERAL (
            SELECT count(*), min(at) AS first FROM (
                SELECT at FROM attempts WHERE attempts.scope = tries.scope AND attempts.key = tries.key
                    AND at > moment - make_interval(secs => tries.seconds)
                ORDER BY at DESC LIMIT tries.most) latest
        ) newest),
    taken AS (
        INSERT INTO attempts (scope, key, at) SELECT scope, key, moment FROM counted
        WHERE NOT EXISTS (SELECT FROM counted WHERE count >= most)
        RETURNING id, attempts.scope, attempts.key),
    forgotten AS (
        DELETE FROM attempts WHERE id = ANY (ARRAY(
            SELECT id FROM attempts WHERE at < moment - make_interval(secs => longest) AND EXISTS (SELECT FROM taken)
            ORDER BY at LIMIT old FOR UPDATE SKIP LOCKED)))
    SELECT taken.id, count, since FROM counted LEFT JOIN taken USING (scope, key) ORDER BY number;
END $$;

-- These places are free again, and whoever these limits are for has all tries.
CREATE FUNCTION attempts_forget(places bigint[], scopes text[], names text[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM attempts WHERE id = ANY (places);
    PERFORM attempts_queue(scopes, names);
    FOR number IN 1 .. cardinality(scopes) LOOP
        DELETE FROM attempts WHERE scope = scopes[number] AND key = attempts_key(names[number]);
    END LOOP;
END $$;

-- A sign-in by tokens, and the first of them; removes what the person's earlier ones have left. No data found: the account is not
-- there any more, or its sign-ins have ended since it was read.
CREATE FUNCTION sign_ins_begin(
    person bigint, at_epoch int, family uuid, jti uuid, moment timestamptz, until timestamptz, latest timestamptz,
    address inet, agent text
) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM FROM users WHERE id = person AND is_active AND token_epoch = at_epoch FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE no_data_found;
    END IF;
    DELETE FROM refresh_tokens WHERE user_id = person AND expires_at < moment;
    INSERT INTO sign_ins (id, user_id, kind, epoch, began_at, seen_at, expires_at, ends_at, ip, agent)
    VALUES (family, person, 'api', at_epoch, moment, moment, until, latest, address, agent);
    INSERT INTO refresh_tokens (jti, family, user_id, created_at, expires_at) VALUES (jti, family, person, moment, until);
END $$;
"""
BACKWARDS = """
DROP FUNCTION sign_ins_begin(bigint, int, uuid, uuid, timestamptz, timestamptz, timestamptz, inet, text);
DROP FUNCTION attempts_forget(bigint[], text[], text[]);
DROP FUNCTION attempts_take(text[], text[], int[], int[], int, int);
DROP FUNCTION attempts_queue(text[], text[]);
DROP FUNCTION attempts_key(text);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_sign_ins")]
    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
