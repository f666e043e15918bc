"""Benchmarks beside peers: `make bench` (docs/benchmarks.md)."""

from tests import servers as servers  # before anything that reads the environment: it says where the servers will be
