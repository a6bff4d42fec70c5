# What CI runs is "make check" and nothing else.

GO      := scripts/go
TOOL    := $(GO) tool -modfile=internal/tools/go.mod
TIMEOUT ?= 10m

# What chaos does by default.
chaos: DURATION ?= 30s
NODES           ?= 4

# What churn does by default.
churn: DURATION ?= 10m

# What bench-rivals does by default.
COUNT     ?= 5
BENCHTIME ?= 1s
BENCH     ?= .
RESULTS   ?= bench/rivals/rivals.out

.PHONY: help demo test check lint fmt bench bench-rivals chaos outage load churn setup

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## show several nodes at work; ARGS="-h" lists the options
	@scripts/setup demo
	@$(GO) run ./cmd/demo $(ARGS)

test: ## run all tests with the race detector, on real servers, and each benchmark once
	@scripts/setup test
	$(GO) test -race -shuffle=on -p 1 -timeout=$(TIMEOUT) ./... # each package starts servers, and nodes that two at once would starve
	$(GO) test -run '^$$' -bench . -benchtime 1x ./bench/...
	$(GO) -C bench/rivals test -race -shuffle=on -timeout=$(TIMEOUT) ./...
	$(GO) -C bench/rivals test -run '^$$' -bench 'Rivals/(local-hot|redis-hit|miss|stampede)' -benchtime 1x .

check: lint test ## run what CI runs: lint and test

lint: ## check the code without running it
	@scripts/setup lint
	$(TOOL) golangci-lint run
	$(GO) vet ./...
	cd bench/rivals && ../../$(GO) tool -modfile=../../internal/tools/go.mod golangci-lint run
	$(GO) -C bench/rivals vet ./...
	scripts/gates

fmt: ## format the code
	@scripts/setup lint
	$(TOOL) golangci-lint fmt
	cd bench/rivals && ../../$(GO) tool -modfile=../../internal/tools/go.mod golangci-lint fmt

bench: ## run the benchmarks
	@scripts/setup test
	$(GO) test -run '^$$' -bench . -benchmem ./bench/...

bench-rivals: ## compare with other caches; COUNT=5 BENCHTIME=1s BENCH=Rivals/miss RESULTS=file
	@scripts/setup test
	@scripts/rivals $(COUNT) $(BENCHTIME) '$(BENCH)' '$(RESULTS)'

chaos: ## break everything and check every read; DURATION=30s SEED=… NODES=4 PLAN=… BREAK=guard
	@scripts/setup test
	@$(GO) run $(if $(BREAK),-tags tiered_broken) ./internal/chaos/run -duration $(DURATION) -nodes $(NODES) \
		$(if $(SEED),-seed $(SEED)) $(if $(PLAN),-plan $(PLAN)) $(if $(BREAK),-break $(BREAK))

outage: ## take Redis away under full load and check what readers notice; ARGS="-h" lists the options
	@scripts/setup test
	@$(GO) run ./internal/outage/run $(ARGS)

load: ## hold 10,000 conversations, without the cache and with it, and print what one costs; ARGS="-h" lists the options
	@scripts/setup test
	@$(GO) run ./internal/load/run $(ARGS)

churn: ## make and end entries for a long time, and check that nothing grows; DURATION=10m ARGS="-h"
	@scripts/setup test
	@$(GO) run ./internal/churn/run -duration $(DURATION) $(ARGS)

setup: ## install what the tests need, where that is possible
	@scripts/setup test
