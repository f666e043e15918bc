"""What the bot answers. Importing this package registers every command and every button."""

from apps.bot.handlers import downloads, general, linking, releases, status, titles

__all__ = ["downloads", "general", "linking", "releases", "status", "titles"]
