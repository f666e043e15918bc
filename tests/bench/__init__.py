"""Benchmarks beside peers: `make bench` (docs/benchmarks.md)."""

import os

if "PART_OF_BENCHMARK" not in os.environ:  # what a benchmark starts has the environment of that one's servers
    from tests import servers as servers  # before anything that reads it: it says where the servers will be
