# sluice: plain GNU make.
#
#   make                 every program, into build/bin
#   make check           tests and analysers (what scripts/check runs)
#   make install PREFIX=/usr/local
#   make ASAN=1          address and undefined-behaviour sanitizers, build-asan/
#   make fuzz            the fuzzers (clang), build-fuzz/
#   make V=1             show the commands

PREFIX ?= /usr/local
ifdef ASAN
BUILD ?= build-asan
else
BUILD ?= build
endif
PKG_CONFIG ?= pkg-config

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wcast-qual -Wsign-compare \
	-Wstrict-prototypes -Wmissing-prototypes
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(if $(WERROR),-Werror) \
	-fno-strict-aliasing -Ilib -MMD -MP $(SAN) $(DEP_CFLAGS)
ifdef ASAN
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
endif

# msgpack's pkg-config name differs between Debian 12 and 13.
MSGPACK := $(shell $(PKG_CONFIG) --exists msgpack-c && echo msgpack-c || echo msgpack)
DEPS := libngtcp2 libngtcp2_crypto_gnutls libnghttp3 gnutls libzmq yaml-0.1 \
	$(MSGPACK) jansson libisal
DEP_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(DEPS))
QUIC_LIBS := $(shell $(PKG_CONFIG) --libs libngtcp2_crypto_gnutls libngtcp2 libnghttp3 gnutls)
ZMQ_LIBS := $(shell $(PKG_CONFIG) --libs libzmq)
MSGPACK_LIBS := $(shell $(PKG_CONFIG) --libs $(MSGPACK))
YAML_LIBS := $(shell $(PKG_CONFIG) --libs yaml-0.1)
JSON_LIBS := $(shell $(PKG_CONFIG) --libs jansson)
CRC_LIBS := $(shell $(PKG_CONFIG) --libs libisal)

# lib, by layer. A program links only what it uses.
LIB_SRCS := lib/log.c lib/opt.c lib/buf.c lib/rec.c lib/track.c lib/sock.c \
	lib/stage.c lib/metrics.c

PROGRAMS :=

# One block a program: its sources, its libraries, its folder.
# (name)_SRCS, (name)_LIBS; the program is build/bin/(name).

.PHONY: all check install clean fuzz
all:

Q := $(if $(V),,@)

include build.mk
