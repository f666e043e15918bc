from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_quotas")]
    operations = [
        migrations.CreateModel(
            name="AuditCopy",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("last_id", models.BigIntegerField(default=0)),
            ],
            options={"db_table": "audit_copies"},
        ),
    ]
