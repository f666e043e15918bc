# `make up` runs Sokoul, `make test` proves it; `make help` lists the rest.
PYTHON ?=
RUN := .venv/bin/python
export PYTHON

.PHONY: help up down venv dev tools test unit interop lint containers alerts fuzz crowd bench bench-parse chaos soak staging lock
.PHONY: coverage secrets sast audit licences outdated sbom hooks image push try

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 13

up: venv ## set everything up and run it in the foreground; Ctrl-C stops it in order
	@exec $(RUN) manage.py up

down: ## stop the stack of this DATA_DIR, also one whose terminal is gone
	@if [ -x $(RUN) ]; then exec $(RUN) manage.py down; else echo "Sokoul was never started here."; fi

venv: ## only build .venv with what running needs
	@requirements/install embedded

dev: ## build .venv with what testing needs
	@requirements/install dev

# What the tests need beside Python's packages: a browser, an edge proxy, a scraper with its rule checker, a packet filter.
tools:
	@docker compose version >/dev/null 2>&1 || requirements/programs docker-compose
	@requirements/programs 'chromium|chromium-browser|google-chrome=chromium' haproxy promtool=prometheus \
		nft=nftables ip=iproute2 slowhttptest \
		'prometheus-alertmanager|alertmanager=prometheus-alertmanager'

test: dev tools ## every test, on real servers and a real browser
	@$(RUN) -m pytest -n 4 --dist worksteal

unit: dev ## the unit tests
	@$(RUN) -m pytest tests/unit

interop: dev ## the main job with stock BitTorrent clients as seeders
	@requirements/programs aria2c=aria2 transmission-daemon qbittorrent-nox
	@$(RUN) -m pytest tests/interop

lint: dev containers secrets ## style, types, who may import whom, files of containers and workflows, no secrets
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

containers: dev
	@.venv/bin/hadolint Dockerfile
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@.venv/bin/zizmor --offline --quiet --persona pedantic .github

alerts: ## check the alert rules and run their tests
	@requirements/programs promtool=prometheus
	@promtool check config --syntax-only deploy/prometheus/prometheus.yml
	@cd deploy/prometheus && promtool check rules alerts.yml && promtool test rules alerts_test.yml

fuzz: dev ## the API and every parser of what strangers write against noise, for long: make fuzz [EXAMPLES=100] [SEED=n]
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),100) FUZZ_SEED=$(SEED) $(RUN) -m pytest -n 2 tests/integration/test_fuzz.py tests/unit/test_untrusted.py

crowd: dev ## slow and fat clients in number against the web: make crowd [CROWD=10000]
	@requirements/programs slowhttptest
	@CROWD=$(or $(CROWD),10000) $(RUN) -m pytest -s tests/integration/test_crowd.py

bench: ## each figure beside its bar and its peer: make bench [ONLY=jobs,torrent] [SIZE=mib] [ROUNDS=3] [RECORD=1]
	@requirements/install bench
	@$(RUN) -m tests.bench.run

bench-parse: ## how well and how fast release names are read: make bench-parse [CORPUS=path] [FAILURES=1]; its own set where none is given
	@requirements/install bench
	@$(RUN) tests/bench/parse.py $(CORPUS) $(if $(FAILURES),--failures)

chaos: dev ## break a running Sokoul by a seeded schedule: make chaos [SEED=n] [MINUTES=10] [RECORD=1]
	@requirements/programs nft=nftables ip=iproute2 || echo "Without them packet loss, partitions and latency are left out." >&2
	@$(RUN) -m tests.chaos.run $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

soak: dev ## the same load without faults, and what every process holds: make soak [MINUTES=10] [RECORD=1]
	@$(RUN) -m tests.chaos.soak $(if $(MINUTES),--minutes $(MINUTES))

staging: dev ## smoke, main job and load against a deployment, or one of its own: make staging [URL=https://…] [MINUTES=5]
	@$(RUN) -m tests.staging.run $(if $(URL),--url $(URL)) $(if $(MINUTES),--minutes $(MINUTES))

lock: dev ## resolve the requirements anew and lock them with hashes
	@cd requirements && for name in base embedded dev bench installer; do \
		../.venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
			--no-emit-find-links --custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; \
	done

# What `make coverage` and the like leave behind.
REPORTS := var/reports
# The packages that go into the image, by name.
SHIPPED = $$(sed -n 's/^\([A-Za-z0-9_.-]*\)==.*/\1/p' requirements/base.txt)

coverage: dev tools ## the tests with their coverage: make coverage [TESTS=tests/unit]
	@mkdir -p $(REPORTS)
	@COVERAGE_FILE=$(CURDIR)/$(REPORTS)/coverage.data $(RUN) -m pytest -n 4 --cov --cov-report=term:skip-covered \
		--cov-report=xml:$(REPORTS)/coverage.xml --cov-report=html:$(REPORTS)/coverage $(TESTS)

secrets: dev ## look for secrets in what git keeps
	@git ls-files -z | xargs -0 -P 2 -n 200 .venv/bin/detect-secrets-hook --baseline .secrets.baseline

sast: dev ## look for dangerous code: ruff's security rules, and the workflows
	@.venv/bin/ruff check --select S --ignore S101 .
	@.venv/bin/zizmor --offline --quiet .github

audit: dev ## known vulnerabilities of what ships
	@.venv/bin/pip-audit --strict --require-hashes --disable-pip -r requirements/base.txt
	@.venv/bin/pip-audit --strict --require-hashes --disable-pip -r requirements/embedded.txt

licences: dev ## the licences of what ships; pyproject.toml has those that are allowed
	@.venv/bin/pip-licenses --packages $(SHIPPED)

outdated: dev ## packages that have a newer version
	@$(RUN) -m pip list --outdated --disable-pip-version-check

sbom: dev ## the bill of materials of what ships (CycloneDX)
	@mkdir -p $(REPORTS)
	@.venv/bin/cyclonedx-py requirements requirements/base.txt --pyproject pyproject.toml --output-reproducible \
		--of JSON -o $(REPORTS)/sbom.json
	@echo $(REPORTS)/sbom.json

hooks: dev ## have git run the checks before each commit
	@.venv/bin/pre-commit install

VERSION ?= local
image: ## build the container image: make image [VERSION=1.2.3]
	@docker build --tag sokoul:$(VERSION) --label org.opencontainers.image.version=$(VERSION) .

# IMAGE is its name in the registry that docker is logged in to.
push:
	@docker tag sokoul:$(VERSION) "$(IMAGE):$(VERSION)" && docker push "$(IMAGE):$(VERSION)"

try: image dev ## start all containers, look whether they are well, and remove them again: make try [THEN="make staging URL=…"]
	@deploy/try $(THEN)
