# sluice: plain GNU make.
#
#   make                 every program, into build/bin
#   make check           tests and analysers
#   make unit            the unit tests alone
#   make fuzz            the fuzzers (clang), into build-fuzz/bin
#   make install PREFIX=/usr/local
#   make ASAN=1          the same with address and undefined-behaviour
#                        sanitizers, into build-asan/bin
#   make V=1             show the commands; WERROR=1: warnings are errors

PREFIX ?= /usr/local
PKG_CONFIG ?= pkg-config
FUZZ_CC ?= clang
CFLAGS ?= -O2 -g
ifdef FUZZ
BUILD ?= build-fuzz
CC := $(FUZZ_CC)
SAN := -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -DSLUICE_FUZZ
else ifdef ASAN
BUILD ?= build-asan
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
else
BUILD ?= build
endif

# msgpack's pkg-config name differs between Debian 12 and 13.
MSGPACK := $(shell $(PKG_CONFIG) --exists msgpack-c && echo msgpack-c || echo msgpack)
QUIC := $(shell $(PKG_CONFIG) --libs libngtcp2_crypto_gnutls libngtcp2 libnghttp3 gnutls)
ZMQ := $(shell $(PKG_CONFIG) --libs libzmq $(MSGPACK))
YAML := $(shell $(PKG_CONFIG) --libs yaml-0.1)
JSON := $(shell $(PKG_CONFIG) --libs jansson)
GNUTLS := $(shell $(PKG_CONFIG) --libs gnutls)
CRC := $(shell $(PKG_CONFIG) --libs libisal)

WARN := -Wall -Wextra -Wshadow -Wcast-qual -Wsign-compare \
	-Wstrict-prototypes -Wmissing-prototypes
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(if $(WERROR),-Werror) \
	-fno-strict-aliasing -D_GNU_SOURCE -Ilib $(SAN) -MMD -MP
Q := $(if $(V),,@)

# The library, one idea a file, lower layers first.
LIB_SRCS := lib/log.c lib/opt.c lib/buf.c lib/track.c lib/rec.c lib/sock.c \
	lib/metrics.c lib/stage.c lib/table.c
LIB_SRCS += lib/mp.c lib/dmsg.c lib/conf.c lib/conf_get.c
LIB_SRCS += lib/tname.c lib/props.c lib/entry.c lib/bmsg.c
LIB_SRCS += lib/zframes.c lib/bus.c lib/bus_send.c lib/bus_read.c lib/hist.c
LIB_SRCS += lib/zbind.c lib/recording.c lib/sink_route.c lib/sink_msg.c lib/sink.c
LIB_SRCS += lib/varint.c lib/h3frame.c lib/h3settings.c lib/capsule.c \
	lib/h3field.c lib/sflist.c
LIB_SRCS += lib/chunks.c lib/cidmap.c lib/timerq.c lib/udp.c lib/tls.c \
	lib/quicstop.c \
	lib/quic_io.c lib/quic_server.c lib/quic_client.c lib/quic_conn.c \
	lib/quic_close.c \
	lib/wt_h3.c lib/wt_session.c lib/wt_datagram.c lib/wt_stream.c lib/wt.c

# Programs: sources and libraries of each.
PROGRAMS :=
PROGRAMS += wt-accept
wt-accept_SRCS := wt-accept/main.c wt-accept/events.c wt-accept/output.c \
	wt-accept/control.c wt-accept/sessions.c wt-accept/request.c \
	wt-accept/report.c
wt-accept_LIBS := $(QUIC) $(ZMQ)
PROGRAMS += tap
tap_SRCS := tap/main.c tap/scan.c tap/line.c tap/viewers.c
tap_LIBS := $(JSON)
PROGRAMS += demux
demux_SRCS := demux/main.c demux/report.c demux/demux.c demux/hold.c

PROGRAMS += sink-video sink-audio sink-chat sink-file
sink-video_SRCS := sink-video/main.c sink-video/jpeg.c sink-video/vp8.c \
	sink-video/chunk.c sink-video/ivf.c
sink-video_LIBS = $(ZMQ) $(CRC)
sink-audio_SRCS := sink-audio/main.c sink-audio/pcm.c sink-audio/wav.c
sink-audio_LIBS = $(ZMQ) $(CRC) -lm
sink-chat_SRCS := sink-chat/main.c sink-chat/chat.c sink-chat/jsonl.c
sink-chat_LIBS = $(ZMQ) $(CRC) $(JSON)
sink-file_SRCS := sink-file/main.c sink-file/file.c
sink-file_LIBS = $(ZMQ) $(CRC)

PROGRAMS += wt-client
wt-client_SRCS := wt-client/main.c wt-client/target.c wt-client/source.c \
	wt-client/cut.c wt-client/synth.c wt-client/load.c wt-client/client.c \
	wt-client/send.c wt-client/recv.c wt-client/report.c
wt-client_LIBS := $(QUIC) $(JSON)

PROGRAMS += topic-bus
topic-bus_SRCS := topic-bus/main.c topic-bus/server.c topic-bus/commands.c \
	topic-bus/clients.c topic-bus/readers.c topic-bus/feed.c \
	topic-bus/topic.c topic-bus/topicwrite.c topic-bus/topiclog.c \
	topic-bus/topicread.c topic-bus/segment.c topic-bus/segment_scan.c \
	topic-bus/files.c topic-bus/sync.c topic-bus/slice.c topic-bus/stats.c
topic-bus_LIBS := $(ZMQ) $(CRC)
PROGRAMS += bus-produce
bus-produce_SRCS := topic-bus/bus-produce.c
bus-produce_LIBS := $(ZMQ) $(CRC)
PROGRAMS += bus-consume
bus-consume_SRCS := topic-bus/bus-consume.c topic-bus/consume_print.c \
	topic-bus/consume_stats.c topic-bus/consume_feed.c topic-bus/position.c
bus-consume_LIBS := $(ZMQ) $(CRC) $(JSON) $(GNUTLS)

PROGRAMS += route
route_SRCS := route/main.c route/loop.c route/report.c route/dispatch.c \
	route/endpoint.c route/control.c route/queue.c route/batch.c \
	route/streams.c route/router.c route/config.c
route_LIBS = $(ZMQ) $(YAML)

# Programs that only tests and benches use: into build/tests/bin.
TEST_PROGRAMS :=
TEST_PROGRAMS += feedsub busgarbage busretry
feedsub_SRCS := tests/feedsub.c
feedsub_LIBS := $(ZMQ)
busgarbage_SRCS := tests/busgarbage.c
busgarbage_LIBS := $(ZMQ) $(CRC)
busretry_SRCS := tests/busretry.c
busretry_LIBS := $(ZMQ) $(CRC)
TEST_PROGRAMS += mkrecords catrecords echo
echo_SRCS := tests/echo/main.c
TEST_PROGRAMS += sinkdrive
sinkdrive_SRCS := tests/sinkdrive.c tests/sinkdrive_bus.c \
	tests/sinkdrive_payload.c
sinkdrive_LIBS = $(ZMQ) $(CRC)
mkrecords_SRCS := tests/mkrecords.c
TEST_PROGRAMS += testsink
testsink_SRCS := tests/testsink.c
testsink_LIBS = $(ZMQ)
catrecords_SRCS := tests/catrecords.c
TEST_PROGRAMS += hostile
hostile_SRCS := tests/hostile/hostile.c tests/rawquic.c
hostile_LIBS := $(QUIC)
TEST_PROGRAMS += recctl
recctl_SRCS := tests/recctl.c

# Unit tests: tests/unit/NAME.c, with the objects and libraries it needs
# besides the library.
UNIT_TESTS :=
UNIT_TESTS += test_rec test_track test_buf test_opt test_log test_metrics \
	test_sock test_table
UNIT_TESTS += test_tap
test_tap_SRCS := tap/scan.c tap/line.c
test_tap_LIBS := $(JSON)
UNIT_TESTS += test_demux
test_demux_SRCS := demux/demux.c demux/hold.c
test_opt_SRCS := tests/unit/forked.c
test_log_SRCS := tests/unit/forked.c
test_metrics_SRCS := tests/unit/forked.c
test_sock_SRCS := tests/unit/forked.c
UNIT_TESTS += test_dmsg test_conf
UNIT_TESTS += test_entry test_bmsg test_hist
test_entry_LIBS = $(CRC)
UNIT_TESTS += test_segment
test_segment_SRCS := topic-bus/segment.c topic-bus/segment_scan.c topic-bus/files.c
test_segment_LIBS = $(CRC)
UNIT_TESTS += test_topiclog
test_topiclog_SRCS := $(test_segment_SRCS) topic-bus/topiclog.c \
	topic-bus/topicread.c topic-bus/position.c
test_topiclog_LIBS = $(CRC)
test_conf_LIBS := $(YAML)
UNIT_TESTS += test_route_config test_route_queue test_route_router \
	test_route_dispatch
test_route_config_SRCS := route/config.c
test_route_config_LIBS := $(YAML)
test_route_queue_SRCS := route/queue.c route/batch.c
test_route_router_SRCS := route/router.c route/config.c route/streams.c
test_route_router_LIBS := $(YAML)
test_route_dispatch_SRCS := route/dispatch.c route/endpoint.c \
	route/control.c route/queue.c route/batch.c route/streams.c \
	route/router.c route/config.c
test_route_dispatch_LIBS = $(ZMQ) $(YAML)
UNIT_TESTS += test_h3frame test_capsule test_h3field
UNIT_TESTS += test_accept_output test_accept_request test_accept_control
test_accept_output_SRCS := wt-accept/output.c
test_accept_request_SRCS := wt-accept/request.c
test_accept_request_LIBS := $(ZMQ)
test_accept_control_SRCS := wt-accept/control.c wt-accept/sessions.c
test_h3field_LIBS := $(QUIC)
UNIT_TESTS += test_sink_video test_sink_audio test_sink_chat test_sink_file
UNIT_TESTS += test_sink_route test_recording
test_sink_route_LIBS = $(ZMQ)
test_recording_SRCS := sink-audio/wav.c sink-chat/jsonl.c sink-video/ivf.c
test_sink_video_SRCS := sink-video/jpeg.c sink-video/vp8.c sink-video/chunk.c
test_sink_audio_SRCS := sink-audio/pcm.c
test_sink_audio_LIBS := -lm
test_sink_chat_SRCS := sink-chat/chat.c
test_sink_chat_LIBS := $(JSON)
test_sink_file_SRCS := sink-file/file.c

UNIT_TESTS += test_chunks test_cidmap test_timerq test_udp test_quicstop
UNIT_TESTS += test_wt_loop test_wt_flow test_wt_quic test_wt_bad
test_wt_loop_SRCS := tests/unit/wt_pair.c
test_wt_loop_LIBS := $(QUIC)
test_wt_flow_SRCS := tests/unit/wt_pair.c
test_wt_flow_LIBS := $(QUIC) -Wl,--wrap=sendmsg
test_udp_LIBS := -Wl,--wrap=sendmsg
test_wt_quic_SRCS := tests/unit/wt_pair.c
test_wt_quic_LIBS := $(QUIC)
test_wt_bad_SRCS := tests/unit/wt_pair.c tests/rawquic.c
test_wt_bad_LIBS := $(QUIC)

UNIT_TESTS += test_client_cut test_client_synth test_client_source
test_client_cut_SRCS := wt-client/cut.c sink-video/chunk.c sink-video/vp8.c \
	sink-audio/pcm.c
test_client_cut_LIBS := -lm
test_client_synth_SRCS := wt-client/synth.c wt-client/cut.c \
	sink-video/jpeg.c sink-audio/pcm.c sink-chat/chat.c
test_client_synth_LIBS := $(JSON) -lm
test_client_source_SRCS := wt-client/source.c wt-client/cut.c \
	wt-client/synth.c wt-client/target.c

# Fuzzers, one per decoder: tests/fuzz/NAME.c, likewise.
FUZZERS :=
FUZZERS += fuzz_quicstop
FUZZERS += fuzz_rec fuzz_track fuzz_demux fuzz_tap
fuzz_tap_SRCS := tap/scan.c tap/line.c
fuzz_tap_LIBS := $(JSON)
fuzz_demux_SRCS := demux/demux.c demux/hold.c
FUZZERS += fuzz_dmsg fuzz_conf
FUZZERS += fuzz_entry fuzz_bmsg fuzz_segment
fuzz_entry_LIBS = $(CRC)
fuzz_segment_SRCS := $(test_segment_SRCS)
fuzz_segment_LIBS = $(CRC)
fuzz_conf_LIBS := $(YAML)
FUZZERS += fuzz_route_config
fuzz_route_config_SRCS := route/config.c route/router.c
fuzz_route_config_LIBS := $(YAML)
FUZZERS += fuzz_h3 fuzz_capsule fuzz_field
fuzz_field_LIBS := $(QUIC)
FUZZERS += fuzz_cut
fuzz_cut_SRCS := wt-client/cut.c
FUZZERS += fuzz_jpeg fuzz_chunk fuzz_pcm fuzz_chat fuzz_file fuzz_sink_route
fuzz_sink_route_LIBS = $(ZMQ)
fuzz_jpeg_SRCS := sink-video/jpeg.c
fuzz_chunk_SRCS := sink-video/vp8.c sink-video/chunk.c
fuzz_pcm_SRCS := sink-audio/pcm.c
fuzz_pcm_LIBS := -lm
fuzz_chat_SRCS := sink-chat/chat.c
fuzz_chat_LIBS := $(JSON)
fuzz_file_SRCS := sink-file/file.c

# ---------------------------------------------------------------------------
B := $(BUILD)
BIN := $(B)/bin
LIB_OBJS := $(LIB_SRCS:%.c=$(B)/%.o)
PROGRAM_BINS := $(PROGRAMS:%=$(BIN)/%)
TEST_PROGRAM_BINS := $(TEST_PROGRAMS:%=$(B)/tests/bin/%)
UNIT_BINS := $(UNIT_TESTS:%=$(B)/tests/unit/%)
FUZZ_BINS := $(FUZZERS:%=$(B)/tests/fuzz/%)

.PHONY: all test-programs check unit unit-bins fuzz fuzz-bins install clean
.SECONDARY:
all: $(PROGRAM_BINS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/libsluice.a: $(LIB_OBJS)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# $(1): binary, $(2): objects, $(3): libraries
define link
$(1): $(2) $(B)/libsluice.a
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	$$(Q)$$(CC) $$(SAN) $$(LDFLAGS) -o $$@ $(2) $(B)/libsluice.a $(3)
endef
$(foreach p,$(PROGRAMS),$(eval $(call link,$(BIN)/$(p),\
	$($(p)_SRCS:%.c=$(B)/%.o),$($(p)_LIBS))))
$(foreach p,$(TEST_PROGRAMS),$(eval $(call link,$(B)/tests/bin/$(p),\
	$($(p)_SRCS:%.c=$(B)/%.o),$($(p)_LIBS))))
$(foreach t,$(UNIT_TESTS),$(eval $(call link,$(B)/tests/unit/$(t),\
	$(B)/tests/unit/$(t).o $($(t)_SRCS:%.c=$(B)/%.o),$($(t)_LIBS) -lcmocka)))
$(foreach t,$(FUZZERS),$(eval $(call link,$(B)/tests/fuzz/$(t),\
	$(B)/tests/fuzz/$(t).o $($(t)_SRCS:%.c=$(B)/%.o),\
	-fsanitize=fuzzer $($(t)_LIBS))))

test-programs: $(TEST_PROGRAM_BINS)
unit-bins: $(UNIT_BINS)
fuzz-bins: $(FUZZ_BINS)
unit: unit-bins
	$(Q)for t in $(UNIT_BINS); do $$t || exit 1; done
fuzz:
	$(Q)$(MAKE) FUZZ=1 fuzz-bins
check:
	scripts/check

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(PROGRAM_BINS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(wildcard */*.1) $(DESTDIR)$(PREFIX)/share/man/man1

clean:
	rm -rf build build-asan build-fuzz

-include $(shell find $(B) -name '*.d' 2>/dev/null)
