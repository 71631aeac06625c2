GO ?= go

# Versions of the tools that lint runs.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
TYPESCRIPT  := typescript@7.0.2

# Tests with real brokers, browsers and networks depend on what the machine does besides. One
# that fails is run once more, alone, and the summary names it: see CONTRIBUTING.md. Others are
# not run again.
GOTESTSUM  := gotest.tools/gotestsum@v1.13.0
# Packages of test/ that take the whole machine; the others wait most of the time.
ALONE      := /test/(e2e|fault|soak)$$
REAL_PARTS := $(GO) run $(GOTESTSUM) --format pkgname-and-test-fails --rerun-fails=1 --rerun-fails-max-failures=5

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -X main.version=$(VERSION)
MODULES := . test test/bench
FUZZTIME ?= 30s
DIR      ?= screenshots

.PHONY: run build test test-race e2e screenshots bench lint fuzz simulate soak cluster release clean help

help: ## Tell what there is to make
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Start the daemon with its page on http://localhost:8080
	bin/parleyd --log-format console $(ARGS)

build: ## Build bin/parleyd and bin/soak
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

test: test-race ## Install what the tests need and run them all
	test/setup.sh
	$(REAL_PARTS) --packages ./hub/cluster/broker -- -race -timeout 10m
	cd test && $(REAL_PARTS) --packages "$$($(GO) list ./... | grep -vE '$(ALONE)')" -- -race -timeout 20m -count 1 -p 2
	cd test && $(REAL_PARTS) --packages "$$($(GO) list ./... | grep -E '$(ALONE)')" -- -race -timeout 20m -count 1 -p 1

test-race: ## Run the unit tests alone, with the race detector, and those of the cluster without it too
	$(GO) test -race -timeout 10m $$($(GO) list ./... | grep -v /hub/cluster/broker$$)
	$(GO) test -timeout 10m ./hub/cluster

e2e: ## Run the tests in a real browser alone
	test/setup.sh
	cd test && $(GO) test -timeout 15m -count 1 ./e2e

screenshots: ## Take pictures of the page in all its states, into the folder DIR
	test/setup.sh
	mkdir -p $(DIR)
	cd test && ARTIFACTS=$(abspath $(DIR)) $(GO) test -timeout 15m -count 1 ./e2e ./soak -run 'Pictures|NoCamera|Passcode|Moderator|WaitingInTheLobby|Admin|Accessible|ReportInBrowser'

bench: ## Measure parleyd beside three other servers, and in large rooms, in about a quarter of an hour
	cd test/bench && $(GO) run . $(ARGS)

lint: ## Check format, vet, staticcheck, known vulnerabilities and the pages' types
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	@for m in $(MODULES); do \
	  echo "lint $$m"; (cd $$m && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...) || exit 1; done
	@out=$$($(GO) run $(GOVULNCHECK) ./... 2>&1); code=$$?; \
	  case "$$out" in \
	  *"fetching vulnerabilities"*|*"no such host"*|*"connection refused"*|*"vuln.go.dev"*) \
	    echo "govulncheck: its database can't be had here: dependencies are not checked" ;; \
	  *) echo "$$out"; exit $$code ;; esac
	@if command -v npm >/dev/null; then npm exec --yes --package $(TYPESCRIPT) -- tsc -p web && \
	  npm exec --yes --package $(TYPESCRIPT) -- tsc --noEmit --allowJs --checkJs --strict --target es2022 --module esnext \
	    --moduleResolution bundler --lib es2023,dom,dom.iterable cmd/parleyd/internal/admin/page/*.js; \
	  else echo "npm is not there: the pages' types are not checked"; fi

fuzz: ## Fuzz all that reads bytes from outside, FUZZTIME (30s) each, and the hub's model
	$(GO) test ./hub/wire -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME)
	$(GO) test ./hub/wire -run '^$$' -fuzz FuzzQuoted -fuzztime $(FUZZTIME)
	$(GO) test ./hub/wire -run '^$$' -fuzz FuzzReport -fuzztime $(FUZZTIME)
	$(GO) test ./hub/wire -run '^$$' -fuzz FuzzEachMember -fuzztime $(FUZZTIME)
	$(GO) test ./hub/wire -run '^$$' -fuzz FuzzSeen -fuzztime $(FUZZTIME)
	$(GO) test ./hub/wire -run '^$$' -fuzz FuzzCompose -fuzztime $(FUZZTIME)
	$(GO) test ./wsconn -run '^$$' -fuzz FuzzReader -fuzztime $(FUZZTIME)
	$(GO) test ./wsconn -run '^$$' -fuzz FuzzConnection -fuzztime $(FUZZTIME)
	$(GO) test ./cmd/parleyd/internal/auth -run '^$$' -fuzz FuzzCheck -fuzztime $(FUZZTIME)
	$(GO) test ./cmd/parleyd -run '^$$' -fuzz FuzzHTTP -fuzztime $(FUZZTIME)
	$(GO) test ./cmd/parleyd/internal/config -run '^$$' -fuzz FuzzFile -fuzztime $(FUZZTIME)
	$(GO) test ./cmd/soak/internal/plan -run '^$$' -fuzz FuzzScenario -fuzztime $(FUZZTIME)
	$(GO) test ./hub/cluster -run '^$$$$' -fuzz FuzzEdgeRecord -fuzztime $(FUZZTIME)
	$(GO) test ./hub/cluster -run '^$$$$' -fuzz FuzzOwnerRecord -fuzztime $(FUZZTIME)
	$(GO) test ./hub/cluster -run '^$$$$' -fuzz FuzzHandover -fuzztime $(FUZZTIME)
	$(GO) test ./hub/cluster -run '^$$$$' -fuzz FuzzPacket -fuzztime $(FUZZTIME)
	$(GO) test ./hub/cluster -run '^$$$$' -fuzz FuzzRequest -fuzztime $(FUZZTIME)
	$(GO) test ./hub/cluster -run '^$$$$' -fuzz FuzzEntry -fuzztime $(FUZZTIME)
	$(GO) test ./cmd/soak/internal/dialect -run '^$$' -fuzz FuzzFields -fuzztime $(FUZZTIME)
	$(GO) test ./hub/internal/actor -run TestModel -rapid.checks 100000 -rapid.steps 100
	$(GO) test ./hub/internal/calls -run TestModel -rapid.checks 100000 -rapid.steps 100

simulate: ## Run the cluster's simulation with fresh seeds until one fails, or SEED alone
	$(GO) test ./hub/cluster -run '^TestSimulation$$' -timeout 0 $(if $(SEED),-simulate.seed $(SEED),-simulate.time 1000h)

soak: build ## Load-test the server at URL (ws://127.0.0.1:8080/ws)
	bin/soak $(if $(URL),--url $(URL)) $(ARGS)

cluster: build ## Start three daemons that are one server, and nginx before them on http://localhost:8080
	test/cluster.sh

release: ## Make a release for all platforms in release/
	cmd/parleyd/deploy/release.sh release

clean: ## Remove what was built
	rm -rf bin release
