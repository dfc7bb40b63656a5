# Sluice. `make` builds, `make demo` shows, `make test` proves; `make help` lists the rest.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
CC      ?= cc
WERROR  ?= -Werror

VERSION  = 0.1.0
STD      = -std=c17 -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' -DHASH_NONFATAL_OOM=1
WARN     = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes \
           -Wvla $(WERROR)
HARDEN   = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection \
           -fPIE
CFLAGS  ?= -O2 -g
SANITIZE =
Q        = $(if $(V),,@echo '  $(if $(findstring .o,$@),compile,link)  $@' &&)
COMPILE  = $(CC) $(STD) $(WARN) $(if $(SANITIZE),$(SANITIZE),$(HARDEN)) $(CFLAGS) -pthread -MMD -MP
LINK     = $(CC) -pthread $(if $(SANITIZE),$(SANITIZE),-pie -Wl,-z,relro,-z,now) $(LDFLAGS)

# -- programs ------------------------------------------------------------------------------------------

SHARED = buf channel clock config digest event events filter key logger migrate origin paseto random \
         revocations setting store token upkeep utf8
FCGI   = accept admit answer batch cgi control cookie cursor desk door fanout follower frame handover headers hub \
         keeper limits listen mail metrics page pager peer policy poll query receive record reload request resume ring \
         sandbox series serve session stream subscriber tailer tend topic verdict visit walk watch wheel
TOOL   = batch check doctor doctor_crowd doctor_events doctor_headers doctor_http doctor_local \
         doctor_probe doctor_report doctor_server doctor_session doctor_stream draft file init inspect keygen lines mint options progress prune publish revoke \
         sign tail verb

SHARED_OBJ = $(SHARED:%=$(BUILD)/shared/%.o) $(BUILD)/migrations.o
FCGI_OBJ   = $(FCGI:%=$(BUILD)/fcgi/%.o)
TOOL_OBJ   = $(TOOL:%=$(BUILD)/scripts/sluicectl/%.o)
SHARED_LIB = -lsqlite3 -lsodium -ljansson -linih -lm
FCGI_LIB   = -lfcgi -lseccomp $(SHARED_LIB)
TOOL_LIB   = -lcurl $(SHARED_LIB)

.DELETE_ON_ERROR:
.PHONY: all packages packages-test packages-bench bench bench-quick bench-instructions demo test unit regress servers faults soak mutants test-servers test-browser fuzz fuzzers abuse asan tsan lint format install uninstall clean help

all: $(BUILD)/sluice.fcgi $(BUILD)/sluicectl $(BUILD)/libsluice.a

# The compiler's first need: a machine that has never built this gets its packages here. Both are quick
# where nothing is missing, and keep no stamp: a package may be removed.
packages:
	@scripts/install-deps
packages-test:
	@scripts/install-deps --test

$(BUILD)/sluice.fcgi: $(BUILD)/fcgi/main.o $(FCGI_OBJ) $(BUILD)/libsluice.a
	$(Q) $(LINK) -o $@ $^ $(FCGI_LIB)

$(BUILD)/sluicectl: $(BUILD)/scripts/sluicectl/main.o $(TOOL_OBJ) $(BUILD)/libsluice.a
	$(Q) $(LINK) -o $@ $^ $(TOOL_LIB)

$(BUILD)/libsluice.a: $(SHARED_OBJ)
	$(Q) mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/migrations.c: scripts/embed $(wildcard schema/*.sql) | packages
	@mkdir -p $(@D)
	scripts/embed schema/*.sql > $@

$(BUILD)/migrations.o: $(BUILD)/migrations.c
	$(Q) $(COMPILE) -iquote shared -c -o $@ $<

$(BUILD)/shared/%.o: shared/%.c | packages
	@mkdir -p $(@D)
	$(Q) $(COMPILE) -iquote shared -c -o $@ $<

$(BUILD)/fcgi/%.o: fcgi/%.c | packages
	@mkdir -p $(@D)
	$(Q) $(COMPILE) -iquote shared -iquote fcgi -c -o $@ $<

$(BUILD)/scripts/%.o: scripts/%.c | packages
	@mkdir -p $(@D)
	$(Q) $(COMPILE) -iquote shared -c -o $@ $<

demo: all
	scripts/install-deps --demo
	BUILD=$(BUILD) exec scripts/demo/run

# -- checks --------------------------------------------------------------------------------------------

UNIT    = $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*.c))
REGRESS = $(patsubst tests/regress/%.c,$(BUILD)/tests/regress/%,$(wildcard tests/regress/*.c))
LIB_OBJ = $(patsubst tests/lib/%.c,$(BUILD)/tests/lib/%.o,$(wildcard tests/lib/*.c))
TEST_C  = $(COMPILE) -iquote tests/lib -iquote fcgi -iquote shared -iquote scripts/sluicectl

# Archives, so that each test links just the modules it names.
$(BUILD)/tests/parts.a: $(FCGI_OBJ)
	$(Q) mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/tests/tool.a: $(TOOL_OBJ)
	$(Q) mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/tests/lib.a: $(LIB_OBJ)
	$(Q) mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/%.o: tests/%.c | packages-test
	@mkdir -p $(@D)
	$(Q) $(TEST_C) -c -o $@ $<

$(UNIT) $(REGRESS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/tests/lib.a $(BUILD)/tests/tool.a \
    $(BUILD)/tests/parts.a $(BUILD)/libsluice.a
	$(Q) $(LINK) -o $@ $^ $(FCGI_LIB) -lcmocka

ABUSE    = $(patsubst tests/abuse/%.c,$(BUILD)/tests/abuse/%,$(wildcard tests/abuse/*.c))
# Fuzz targets are driven by libFuzzer where LIBFUZZER is set, else by a main that replays a corpus.
FUZZ     = $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c)))
FUZZ_MAIN = $(if $(LIBFUZZER),,$(BUILD)/tests/fuzz/replay.o)
export FUZZ_S

$(ABUSE): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/tests/lib.a $(BUILD)/tests/tool.a \
    $(BUILD)/tests/parts.a $(BUILD)/libsluice.a
	$(Q) $(LINK) -o $@ $^ $(FCGI_LIB) -lcmocka

$(FUZZ): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(FUZZ_MAIN) $(BUILD)/tests/lib.a \
    $(BUILD)/tests/tool.a $(BUILD)/tests/parts.a $(BUILD)/libsluice.a
	$(Q) $(LINK) $(LIBFUZZER) -o $@ $^ $(FCGI_LIB)

fuzzers: $(FUZZ)

# Each target for FUZZ_S seconds (60).
fuzz:
	scripts/install-deps --test --lint
	$(MAKE) BUILD=$(BUILD)/fuzz CC=clang LIBFUZZER=-fsanitize=fuzzer \
	    SANITIZE='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' fuzzers
	BUILD=$(BUILD)/fuzz tests/fuzz/run

abuse: all $(ABUSE)
	scripts/install-deps --test --browser
	BUILD=$(BUILD) ABUSE=long LIMIT=900 tests/run abuse

# The referee links all of its folder but the power cut's two files, and a library that it preloads.
FAULTS   = $(BUILD)/tests/soak $(BUILD)/tests/power $(BUILD)/tests/shim.so
SOAK_OBJ = $(patsubst tests/faults/%.c,$(BUILD)/tests/faults/%.o,$(filter-out \
    $(patsubst %,tests/faults/%.c,shim power tape),$(wildcard tests/faults/*.c)))

$(BUILD)/tests/soak: $(SOAK_OBJ) $(BUILD)/tests/lib.a $(BUILD)/libsluice.a
	$(Q) $(LINK) -o $@ $^ $(SHARED_LIB) -lcmocka

$(BUILD)/tests/power: $(BUILD)/tests/faults/power.o $(BUILD)/tests/faults/tape.o \
    $(BUILD)/tests/lib.a $(BUILD)/tests/parts.a $(BUILD)/libsluice.a
	$(Q) $(LINK) -o $@ $^ $(SHARED_LIB) -lcmocka

$(BUILD)/tests/shim.so: tests/faults/shim.c tests/faults/shim.h | packages-test
	$(Q) mkdir -p $(@D) && $(CC) $(STD) $(WARN) $(CFLAGS) -shared -fPIC -o $@ $< -lsqlite3

test: all $(UNIT) $(REGRESS) $(FAULTS) $(FUZZ) $(ABUSE)
	scripts/install-deps --test --browser
	BUILD=$(BUILD) SANITIZED='$(SANITIZE)' tests/run unit regress fuzz abuse servers faults browser

# Every configuration of scripts/deploy, with the servers' real idle limits: about ten minutes.
test-servers: all
	scripts/install-deps --servers --browser
	BUILD=$(BUILD) tests/servers/run all

test-browser: all
	scripts/install-deps --browser
	BUILD=$(BUILD) tests/browser/run

unit: $(UNIT)
	BUILD=$(BUILD) tests/run unit

regress: all $(REGRESS) $(BUILD)/tests/shim.so
	BUILD=$(BUILD) tests/run regress

servers: all packages-test
	BUILD=$(BUILD) tests/run servers

faults: all $(FAULTS)
	BUILD=$(BUILD) tests/run faults

soak: all $(FAULTS)
	BUILD=$(BUILD) SOAK_S=$${SOAK_S:-600} $(BUILD)/tests/soak

mutants: all
	BUILD=$(BUILD) tests/faults/mutate

asan:
	$(MAKE) BUILD=$(BUILD)/asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' test

tsan:
	$(MAKE) BUILD=$(BUILD)/tsan SANITIZE='-fsanitize=thread -fno-omit-frame-pointer' test

lint: all
	scripts/install-deps --lint --test
	BUILD=$(BUILD) scripts/lint

format:
	clang-format -i fcgi/*.[ch] shared/*.[ch] scripts/sluicectl/*.[ch] tests/*/*.[ch]

# -- benchmarks ----------------------------------------------------------------------------------------

BENCH    = $(BUILD)/scripts/bench
LOAD_OBJ = $(patsubst %,$(BENCH)/%.o,histogram load publisher streams usage wire writer)

$(BENCH)/load: $(LOAD_OBJ)
	$(Q) $(LINK) -o $@ $^ -lsqlite3
$(BENCH)/floor: $(BENCH)/floor.o
	$(Q) $(LINK) -o $@ $^
$(BENCH)/hello: $(BENCH)/hello.o
	$(Q) $(LINK) -o $@ $^ -lfcgi

$(BUILD)/tests/instructions/paths: $(BUILD)/tests/instructions/paths.o $(BUILD)/tests/lib.a \
    $(BUILD)/tests/tool.a $(BUILD)/tests/parts.a $(BUILD)/libsluice.a
	$(Q) $(LINK) -o $@ $^ $(FCGI_LIB)

packages-bench:
	@scripts/install-deps --bench

$(BENCH)/count.so: scripts/bench/count.c | packages-bench
	$(Q) mkdir -p $(@D) && $(CC) $(STD) $(WARN) $(CFLAGS) -shared -fPIC -o $@ $< -lsqlite3

bench bench-quick: packages-bench all $(BENCH)/load $(BENCH)/floor $(BENCH)/hello $(BENCH)/count.so
	BUILD=$(BUILD) scripts/bench/run $(if $(filter bench-quick,$@),--quick)

bench-instructions: packages-bench all $(BUILD)/tests/instructions/paths
	BUILD=$(BUILD) tests/instructions/run

# -- install -------------------------------------------------------------------------------------------

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/sluice $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(BUILD)/sluicectl $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(BUILD)/sluice.fcgi $(DESTDIR)$(PREFIX)/lib/sluice/
	install -m 644 scripts/sluicectl/sluicectl.1 $(DESTDIR)$(PREFIX)/share/man/man1/

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/sluicectl $(DESTDIR)$(PREFIX)/lib/sluice/sluice.fcgi \
	    $(DESTDIR)$(PREFIX)/share/man/man1/sluicectl.1

clean:
	rm -rf $(BUILD)

help:
	@echo 'make            build sluice.fcgi, sluicectl and libsluice.a in $(BUILD)/'
	@echo 'make demo       show it: live events in a browser (PORT=8080)'
	@echo 'make test       unit, regress and server tests'
	@echo 'make unit | regress | servers | faults   one of them'
	@echo 'make test-servers               every configuration behind its real web server, doctor included'
	@echo 'make test-browser               all scenarios in real Chromium (a short form is in make test)'
	@echo 'make fuzz       each parser for FUZZ_S seconds (60) under libFuzzer; make abuse: long attacks'
	@echo 'make soak       the fault suite for SOAK_S seconds (600); make mutants: does it find planted bugs?'
	@echo 'make bench | bench-quick        Sluice, its peers and the bare floor, side by side'
	@echo 'make bench-instructions         instruction counts of the hot paths, against a baseline'
	@echo 'make asan | tsan                the tests under sanitizers'
	@echo 'make lint       arrows, format, clang-tidy, cppcheck, shellcheck'
	@echo 'make format     clang-format over our code'
	@echo 'make install    into $(PREFIX) (DESTDIR= for packages)'
	@echo 'make clean      remove $(BUILD)/'

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
