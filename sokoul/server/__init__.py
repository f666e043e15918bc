"""Our own server process: one port, three ways in (docs/architecture.md). Knows neither Django's settings nor any app."""
