/* Recordings of chat: one message a line. */
#ifndef SINK_CHAT_JSONL_H
#define SINK_CHAT_JSONL_H

#include "recording.h"

/* Needs no argument. */
extern const struct recording_format jsonl_format;

/* Appends a message as it came, but that line breaks, which JSON has between
 * its tokens only, become spaces. */
void jsonl_append(struct recording *r, const uint8_t *p, size_t n, uint64_t now);

#endif
