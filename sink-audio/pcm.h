/*
 * Signed 16-bit little-endian mono samples in a packet, with or without the
 * "PCM1" header (INTERFACES.md section 8). Pure.
 */
#ifndef SINK_AUDIO_PCM_H
#define SINK_AUDIO_PCM_H

#include <stddef.h>
#include <stdint.h>

#define PCM_HEADER_LEN 20
#define PCM_RATE_MIN 8000 /* samples per second */
#define PCM_RATE_MAX 192000
#define PCM_SILENCE_DBFS (-120.0) /* the least rms_dbfs */

struct pcm {
	int has_header;
	uint32_t rate;	       /* from the header, else 0 */
	uint64_t timestamp_us; /* from the header, else 0 */
	const uint8_t *data;   /* the samples: points into the payload */
	size_t samples;
	uint32_t peak;	 /* largest magnitude, 0..32768 */
	size_t clipped;	 /* samples that are -32768 or 32767 */
	double rms_dbfs; /* dB, full scale is 32768 */
};

enum pcm_error {
	PCM_OK,
	PCM_EMPTY,
	PCM_ODD_LENGTH,
	PCM_SHORT_HEADER,
	PCM_BAD_RATE,
	PCM_BAD_CHANNELS,
	PCM_BAD_BITS
};

enum pcm_error pcm_inspect(const uint8_t *p, size_t n, struct pcm *a);

/* Writes the 20 header bytes. */
void pcm_header_put(uint8_t *p, uint32_t rate, uint64_t timestamp_us);

/* The reason of INTERFACES.md section 8. */
const char *pcm_error_name(enum pcm_error e);

#endif
