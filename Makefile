# SPDX-License-Identifier: GPL-2.0-only
#
#	make		build our kernel, ./linux
#	make run	boot it and run the demo
#	make test	run all tests
#	make bench	compare it with stock UML
#
#	make stock, make debug	the rival; our kernel with all checkers
#	make stress		stress-ng on the debug kernel, MINUTES=10 for each number of CPUs
#	make eager		our kernel that maps a VAS when it is attached
#	make no-vma-lock	our kernel without per-VMA locks
#	make image		the root image, build/rootfs.ext4
#	make check		the linters
#	make port LINUX_TARBALL=...	do the hooks apply to another release?
#	make clean		remove all that was built or downloaded
#
# LINUX_TARBALL=/path/linux-7.3.y.tar.xz builds from that archive instead of
# Debian's newest linux-source-7.3. run, test and bench install the packages
# that they lack; the others only say which.
#
# The work is done by scripts/. Each step knows by itself what is up to date,
# so the targets here are only their order.

PYTHON ?= /usr/bin/python3
LINUX_TARBALL ?=
MINUTES ?= 10

GUEST_CC := gcc
GUEST_CFLAGS := -static -O2 -Wall -Wextra -Werror -pthread \
		-Itools/vas -Iinclude/uapi
GUEST_SOURCES := $(wildcard tests/guest/*.c bench/bench_*.c)
GUEST_HEADERS := $(wildcard tests/guest/*.h bench/*.h)
LIBVAS := build/vas/libvas.a
VAS_SOURCES := tools/vas/vasctl.c $(wildcard tools/vas/examples/*.c)
GUEST_PROGRAMS := $(patsubst %.c,build/guest/%, \
		  $(notdir $(GUEST_SOURCES) $(VAS_SOURCES)))
SELFTESTS := map_populate mlock-random-test mlock2-tests on-fault-limit
GUEST_PROGRAMS += $(addprefix build/guest/ksft_,$(SELFTESTS))
MODULES := $(wildcard build/*/lib/test_vmalloc.ko)

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: all packages source tree linux stock debug eager no-vma-lock image
.PHONY: run test stress bench check port clean

all: linux

packages:
	@scripts/install-packages --check build

source: packages
	@scripts/fetch-source $(LINUX_TARBALL)

tree: source
	@scripts/lay-tree

# A copy, renamed into place: a kernel that runs keeps its file.
linux: tree
	@scripts/build-kernel uml-vas
	@cmp -s build/uml-vas/linux linux || \
		{ cp build/uml-vas/linux build/linux && mv build/linux linux; }

debug: tree
	@scripts/build-kernel debug

eager no-vma-lock: tree
	@scripts/build-kernel $@

stock: source
	@scripts/build-kernel stock

image: source build/rootfs.ext4

build/rootfs.ext4: scripts/build-rootfs rootfs/demo build/guest/init \
		   $(GUEST_PROGRAMS) $(MODULES)
	@scripts/build-rootfs $(GUEST_PROGRAMS)

build/guest/%: tests/guest/%.c $(GUEST_HEADERS) $(LIBVAS)
	$(compile-guest)
build/guest/%: bench/%.c $(GUEST_HEADERS) $(LIBVAS)
	$(compile-guest)
build/guest/%: rootfs/%.c
	$(compile-guest)
build/guest/%: tools/vas/%.c $(LIBVAS)
	$(compile-guest)
build/guest/%: tools/vas/examples/%.c $(LIBVAS)
	$(compile-guest)

$(LIBVAS): tools/vas/libvas.c tools/vas/vas.h include/uapi/linux/vas.h
	@echo "  AR $@"
	@$(MAKE) -s -C tools/vas ../../$@

build/guest/ksft_%: scripts/build-selftest
	@echo "  CC $@"
	@scripts/build-selftest $*

define compile-guest
@mkdir -p $(@D)
@echo "  CC $@"
@$(GUEST_CC) $(GUEST_CFLAGS) -o $@ $(filter %.c %.a,$^)
endef

# The image takes the modules of the kernels that are built when make looks,
# so it is a make of its own, after theirs.
run:
	@scripts/install-packages build
	@$(MAKE) --no-print-directory linux
	@$(MAKE) --no-print-directory image
	./uml run -- demo

test:
	@scripts/install-packages build test
	@$(MAKE) --no-print-directory linux stock
	@$(MAKE) --no-print-directory image
	$(PYTHON) -m pytest tests

stress:
	@scripts/install-packages build test stress
	@$(MAKE) --no-print-directory debug
	@$(MAKE) --no-print-directory image
	$(PYTHON) -m pytest tests/stress.py --kernel build/debug/linux --minutes $(MINUTES)

bench:
	@scripts/install-packages build bench
	@$(MAKE) --no-print-directory linux stock no-vma-lock
	@$(MAKE) --no-print-directory image
	@status=0; for part in bench threads vas; do \
		$(PYTHON) bench/$$part.py || status=1; done; exit $$status

check: linux
	@scripts/install-packages --check check
	@scripts/check

port: packages
	@scripts/port "$(LINUX_TARBALL)"

clean:
	rm -rf build linux
