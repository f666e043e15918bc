"""Writing an event is one call; a plan for it is kept. `events_replay` begins with the person, so no other index has to.

The numbers of the locks are those that the statements of older processes take.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARDS = """
-- An event for one person, or for everybody (null). `before`: the newest that its reader had until then, 0 where there was none.
-- Until the transaction ends, whoever writes to the same person queues, and a broadcast with everybody: ids ascend in commit order for
-- every reader. What is read comes after the lock, in a statement of its own.
CREATE FUNCTION events_record(person bigint, what text, about jsonb, moment timestamptz)
RETURNS TABLE (number bigint, before bigint) LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF person IS NULL THEN
        PERFORM pg_advisory_xact_lock(5262081);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(5262081);
        PERFORM pg_advisory_xact_lock(5262082, (person % 2147483648)::int);
    END IF;
    before := greatest(
        (SELECT max(id) FROM events WHERE user_id = person), (SELECT max(id) FROM events WHERE user_id IS NULL), 0);
    INSERT INTO events (user_id, type, data, at) VALUES (person, what, about, moment) RETURNING id INTO number;
    RETURN NEXT;
END $$;
"""
BACKWARDS = "DROP FUNCTION events_record(bigint, text, jsonb, timestamptz)"


class Migration(migrations.Migration):
    dependencies = [("feed", "0002_json_shapes"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.RunSQL(FORWARDS, BACKWARDS),
        migrations.AlterField(
            model_name="event",
            name="user",
            field=models.ForeignKey(
                db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
