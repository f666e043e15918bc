"""What every start looks at and holds, as functions: PostgreSQL keeps their plans, and a start is two messages. And no index twice.

A plan that is kept was made for a table as it was then, may be empty, until autovacuum has looked at it again. So no statement
here leaves a choice that would be wrong for a large one: none reads a whole table, and where an order could be had from another
index than the rows, OFFSET 0 stands between them.

What is removed of the indexes: those of Meta that repeat a foreign key's own, and foreign keys' own where another index, which holds
all rows, begins with the same column.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORWARDS = """
-- What a person uses: downloads that have not ended, bytes kept (0 unless they are to be `weighed`), starts after `since`. A download has
-- the size of what it holds; until that is known, of its release. `without`: a download whose bytes do not count.
CREATE FUNCTION downloads_used(
    person bigint, without bigint, since timestamptz, weighed boolean, OUT active bigint, OUT bytes bigint, OUT weekly bigint
) STABLE LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    active := (SELECT count(*) FROM downloads WHERE user_id = person AND status IN ('Pending', 'Running'));
    weekly := (SELECT count(*) FROM download_starts WHERE user_id = person AND at > since);
    bytes := 0;
    IF weighed THEN
        bytes := (
            SELECT coalesce(sum(bytes_total), 0) FROM downloads
            WHERE user_id = person AND status <> 'Failed' AND bytes_total > 0 AND id IS DISTINCT FROM without
        ) + (
            SELECT coalesce(sum(size), 0) FROM downloads JOIN torrents ON torrents.id = torrent_id
            WHERE user_id = person AND status <> 'Failed' AND bytes_total = 0 AND downloads.id IS DISTINCT FROM without);
    END IF;
END $$;

-- All that decides whether a wish is granted, null for what is not there. `part`: what of a series is wanted, where that was said;
-- `old_id`: the download that is to be replaced.
CREATE FUNCTION downloads_look(
    person bigint, title_id bigint, release_id bigint, part text, by_profile bigint, old_id bigint, since timestamptz
) RETURNS jsonb STABLE LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    whose record;
    film record;
    offered record;
    replaced record;
    same record;
    wanted text;
    kept_as bigint := 0;
BEGIN
    SELECT id, username, quota_active, quota_bytes, quota_weekly INTO whose FROM users WHERE id = person;
    SELECT title, kind, year, poster_path INTO film FROM media WHERE id = title_id;
    SELECT key, title, size INTO offered FROM torrents
    WHERE id = release_id AND EXISTS (SELECT FROM candidates WHERE media_id = title_id AND torrent_id = release_id);
    wanted := CASE WHEN film.kind = 'movie' THEN '' WHEN part <> '' THEN part ELSE coalesce(offered.key, '') END;
    SELECT user_id, media_id, target, copy, status, phase, profile_id INTO replaced FROM downloads WHERE id = old_id;
    IF old_id IS NOT NULL THEN
        by_profile := coalesce(by_profile, replaced.profile_id);
        kept_as := replaced.copy;
        wanted := coalesce(nullif(wanted, ''), replaced.target);
    ELSIF EXISTS (SELECT FROM follows WHERE user_id = person AND media_id = title_id AND profile_id = by_profile) THEN
        kept_as := by_profile;
    END IF;
    -- What may be there once only has its index, `downloads_once`; that leaves upgrades at work.
    SELECT id, status INTO same FROM (
        SELECT id, status FROM downloads
        WHERE user_id = person AND media_id = title_id AND target = wanted AND copy = kept_as AND id IS DISTINCT FROM old_id
            AND NOT (phase IN ('failed', 'cancelled')) AND (NOT is_upgrade OR phase IN ('seeding', 'done'))
        UNION ALL
        SELECT id, status FROM downloads
        WHERE user_id = person AND media_id = title_id AND target = wanted AND copy = kept_as AND id IS DISTINCT FROM old_id
            AND status IN ('Pending', 'Running') AND is_upgrade
        OFFSET 0) every ORDER BY id LIMIT 1;
    RETURN jsonb_build_object(
        'person', CASE WHEN whose.id IS NOT NULL THEN to_jsonb(whose) END,
        'media', CASE WHEN film.kind IS NOT NULL THEN to_jsonb(film) END,
        'release', CASE WHEN offered.key IS NOT NULL THEN to_jsonb(offered) END,
        'replaced', CASE WHEN replaced.phase IS NOT NULL THEN to_jsonb(replaced) END,
        'same', CASE WHEN same.id IS NOT NULL THEN to_jsonb(same) END,
        'target', wanted,
        'copy', kept_as,
        'profile_id', by_profile,
        'profile', (SELECT name FROM quality_profiles WHERE id = by_profile),
        'used', (SELECT to_jsonb(used) FROM downloads_used(person, NULL, since, whose.quota_bytes IS NOT NULL) used));
END $$;

-- Until the transaction ends the person's wishes queue behind this one, and nobody deletes the profile that it will name.
CREATE FUNCTION downloads_hold(person bigint, by_profile bigint, old_id bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM users WHERE id = person FOR NO KEY UPDATE;
    PERFORM FROM quality_profiles
    WHERE id = coalesce(by_profile, (SELECT profile_id FROM downloads WHERE id = old_id)) FOR KEY SHARE;
END $$;

-- Holds, and fails (serialization failure) where what was `seen` without holding anybody is not so any more.
CREATE FUNCTION downloads_agree(
    person bigint, title_id bigint, release_id bigint, part text, by_profile bigint, old_id bigint, since timestamptz, seen jsonb
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM downloads_hold(person, by_profile, old_id);
    IF downloads_look(person, title_id, release_id, part, by_profile, old_id, since) IS DISTINCT FROM seen THEN
        RAISE serialization_failure USING MESSAGE = 'somebody was faster';
    END IF;
END $$;
"""
BACKWARDS = """
DROP FUNCTION downloads_agree(bigint, bigint, bigint, text, bigint, bigint, timestamptz, jsonb);
DROP FUNCTION downloads_hold(bigint, bigint, bigint);
DROP FUNCTION downloads_look(bigint, bigint, bigint, text, bigint, bigint, timestamptz);
DROP FUNCTION downloads_used(bigint, bigint, timestamptz, boolean);
"""


def covered(model: str, name: str, to: str, **also: str) -> migrations.AlterField:
    """A foreign key without an index of its own."""
    key = models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to=to, **also)
    return migrations.AlterField(model_name=model, name=name, field=key)


class Migration(migrations.Migration):
    dependencies = [("downloads", "0011_reason_texts"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.RunSQL(FORWARDS, BACKWARDS),
        migrations.RemoveIndex(model_name="candidate", name="candidates_torrent"),
        migrations.RemoveIndex(model_name="download", name="downloads_media"),
        migrations.RemoveIndex(model_name="follow", name="follows_media"),
        migrations.RemoveIndex(model_name="libraryfile", name="library_files_media"),
        covered("candidate", "media", "media.media", related_name="candidates"),
        covered("download", "user", settings.AUTH_USER_MODEL, related_name="downloads"),
        covered("start", "user", settings.AUTH_USER_MODEL, related_name="+"),
    ]
