"""Sokoul: self-hosted media automation. This package is the wiring and the platform; it knows no domain word."""

__version__ = "0.1.0"
