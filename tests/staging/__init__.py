"""What a new version has to pass before people get it (plan 9.3): `make staging [URL=…] [MINUTES=5]`."""
