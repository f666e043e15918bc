"""Makes the audit trail insert-only and hash-chained, in the database itself (SPEC 16)."""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION logs_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One writer at a time: each row's hash covers its predecessor's.
    PERFORM pg_advisory_xact_lock(hashtext('sokoul.logs'));
    NEW.id := nextval(pg_get_serial_sequence('logs', 'id'));
    NEW.previous_hash := coalesce((SELECT hash FROM logs ORDER BY id DESC LIMIT 1), ''::bytea);
    NEW.hash := sha256(NEW.previous_hash || convert_to(jsonb_build_array(
        NEW.id, extract(epoch FROM NEW.at), NEW.actor_id, NEW.actor, host(NEW.ip), NEW.action, NEW.target, NEW.details,
        NEW.request_id)::text, 'UTF8'));
    RETURN NEW;
END $$;
CREATE TRIGGER logs_chain BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION logs_chain();

CREATE FUNCTION logs_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is insert-only';
END $$;
CREATE TRIGGER logs_refuse_rows BEFORE UPDATE OR DELETE ON logs FOR EACH ROW EXECUTE FUNCTION logs_refuse();
CREATE TRIGGER logs_refuse_truncate BEFORE TRUNCATE ON logs FOR EACH STATEMENT EXECUTE FUNCTION logs_refuse();
"""
BACKWARDS = """
DROP TRIGGER logs_refuse_truncate ON logs;
DROP TRIGGER logs_refuse_rows ON logs;
DROP TRIGGER logs_chain ON logs;
DROP FUNCTION logs_refuse();
DROP FUNCTION logs_chain();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
