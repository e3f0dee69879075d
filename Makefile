# Each target says after ## what it does; `make help` prints that.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: docs help setup up down clean ps logs status test check check-lint check-types check-unused check-unit bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (npm packages, the Kafka broker, a Java runtime)
	@sh infra/stack/setup.sh run

up: setup ## start everything and wait until it runs; TIDEMARK_DEMO=off for an empty stack
	@./tidemark up

down: ## stop everything; the data stays
	@./tidemark down

clean: ## stop everything and remove the data; downloads are kept
	@./tidemark clean

ps: ## what runs where
	@./tidemark ps

logs: ## the ends of all logs
	@./tidemark logs

status: ## lag, freshness and version of each table, last runs
	@./tidemark status

test: ## all tests, with a Kafka, a PostgreSQL and an S3 server of their own
	@sh infra/stack/setup.sh test
	@TIDEMARK_CUTS_RUNS=16 vitest run

check: ## lint, types, unused code and unit tests; under a minute
	@sh infra/stack/setup.sh dev
	@$(MAKE) --no-print-directory --output-sync=target -j4 check-lint check-types check-unused check-unit

check-lint:
	@biome ci .

check-types:
	@tsc --noEmit

check-unused:
	@knip

check-unit:
	@vitest run --project unit

docs: ## write the generated pages of docs/
	@node infra/cli/errorsPage.ts

bench: ## measure landing, refresh, the grid, training, scoring and alerts on this machine
	@sh infra/stack/setup.sh dev
	@node --disable-warning=TimeoutNegativeWarning test/bench/landing.ts
	@node --disable-warning=TimeoutNegativeWarning test/bench/goldRefresh.ts
	@node test/bench/grid.ts
	@node test/bench/training.ts
	@node test/bench/score.ts
	@node --disable-warning=TimeoutNegativeWarning test/bench/scoreProcess.ts --actors 60000
	@node --disable-warning=TimeoutNegativeWarning test/bench/alerts.ts
