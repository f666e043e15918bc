"""How a person is told of what happened: by Telegram, by mail, to a webhook of theirs, or by whatever Apprise speaks."""
