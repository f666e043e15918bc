from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media", "0001_initial")]

    operations = [
        TrigramExtension(),
        migrations.AddIndex(model_name="media", index=models.Index(fields=["poster_path"], name="media_poster")),
        # As `title__icontains` asks: the search while TMDB is away. (Django writes this one only with contrib.postgres.)
        migrations.RunSQL(
            "CREATE INDEX media_title_words ON media USING gin (upper(title) gin_trgm_ops)",
            "DROP INDEX media_title_words",
        ),
    ]
