/*
 * Recordings of video: .ivf for the chunks of an encoder, .mjpeg for
 * pictures, one behind the other. An IVF file is a header of 32 bytes and
 * frames of 12 bytes and a chunk, all integers little-endian; its unit of
 * time is a microsecond.
 */
#ifndef SINK_VIDEO_IVF_H
#define SINK_VIDEO_IVF_H

#include "chunk.h"
#include "recording.h"

#define IVF_HEADER_LEN 32
#define IVF_FRAME_LEN 12

/* The format for a codec: each has an extension of its own, so that a file
 * holds one codec only. The argument of recording_get is the struct chunk. */
const struct recording_format *ivf_format(enum chunk_codec codec);

/* Appends a chunk, with a presentation time that grows. */
void ivf_append(struct recording *r, const struct chunk *c, uint64_t now);

/* Needs no argument. */
extern const struct recording_format mjpeg_format;

#endif
