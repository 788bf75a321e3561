/*
 * Synthetic payloads, made so that a consumer can compute loss and latency
 * and check every byte. Pure.
 *
 *   RAW   u64 sequence number, u64 CLOCK_REALTIME ns at which it was made,
 *	   both big-endian (left out when SIZE is under 16), then the pattern:
 *	   the byte at offset i of the payload is (sequence + i) mod 251.
 *   JPEG  a grey baseline picture of 64 by 48 pixels; comment segments fill
 *	   it up to SIZE, the first begins with the 16 bytes of RAW.
 *   PCM   the PCM header (INTERFACES.md section 8) and SIZE samples at 48 kHz
 *	   of a 480 Hz triangle wave that runs on from packet to packet.
 *   CHAT  a chat message whose message_id is the sequence number and whose
 *	   message is "SEQUENCE NANOSECONDS " and letters up to SIZE.
 */
#ifndef WT_CLIENT_SYNTH_H
#define WT_CLIENT_SYNTH_H

#include <stddef.h>
#include <stdint.h>

enum synth_kind { SYNTH_RAW, SYNTH_JPEG, SYNTH_PCM, SYNTH_CHAT };

#define SYNTH_STAMP_LEN 16
#define SYNTH_PCM_RATE 48000
#define SYNTH_CHAT_MIN 192 /* a message is never longer than this for SIZE
			    * below it */

/* Bytes a payload of this kind and SIZE may take. */
size_t synth_size(enum synth_kind kind, size_t size);

/* Writes one into p, which has room for synth_size(); its length. */
size_t synth_put(enum synth_kind kind, uint8_t *p, size_t size, uint64_t seq,
    uint64_t time_ns);

/* The n pattern bytes from offset on. */
void synth_pattern(uint8_t *p, size_t n, uint64_t seq, uint64_t offset);

#endif
