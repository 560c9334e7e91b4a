# SPDX-License-Identifier: GPL-2.0-or-later
# make, make demo, make check: see README.md. V=1 shows commands; SAN=address,undefined or
# SAN=thread and DEBUG=1 are builds of their own, beside the release in build/.

-include config.mk

comma := ,
FLAVOUR := $(if $(FUZZ),-fuzz)$(if $(SAN),-san-$(subst $(comma),-,$(SAN)))$(if $(DEBUG),-debug)
B ?= build$(FLAVOUR)
PREFIX ?= /usr/local
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $@)

CPPFLAGS := -I. -DFIRMWARE_DIR='"$(FIRMWARE_DIR)"' -DIPXE_DIR='"$(IPXE_DIR)"' -DVNC_LIBDIR='"$(VNC_LIBDIR)"' $(LIB_CFLAGS)
WARN := -Wall -Wextra -Werror
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fcf-protection
ifneq ($(FUZZ),)
  CC := clang
  SANITIZE := address,undefined
  OPT := -O2 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,$(SANITIZE) -fno-sanitize-recover=all
  LDFLAGS += -fsanitize=$(SANITIZE)
else ifneq ($(SAN),)
  OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
  LDFLAGS += -fsanitize=$(SAN)
else ifneq ($(DEBUG),)
  OPT := -Og -g
else
  OPT := -O2 -g $(HARDEN)
  LDFLAGS += -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
endif
override CFLAGS := -std=gnu11 $(OPT) $(WARN) $(CONFIG_CFLAGS)

sources = $(shell find $(1) -name '*.c' | LC_ALL=C sort)
LIB_SRC := $(filter-out dm/main.c dm/replay.c,$(call sources,dm ioreq devices pv-backends))
KIT_SRC := $(call sources,tests/kit)
TEST_SRC := $(shell find tests/unit -name 'test_*.c' | LC_ALL=C sort)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
TESTS := $(TEST_SRC:%.c=$(B)/%)
HEADERS := $(shell find dm ioreq devices pv-backends tests -name '*.h' | LC_ALL=C sort)

.PHONY: all demo check check-fast check-unit check-arrows check-headers check-xen check-whole \
        check-whole-tsan check-kill check-oracle check-qtest bed bench fuzz fuzz-build fuzz-check install \
        format clean packages tests
.SECONDARY:

all: $(B)/xen-dm $(B)/xen-dm-replay

config.mk: configure
	@if ! ./configure >$@.log 2>&1; then cat $@.log >&2; \
	 if [ "$$(id -u)" = 0 ] && tests/install-packages build; then ./configure; else exit 1; fi; \
	 fi; rm -f $@.log

$(B)/xen-dm: $(B)/dm/main.o $(B)/libdm.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(B)/xen-dm-replay: $(B)/dm/replay.o $(B)/libdm.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(B)/libdm.a: $(LIB_OBJ)
	$(call say,AR)
	$(Q)rm -f $@; ar rcs $@ $^

$(B)/%.o: %.c config.mk
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(TESTS): $(B)/%: $(B)/%.o $(KIT_SRC:%.c=$(B)/%.o) $(B)/libdm.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@

-include $(LIB_OBJ:.o=.d) $(TESTS:=.d) $(KIT_SRC:%.c=$(B)/%.d) $(B)/dm/main.d $(B)/dm/replay.d

tests: $(TESTS)

# Units under ASan and UBSan. The tests of one flavour run here; `check` chooses the flavours.
check-unit: $(TESTS)
	@tests/run-unit $(TESTS)

check-fast: packages
	@$(MAKE) --no-print-directory SAN=address,undefined check-unit check-arrows
	@$(MAKE) --no-print-directory check-whole check-oracle check-qtest

check: packages
	@tests/check

check-xen: all
	@tests/xenhost/run --dm $(B)/xen-dm

demo:
	@tests/install-packages build box
	@$(MAKE) --no-print-directory all
	@tests/xenhost/demo

packages:
	@tests/install-packages build test

# Include lines are arrows between floors; this prints those that point uphill.
check-arrows:
	@tests/arrows

# Every header compiles by itself.
check-headers: config.mk
	@for h in $(HEADERS); do \
	  $(CC) $(CPPFLAGS) $(CFLAGS) -fsyntax-only -x c -include $$h /dev/null || exit 1; done

# The pretend Xen: stand-ins for its libraries, and whole-process tests of the shipped binary on it.
# The stand-ins are never sanitized, for Debian's QEMU loads them too.
SO_CFLAGS = $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(CFLAGS)) -fPIC -shared
SIMXEN := $(patsubst %,$(B)/simxen/lib%,xenctrl.so.4.17 xendevicemodel.so.1 xenforeignmemory.so.1 \
            xenevtchn.so.1 xengnttab.so.1)
BED_OBJ := $(patsubst %,$(B)/tests/simxen/%.o,state store xenstored xengnttab) \
           $(patsubst %.c,$(B)/%.o,$(wildcard tests/guest/*.c)) \
           $(patsubst %,$(B)/tests/whole/%.o,run wire qmp viewer)
WHOLE := $(patsubst %.c,$(B)/%,$(wildcard tests/whole/test_*.c))

$(B)/simxen/libsimxen.so: tests/simxen/state.c tests/simxen/simxen.h
	$(call say,SO)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(SO_CFLAGS) -Wl,-soname,libsimxen.so $< -o $@

$(B)/simxen/xsd_preload.so: tests/simxen/xsd_preload.c
	$(call say,SO)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(SO_CFLAGS) $< -ldl -o $@

.SECONDEXPANSION:
$(SIMXEN): $(B)/simxen/lib%: tests/simxen/$$(firstword $$(subst ., ,$$*)).c \
           tests/simxen/$$(firstword $$(subst ., ,$$*)).map $(B)/simxen/libsimxen.so
	$(call say,SO)
	$(Q)$(CC) $(CPPFLAGS) $(SO_CFLAGS) -Wl,-soname,lib$* \
	  -Wl,--version-script,$(word 2,$^) $< -L$(@D) -lsimxen -Wl,-rpath,'$$ORIGIN' -o $@

$(WHOLE): $(B)/%: $(B)/%.o $(BED_OBJ) $(B)/tests/kit/check.o $(B)/tests/kit/main.o
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -lcmocka -lxenstore -lpthread -o $@

# The same scripts to xen-dm and to Debian's QEMU; where they differ tests/oracle/differences says why.
ORACLE := $(patsubst %.c,$(B)/%,$(wildcard tests/oracle/test_*.c))
ORACLE_OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out tests/oracle/test_%,$(wildcard tests/oracle/*.c)))

$(ORACLE): $(B)/%: $(B)/%.o $(ORACLE_OBJ) $(BED_OBJ) $(B)/tests/kit/check.o $(B)/tests/kit/main.o \
           $(B)/libdm.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -lcmocka -lxenstore -lpthread -o $@

-include $(BED_OBJ:.o=.d) $(WHOLE:=.d) $(ORACLE_OBJ:.o=.d) $(ORACLE:=.d)

bed: all $(SIMXEN) $(B)/simxen/xsd_preload.so

check-whole: bed $(WHOLE)
	@DM=$(B)/xen-dm tests/run-unit $(WHOLE)

# Its loops and queues under TSan; the tests themselves, whose guests race on purpose, are not.
check-whole-tsan: $(WHOLE)
	@$(MAKE) --no-print-directory SAN=thread bed
	@DM=build-san-thread/xen-dm tests/run-unit $(WHOLE)

# kill -9 under write load, more often than check-whole does.
KILL_ROUNDS ?= 400
check-kill: bed $(B)/tests/whole/test_blk_kill
	@DM=$(B)/xen-dm KILL_ROUNDS=$(KILL_ROUNDS) $(B)/tests/whole/test_blk_kill

check-oracle: bed $(ORACLE)
	@DM=$(B)/xen-dm tests/run-unit $(ORACLE)
# Figures against Debian's QEMU, from one run on the pretend Xen.
BENCH := $(patsubst %.c,$(B)/%.o,$(wildcard tests/bench/*.c))

$(B)/bench: $(BENCH) $(BED_OBJ) $(B)/tests/kit/check.o
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) $^ -lcmocka -lxenstore -lpthread -o $@

-include $(BENCH:.o=.d)

bench: packages bed $(B)/bench
	@tests/install-packages bench
	@DM=$(B)/xen-dm $(B)/bench -o $(B)/bench.tsv -m $(B)/bench-pv.tsv $(BENCH_ARGS) $(CASES)
	@tests/bench/report $(B)/bench.tsv $(B)/bench-pv.tsv tests/bench

# Device tests by the qtest protocol, as others write them.
check-qtest: all
	@DM=$(B)/xen-dm tests/qtest/run

# Fuzz targets, by clang: tests/fuzz/README.md. FUZZ_TARGETS="a b" FUZZ_SECONDS=N FUZZ_JOBS=N.
FUZZ_TARGETS ?= $(patsubst tests/fuzz/targets/%.c,%,$(sort $(wildcard tests/fuzz/targets/*.c)))
FUZZ_SECONDS ?= 60
FUZZ_KIT := $(patsubst %.c,$(B)/%.o,$(wildcard tests/fuzz/kit/*.c)) \
            $(patsubst %.c,$(B)/%.o,$(filter-out tests/kit/main.c,$(KIT_SRC)))
FUZZ_WRAPS := open fopen unlink socket # tests/fuzz/kit/files.c
FUZZ_BINS := $(FUZZ_TARGETS:%=$(B)/tests/fuzz/targets/%)

ifneq ($(FUZZ),)
# comparisons below the devices are with addresses, not with what an input must spell: not traced
$(B)/dm/memory/%.o $(B)/dm/base/%.o $(B)/ioreq/%.o: override CFLAGS += -fno-sanitize-coverage=trace-cmp
# the bench is no subject: its branches are not counted
$(B)/tests/kit/%.o $(B)/tests/fuzz/kit/%.o: override CFLAGS += -fno-sanitize=fuzzer-no-link
$(B)/tests/fuzz/targets/qmp: FUZZ_WRAPS += domain_shut_down
$(B)/tests/fuzz/targets/nbd: FUZZ_WRAPS += poll
$(B)/libfuzzkit.a: $(FUZZ_KIT)
	$(call say,AR)
	$(Q)rm -f $@; ar rcs $@ $^

$(FUZZ_BINS): %: %.o $(B)/libfuzzkit.a $(B)/libdm.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer $(FUZZ_WRAPS:%=-Wl,--wrap=%) $^ $(LIBS) -lcmocka -o $@

-include $(FUZZ_KIT:.o=.d) $(FUZZ_BINS:=.d)
endif

fuzz-build:
	@tests/install-packages build test fuzz
	@$(MAKE) --no-print-directory $(if $(findstring j,$(firstword -$(MAKEFLAGS))),,-j2) FUZZ=1 \
	  $(FUZZ_TARGETS:%=build-fuzz/tests/fuzz/targets/%)

fuzz: fuzz-build
	@tests/fuzz/run --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-check: fuzz-build
	@tests/fuzz/run --check $(FUZZ_TARGETS)

install: all
	install -D -m 755 $(B)/xen-dm $(DESTDIR)$(PREFIX)/libexec/xen-dm
	install -D -m 755 pv-backends/net/vif-xen-dm $(DESTDIR)/etc/xen/scripts/vif-xen-dm

format:
	clang-format -i $(LIB_SRC) dm/main.c dm/replay.c $(KIT_SRC) $(TEST_SRC) $(HEADERS)

clean:
	rm -rf build build-* config.mk
