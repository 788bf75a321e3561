/*
 * Recordings of audio: RIFF WAVE, 16-bit PCM, mono. The header's two sizes
 * say what is in the file after every flush.
 */
#ifndef SINK_AUDIO_WAV_H
#define SINK_AUDIO_WAV_H

#include "recording.h"

#define WAV_HEADER_LEN 44

/* The argument of recording_get is a const uint32_t: samples per second. */
extern const struct recording_format wav_format;

/* The rate the file was begun with. */
uint32_t wav_rate(const struct recording *r);

/* Appends n bytes of samples; n is even. */
void wav_append(struct recording *r, const uint8_t *p, size_t n, uint64_t now);

#endif
