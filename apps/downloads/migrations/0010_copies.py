import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# A schema that knows one copy of a title keeps what is there: of downloads under another target, of follows those by the title's profile.
ONE_COPY = """
UPDATE downloads SET target = left(target, 70) || '#' || copy WHERE copy <> 0;
DELETE FROM follows WHERE profile_id IS NOT NULL;
DELETE FROM declined WHERE copy <> 0;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('downloads', '0009_lists'),
        ('media', '0004_episodes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BetterSeek',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('season', models.SmallIntegerField(null=True)),
                ('episode', models.SmallIntegerField(null=True)),
                ('tries', models.IntegerField(default=0)),
                ('asked_at', models.DateTimeField(help_text='When a search was last asked for.', null=True)),
                ('next_at', models.DateTimeField(help_text='Not looked at again before.')),
            ],
            options={
                'db_table': 'better_seeks',
            },
        ),
        migrations.RemoveConstraint(
            model_name='declined',
            name='declined_unique',
        ),
        migrations.RemoveConstraint(
            model_name='download',
            name='downloads_once',
        ),
        migrations.RemoveConstraint(
            model_name='follow',
            name='follows_unique',
        ),
        migrations.AddField(
            model_name='declined',
            name='copy',
            field=models.BigIntegerField(db_default=0, default=0, help_text="As a download's."),
        ),
        migrations.AddField(
            model_name='download',
            name='copy',
            field=models.BigIntegerField(db_default=0, default=0, help_text="The number of the profile by which it is kept beside other copies of the title; 0: the title's own. A number and no key: it stays apart from the others when that profile is deleted."),
        ),
        migrations.AddField(
            model_name='follow',
            name='profile',
            field=models.ForeignKey(help_text="By which a copy of its own is kept; null: the title's copy, by what the title uses.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='follows', to='downloads.qualityprofile'),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, ONE_COPY),
        migrations.AddConstraint(
            model_name='declined',
            constraint=models.UniqueConstraint(fields=('user', 'media', 'season', 'episode', 'copy'), name='declined_unique', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='download',
            constraint=models.UniqueConstraint(condition=models.Q(models.Q(('phase__in', ['failed', 'cancelled']), _negated=True), models.Q(('is_upgrade', False), ('phase__in', ['seeding', 'done']), _connector='OR')), fields=('user', 'media', 'target', 'copy'), name='downloads_once'),
        ),
        migrations.AddConstraint(
            model_name='follow',
            constraint=models.UniqueConstraint(fields=('user', 'media', 'what', 'season', 'profile'), name='follows_unique', nulls_distinct=False),
        ),
        migrations.AddField(
            model_name='betterseek',
            name='media',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='media.media'),
        ),
        migrations.AddIndex(
            model_name='betterseek',
            index=models.Index(fields=['asked_at'], name='better_seeks_asked'),
        ),
        migrations.AddConstraint(
            model_name='betterseek',
            constraint=models.UniqueConstraint(fields=('media', 'season', 'episode'), name='better_seeks_unique', nulls_distinct=False),
        ),
    ]
