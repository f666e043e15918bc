import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('downloads', '0007_follows'),
    ]

    operations = [
        migrations.AddField(
            model_name='download',
            name='replaces',
            field=models.ForeignKey(
                help_text="The download whose files make room for this one's, once these are there.", null=True,
                on_delete=django.db.models.deletion.SET_NULL, related_name='upgrades', to='downloads.download',
            ),
        ),
        migrations.AddField(
            model_name='download',
            name='is_upgrade',
            field=models.BooleanField(
                default=False, help_text='Begun with `replaces`, which is forgotten when that download is deleted.',
            ),
        ),
        migrations.RemoveConstraint(model_name='download', name='downloads_once'),
        migrations.AddConstraint(
            model_name='download',
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    models.Q(('phase__in', ['failed', 'cancelled']), _negated=True),
                    models.Q(('is_upgrade', False), ('phase__in', ['seeding', 'done']), _connector='OR'),
                ),
                fields=('user', 'media', 'target'),
                name='downloads_once',
            ),
        ),
    ]
