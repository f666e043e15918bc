from django.contrib.admin.apps import AdminConfig


class DashboardConfig(AdminConfig):
    """Django's admin with our site in the place of its own."""

    default_site = "sokoul.dashboard.site.Dashboard"

    def ready(self) -> None:
        super().ready()
        from sokoul.dashboard import jobs  # noqa: F401  registers itself, as every app's admin.py does
