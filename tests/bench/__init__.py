"""Benchmarks beside peers: `make bench` (docs/benchmarks.md)."""

import os

# Before anything that reads the environment: it says where the servers will be. A program that a benchmark starts has it from there.
if "SOKOUL_BENCHMARK" not in os.environ:
    from tests import servers as servers

    os.environ["SOKOUL_BENCHMARK"] = str(os.getpid())
