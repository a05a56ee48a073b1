# Each target is one program of ours; see tests/tasks. Builds are kept outside the clone, so that the next one is quick.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bangasa/target
# The tasks themselves are built in the clone: they decide whose the shared cache is.
TASK = @cargo run --quiet --locked --target-dir target --package tasks --

setup:
	$(TASK) setup
demo:
	$(TASK) demo
drills:
	$(TASK) drills
test:
	$(TASK) test
bench:
	$(TASK) bench
lint:
	$(TASK) lint
fuzz-smoke:
	$(TASK) fuzz-smoke

.PHONY: setup demo drills test bench lint fuzz-smoke
