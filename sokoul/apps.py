from django.apps import AppConfig


class SokoulConfig(AppConfig):
    name = "sokoul"
    label = "sokoul"
