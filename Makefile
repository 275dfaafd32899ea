# `make run` shows what Vultrino does, `make test` tests all of it; each sets up what it needs. `make help` lists the rest.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The tests look for their clients here, wherever the build goes.
CLIENTS := target/clients
RUST := 1.95
# Times that `make flaky` runs the tests.
N ?= 10
RUN_TESTS := $(CARGO) test --workspace --locked --no-fail-fast -- --quiet

.DEFAULT_GOAL := help
.PHONY: help run test flaky check bench bench-micro instructions siege dist book needs fmt clippy rustdoc tidy one-provider deny

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: needs ## build Vultrino and show it at work on made-up data; ARGS=--once ends after the table
	$(CARGO) run --locked -- demo $(ARGS)

test: needs $(CLIENTS)/ready ## install the clients that the tests use, and run every test
	$(CARGO) build --release --locked -p vultrino
	$(RUN_TESTS)

flaky: needs $(CLIENTS)/ready ## run every test N times (10) with all cores busy, and list those that failed
	$(CARGO) build --release --locked -p vultrino
	$(CARGO) test --workspace --locked --no-run
	tests/flaky.sh $(N) $(TARGET)/flaky $(RUN_TESTS)

check: needs fmt clippy rustdoc tidy one-provider deny ## format, lints, documentation, house rules, dependencies

bench: needs ## what requests cost, beside direct ones; BENCH="--rows path,intercept" and the like
	$(CARGO) build --release --locked -p vultrino -p vultrino-load
	$(TARGET)/release/vultrino-load $(BENCH)

bench-micro: needs ## what each piece of a request costs; BENCH="decide" and the like choose
	$(CARGO) bench --locked -p vultrino-micro --bench micro -- $(BENCH)

instructions: needs ## count the instructions of a request anew, for `make test` to compare with; needs valgrind
	$(CARGO) build --release --locked -p vultrino
	$(CARGO) test --workspace --locked --test it -- --quiet --ignored --exact --nocapture instructions::the_figures_are_written_down

siege: needs ## attack with all that the default limits admit, and print what others notice; needs 16,000 open files
	$(CARGO) build --release --locked -p vultrino
	$(CARGO) test --locked --test it -- --quiet --ignored --exact --nocapture \
		siege::others_are_served_at_the_default_limits \
		sharing::disorder::disorderly_origins_mix_nothing_up_in_ten_thousand_requests

dist: needs ## the binary as it is shipped, in target/dist/vultrino; takes minutes
	$(CARGO) build --profile dist --locked -p vultrino
	@ls -lh $(TARGET)/dist/vultrino

book: ## the documentation as web pages in docs/book; needs mdbook
	@command -v mdbook >/dev/null || { echo "mdbook is missing: cargo install mdbook" >&2; exit 1; }
	mdbook build docs

# Says what is missing before a compiler says it less clearly.
needs:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: https://rustup.rs installs it" >&2; exit 1; }
	@version=$$($(CARGO) --version | cut -d ' ' -f 2); \
	printf '%s\n' $(RUST) "$$version" | sort -VC || { echo "Rust $$version is too old: $(RUST) is needed (rustup update stable)" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: on Debian, apt-get install build-essential" >&2; exit 1; }

$(CLIENTS)/ready: tests/clients.sh $(wildcard tests/clients/*/* tests/clients/go/*/*)
	tests/clients.sh $(CLIENTS)

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

rustdoc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

tidy:
	$(CARGO) test --workspace --locked --test it -- --quiet tidy::

# Two TLS providers in one binary are a panic at run time; only aws-lc-rs may be in the tree.
one-provider:
	@for crate in ring openssl-sys native-tls; do \
		if $(CARGO) tree --workspace --locked --target all -i $$crate 2>/dev/null | grep .; then echo "$$crate is in the tree" >&2; exit 1; fi; \
	done; echo "no ring, OpenSSL or native-tls in the tree"

deny:
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --workspace check bans licenses sources; \
	else echo "skipped: cargo deny (cargo install cargo-deny)"; fi
