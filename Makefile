# `make up` runs Sokoul, `make test` proves it; `make help` lists the rest.
PYTHON ?=
RUN := .venv/bin/python
export PYTHON

.PHONY: help up down venv dev chromium promtool nftables test unit interop lint alerts bench chaos soak lock

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

up: venv ## set everything up and run it in the foreground; Ctrl-C stops it in order
	@exec $(RUN) manage.py up

down: ## stop the stack of this DATA_DIR, also one whose terminal is gone
	@if [ -x $(RUN) ]; then exec $(RUN) manage.py down; else echo "Sokoul was never started here."; fi

venv: ## only build .venv with what running needs
	@requirements/install embedded

dev: ## build .venv with what testing needs
	@requirements/install dev

chromium:
	@for name in chromium chromium-browser google-chrome; do \
		if command -v $$name >/dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Chromium for the browser tests…"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium >/dev/null; \
	else \
		echo "The browser tests need Chromium. Run: sudo apt-get install chromium" >&2; exit 1; \
	fi

test: dev chromium ## every test, on real servers and a real browser
	@$(RUN) -m pytest -n 3

unit: dev ## the unit tests
	@$(RUN) -m pytest tests/unit

interop: dev ## the main job with stock BitTorrent clients as seeders
	@missing=; for pair in aria2c:aria2 transmission-daemon:transmission-daemon qbittorrent-nox:qbittorrent-nox; do \
		command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair#*:}"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing$$missing…"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing >/dev/null; \
	else \
		echo "These tests need more programs. Run: sudo apt-get install$$missing" >&2; exit 1; \
	fi
	@$(RUN) -m pytest tests/interop

lint: dev ## style, types, and who may import whom
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

promtool:
	@if command -v promtool >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Prometheus for promtool…"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends prometheus >/dev/null; \
	else \
		echo "The alert rules need promtool. Run: sudo apt-get install prometheus" >&2; exit 1; \
	fi

alerts: promtool ## check the alert rules and run their tests
	@promtool check config --syntax-only deploy/prometheus/prometheus.yml
	@cd deploy/prometheus && promtool check rules alerts.yml && promtool test rules alerts_test.yml

bench: ## each figure beside its bar and its peer: make bench [ONLY=jobs,torrent] [SIZE=mib] [ROUNDS=3] [RECORD=1]
	@requirements/install bench
	@$(RUN) -m tests.bench.run

nftables:
	@if command -v nft >/dev/null && command -v ip >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing nftables for packet loss and partitions…"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends nftables iproute2 >/dev/null; \
	else \
		echo "Packet loss, partitions and latency are left out. For them: sudo apt-get install nftables iproute2" >&2; \
	fi

chaos: dev nftables ## break a running Sokoul by a seeded schedule: make chaos [SEED=n] [MINUTES=10] [RECORD=1]
	@$(RUN) -m tests.chaos.run $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

soak: dev ## the same load without faults, and what every process holds: make soak [MINUTES=10] [RECORD=1]
	@$(RUN) -m tests.chaos.soak $(if $(MINUTES),--minutes $(MINUTES))

lock: dev ## resolve the requirements anew and lock them with hashes
	@cd requirements && for name in base embedded dev bench installer; do \
		../.venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
			--no-emit-find-links --custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; \
	done
