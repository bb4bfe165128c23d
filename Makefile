# `make` lists what there is. `make tools` looks for what all of it needs, a Rust toolchain included.

.DEFAULT_GOAL := help
.PHONY: help demo test bench drill crash chain soak machine check lint fmt tools realtools

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: tools ## build gt, then see a small town work until its convoy has landed
	cargo build --release --locked
	examples/quickstart/demo.sh "$${CARGO_TARGET_DIR:-target}/release/gt"

# Most tests wait for other programs: twice as many at once as there are processors.
test: export RUST_TEST_THREADS ?= $(shell echo $$(($$(nproc) * 2)))
test: ## every test, real tmux and real git included
	cargo test --workspace --locked

bench: tools ## the figures, each beside its floor, as a Markdown table
	@cargo bench --locked --bench town

drill: ## kill everything that can be killed for MINUTES=10, then audit the town
	MINUTES=$(or $(MINUTES),10) SEED=$(SEED) cargo test --locked --test e2e drill -- --nocapture

crash: ## the quickstart in a simulated world, with every fault at every effect: 1,840 runs
	cargo test --locked --test sim every_fault -- --ignored --nocapture

chain: ## a molecule of 1,025 steps in a simulated world, run to its end with kills between
	cargo test --locked --test sim chain_of_1025 -- --ignored --nocapture

soak: realtools ## kill real agents at work KILLS=200 times, then audit the town; their model is a stub
	KILLS=$(or $(KILLS),200) SEED=$(SEED) cargo test --locked --test e2e soak -- --ignored --nocapture

machine: ## limits and kills for memory, with a real systemd: in a virtual machine, which is made first (Debian, root)
	cargo build --locked
	tests/machine/run "$${CARGO_TARGET_DIR:-target}/debug/gt" tests/machine/limits.sh

check: lint test ## what CI runs: format, lints, licences, then every test

lint: ## format, lints, licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny check --hide-inclusion-graph bans licenses sources

fmt: ## format the code
	cargo fmt --all

tools: ## install what is missing: git, tmux, a C compiler, a Rust toolchain
	@.ci/tools

realtools: ## install what tests try in sandboxes: git-lfs, husky, lefthook, pre-commit
	@.ci/real-tools
