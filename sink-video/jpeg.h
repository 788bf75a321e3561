/*
 * What a JPEG picture says about itself (ITU-T T.81 annex B). Pure: walks
 * the markers, decodes nothing.
 */
#ifndef SINK_VIDEO_JPEG_H
#define SINK_VIDEO_JPEG_H

#include <stddef.h>
#include <stdint.h>

struct jpeg {
	uint16_t width, height; /* pixels; 0: not seen before the fault */
	uint8_t components;
	uint8_t precision; /* bits per sample */
	size_t size;	   /* bytes from SOI to EOI */
};

enum jpeg_error {
	JPEG_OK,
	JPEG_NOT_JPEG,	 /* does not begin with FF D8 FF */
	JPEG_BAD_MARKER, /* no marker where one must be, or a bad length */
	JPEG_BAD_SOF,	 /* frame header of a wrong size or with zeros */
	JPEG_NO_SOF,	 /* a scan, or the end, before any frame header */
	JPEG_NO_SCAN,	 /* the end before any scan */
	JPEG_TRUNCATED	 /* no EOI */
};

/* 1 if the payload claims to be a JPEG picture. */
int jpeg_match(const uint8_t *p, size_t n);

/* Bytes behind EOI are allowed. *j holds what was found before a fault. */
enum jpeg_error jpeg_inspect(const uint8_t *p, size_t n, struct jpeg *j);

/* "truncated" ...: the reason of INTERFACES.md section 8. */
const char *jpeg_error_name(enum jpeg_error e);

#endif
