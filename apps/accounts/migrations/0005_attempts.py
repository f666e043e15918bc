from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0004_channels"),
    ]

    operations = [
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("scope", models.CharField(max_length=32)),
                (
                    "key",
                    models.CharField(
                        help_text="SHA-256, hexadecimal: people type passwords where names belong.", max_length=64
                    ),
                ),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "attempts",
                "indexes": [
                    models.Index(fields=["scope", "key", "at"], name="attempts_window"),
                    models.Index(fields=["at"], name="attempts_age"),
                ],
            },
        ),
    ]
