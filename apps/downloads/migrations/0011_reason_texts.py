from django.db import migrations, models

import sokoul.postgres.checks


class Migration(migrations.Migration):

    dependencies = [
        ('downloads', '0010_copies'),
    ]

    operations = [
        migrations.AlterField(
            model_name='blocked',
            name='reason',
            field=models.TextField(blank=True, default='', help_text='The same with its figures.'),
        ),
        migrations.AlterField(
            model_name='download',
            name='tried',
            field=models.JSONField(
                default=list, help_text='[{name, code, reason, texts, at}], the releases given up, oldest first.',
            ),
        ),
        migrations.AddField(
            model_name='download',
            name='reason_texts',
            field=models.JSONField(db_default={}, default=dict, help_text='`reason` in every language: {"en": …, "fr": …}.'),
        ),
        migrations.AddField(
            model_name='blocked',
            name='reason_texts',
            field=models.JSONField(db_default={}, default=dict, help_text='`reason` in every language: {"en": …, "fr": …}.'),
        ),
        migrations.AddConstraint(
            model_name='download',
            constraint=models.CheckConstraint(
                condition=sokoul.postgres.checks.json_is('reason_texts', 'object'), name='downloads_reason_texts_is_object',
            ),
        ),
        migrations.AddConstraint(
            model_name='blocked',
            constraint=models.CheckConstraint(
                condition=sokoul.postgres.checks.json_is('reason_texts', 'object'), name='blocklist_reason_texts_is_object',
            ),
        ),
    ]
