/* wt-client: files cut into packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../sink-audio/pcm.h"
#include "../../sink-video/chunk.h"
#include "../../wt-client/cut.h"

#define MAX (1 << 20)
#define PIECES 16

#define SOI "\xff\xd8"
#define EOI "\xff\xd9"
#define APP1_WITH_JPEG "\xff\xe1\x00\x08" SOI EOI "ab"
#define SOS "\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
#define SCAN "\x12\xff\x00\xd9\x34\xff\xd0\x56\xff\xff\xd7\x78"
#define PICTURE SOI APP1_WITH_JPEG SOS SCAN "\xff\xc4\x00\x03\x01" SOS SCAN EOI

#define LE16(v) (char)(v), (char)((v) >> 8)
#define LE32(v) LE16(v), LE16((v) >> 16)

struct result {
	struct cut_piece piece[PIECES];
	size_t n;
	int rc; /* of the last call */
	struct cutter cutter;
	uint8_t *copy; /* what the pieces point into */
};

/* Cuts a copy that ends where the bytes end, so that the sanitizer sees a
 * read beyond. */
static void
cut(struct result *r, enum cut_kind kind, const void *p, size_t n, size_t chunk,
    size_t max)
{
	r->copy = malloc(n > 0 ? n : 1);
	assert_non_null(r->copy);
	memcpy(r->copy, p, n);
	r->n = 0;
	r->rc = cut_begin(&r->cutter, kind, r->copy, n, chunk, max);
	while (r->rc == 0 && r->n < PIECES &&
	    (r->rc = cut_next(&r->cutter, &r->piece[r->n])) == 1) {
		r->n++;
		r->rc = 0;
	}
}

static void
done(struct result *r)
{
	free(r->copy);
}

static void
is_piece(const struct result *r, size_t i, const void *p, size_t n)
{
	assert_true(i < r->n);
	assert_int_equal(r->piece[i].len, n);
	assert_memory_equal(r->piece[i].data, p, n);
}

#define IS(r, i, s) is_piece((r), (i), (s), sizeof(s) - 1)
#define CUT(r, kind, s) cut((r), (kind), (s), sizeof(s) - 1, 0, MAX)

static void
kinds_by_name(void **state)
{
	(void)state;
	assert_int_equal(cut_kind_of("a.mjpeg"), CUT_JPEG);
	assert_int_equal(cut_kind_of("/x.wav/a.JPG"), CUT_JPEG);
	assert_int_equal(cut_kind_of("chat.jsonl"), CUT_LINES);
	assert_int_equal(cut_kind_of("a.txt"), CUT_LINES);
	assert_int_equal(cut_kind_of("a.ivf"), CUT_IVF);
	assert_int_equal(cut_kind_of("a.wav"), CUT_WAV);
	assert_int_equal(cut_kind_of("a.wav.gz"), CUT_CHUNK);
	assert_int_equal(cut_kind_of("wav"), CUT_CHUNK);
	assert_int_equal(cut_kind_of(""), CUT_CHUNK);
}

static void
lines(void **state)
{
	struct result r;

	(void)state;
	CUT(&r, CUT_LINES, "one\n\n\r\ntwo\r\nthree");
	assert_int_equal(r.n, 3);
	IS(&r, 0, "one");
	IS(&r, 1, "two");
	IS(&r, 2, "three");
	done(&r);
	CUT(&r, CUT_LINES, "\n\n\n");
	assert_int_equal(r.n, 0);
	assert_int_equal(r.rc, 0);
	done(&r);
	CUT(&r, CUT_LINES, "");
	assert_int_equal(r.n, 0);
	done(&r);
}

static void
chunks(void **state)
{
	struct result r;

	(void)state;
	cut(&r, CUT_CHUNK, "abcdefg", 7, 3, MAX);
	assert_int_equal(r.n, 3);
	IS(&r, 0, "abc");
	IS(&r, 2, "g");
	done(&r);
}

static void
a_piece_fits_a_packet(void **state)
{
	struct result r;

	(void)state;
	cut(&r, CUT_LINES, "abc\nabcd\n", 9, 0, 3 + CUT_PREFIX_MAX);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.rc, -1);
	assert_int_equal(r.cutter.pos, 4);
	done(&r);
}

static void
pictures_by_their_markers(void **state)
{
	struct result r;

	(void)state;
	/* An SOI and an EOI inside of a segment, FF D9 split by a stuffed
	 * byte, restarts, fill bytes, two scans; padding between pictures. */
	CUT(&r, CUT_JPEG, PICTURE "\0\0\xff" PICTURE "\xff\xff\0");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.n, 2);
	IS(&r, 0, PICTURE);
	IS(&r, 1, PICTURE);
	done(&r);
}

static void
bad_pictures(void **state)
{
	static const struct {
		const char *bytes;
		size_t n, pos;
	} bad[] = {
#define BAD(s, pos) { s, sizeof(s) - 1, pos }
		BAD("x", 0), BAD("\xff\xd9", 0), BAD(SOI, 0), BAD(SOI "\xff", 0),
		BAD(SOI "ab", 2), BAD(SOI SOI EOI, 2), BAD(SOI "\xff\x00", 2),
		BAD(SOI "\xff\xe0", 0), BAD(SOI "\xff\xe0\x00", 0),
		BAD(SOI "\xff\xe0\x00\x01" EOI, 4),
		BAD(SOI "\xff\xe0\x00\x09 short", 0), BAD(SOI SOS SCAN, 0),
		BAD(SOI SOS "\xff", 0), BAD(SOI SOS, 0),
		BAD(PICTURE "junk" PICTURE, sizeof(PICTURE) - 1),
		BAD(PICTURE SOI, sizeof(PICTURE) - 1),
	};
	struct result r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cut(&r, CUT_JPEG, bad[i].bytes, bad[i].n, 0, MAX);
		assert_int_equal(r.rc, -1);
		assert_int_equal(r.cutter.pos, bad[i].pos);
		assert_non_null(r.cutter.why);
		done(&r);
	}
}

static const char ivf_head[] = { 'D', 'K', 'I', 'F', 0, 0, 32, 0, 'V', 'P', '8',
	'0', LE16(640), LE16(480), LE32(30), LE32(1), LE32(2), 0, 0, 0, 0 };
/* A VP8 key frame of 320 by 240 and one that is not; their IVF headers. */
static const char ivf_frames[] = { LE32(11), LE32(0), LE32(0), 0x30, 0, 0,
	(char)0x9d, 1, 0x2a, LE16(320), LE16(240), 'k', /**/ LE32(0), LE32(1),
	LE32(0), /**/ LE32(4), LE32(60), LE32(0), 0x11, 0, 0, 'p' };

static size_t
ivf_make(char *p)
{
	memcpy(p, ivf_head, sizeof(ivf_head));
	memcpy(p + sizeof(ivf_head), ivf_frames, sizeof(ivf_frames));
	return sizeof(ivf_head) + sizeof(ivf_frames);
}

static void
ivf_frames_become_chunks(void **state)
{
	uint8_t prefix[CUT_PREFIX_MAX], packet[64];
	struct cut_piece piece;
	struct chunk chunk;
	struct cutter c;
	char file[128];
	size_t n = ivf_make(file), head;

	(void)state;
	assert_int_equal(cut_begin(&c, CUT_IVF, (uint8_t *)file, n, 0, MAX), 0);
	assert_int_equal(cut_next(&c, &piece), 1);
	assert_int_equal(piece.len, 11);
	assert_int_equal(piece.key, 1);
	head = cut_prefix(&c, &piece, prefix);
	memcpy(packet, prefix, head);
	memcpy(packet + head, piece.data, piece.len);
	assert_int_equal(chunk_inspect(packet, head + piece.len, &chunk), 0);
	assert_int_equal(chunk.key_frame, 1);
	assert_int_equal(chunk.width, 320);
	assert_int_equal(chunk.height, 240);
	/* The empty frame is skipped; the next is no key frame, at 2 s, and
	 * has the size of the key frame before it. */
	assert_int_equal(cut_next(&c, &piece), 1);
	assert_int_equal(piece.key, 0);
	assert_int_equal(piece.time_us, 2000000);
	head = cut_prefix(&c, &piece, prefix);
	assert_int_equal(prefix[9], 320 & 255);
	assert_int_equal(cut_next(&c, &piece), 0);
}

static void
ivf_cut_short_anywhere(void **state)
{
	char file[128];
	size_t n = ivf_make(file), ends = 0;
	struct result r;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		cut(&r, CUT_IVF, file, i, 0, MAX);
		/* Between frames is an end like any other. */
		if (i == 32 || i == 32 + 23 || i == 32 + 23 + 12) {
			assert_int_equal(r.rc, 0);
			ends++;
		} else {
			assert_int_equal(r.rc, -1);
		}
		done(&r);
	}
	assert_int_equal(ends, 3);
}

static void
ivf_bad_headers(void **state)
{
	static const struct {
		size_t at;
		char byte;
	} bad[] = { { 0, 'X' }, { 4, 1 }, { 6, 31 }, { 7, 127 }, { 10, '7' },
		{ 20, 0 } };
	char file[128];
	struct result r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t n = ivf_make(file);

		if (bad[i].at == 20)
			memset(file + 16, 0, 8);
		else
			file[bad[i].at] = bad[i].byte;
		cut(&r, CUT_IVF, file, n, 0, MAX);
		assert_int_equal(r.rc, -1);
		done(&r);
	}
}

static void
ivf_times_do_not_overflow(void **state)
{
	char file[128];
	size_t n = ivf_make(file);
	struct result r;

	(void)state;
	memset(file + 16, 0xff, 8);	/* rate, scale */
	memset(file + 32 + 4, 0xff, 8); /* pts */
	cut(&r, CUT_IVF, file, n, 0, MAX);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.n, 2);
	done(&r);
}

static void
codecs_know_their_key_frames(void **state)
{
	static const struct {
		const char *fourcc, *bytes;
		size_t n;
		int key;
	} frames[] = {
		{ "VP90", "\x82", 1, 1 }, { "VP90", "\x86", 1, 0 },
		{ "VP90", "\x8a", 1, 0 }, /* shows an existing frame */
		{ "VP90", "\xb1", 1, 1 }, /* profile 3 */
		{ "VP90", "\xb3", 1, 0 },
		{ "H264", "\0\0\0\1\x67\0\0\1\x65x", 10, 1 },
		{ "H264", "\0\0\1\x41x", 5, 0 }, { "H264", "\0\0\1", 3, 0 },
		{ "AV01", "\x12\0\x0a\x0b", 4, 1 },
		{ "AV01", "\x12\0\x32\x0b", 4, 0 }, { "AV01", "\x12", 1, 0 },
		{ "VP80", "\x10", 1, 1 }, /* cut short; the sink says so */
	};
	char file[128];
	struct result r;

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		memcpy(file, ivf_head, 32);
		memcpy(file + 8, frames[i].fourcc, 4);
		memset(file + 32, 0, 12);
		file[32] = (char)frames[i].n;
		memcpy(file + 44, frames[i].bytes, frames[i].n);
		cut(&r, CUT_IVF, file, 44 + frames[i].n, 0, MAX);
		assert_int_equal(r.n, 1);
		assert_int_equal(r.piece[0].key, frames[i].key);
		done(&r);
	}
}

/* A WAV file: an odd LIST chunk, fmt, n bytes of data announced as size. */
static size_t
wav_make(char *p, size_t n, uint32_t size)
{
	static const char head[] = { 'R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'A',
		'V', 'E', 'L', 'I', 'S', 'T', LE32(3), 'a', 'b', 'c', 0, 'f',
		'm', 't', ' ', LE32(16), LE16(1), LE16(1), LE32(44100),
		LE32(88200), LE16(2), LE16(16), 'd', 'a', 't', 'a' };

	memcpy(p, head, sizeof(head));
	for (int i = 0; i < 4; i++)
		p[sizeof(head) + (size_t)i] = (char)(size >> 8 * i);
	for (size_t i = 0; i < n; i++)
		p[sizeof(head) + 4 + i] = (char)i;
	return sizeof(head) + 4 + n;
}

static void
wav_samples_become_pcm(void **state)
{
	static char file[4096 * 4 + 100];
	uint8_t prefix[CUT_PREFIX_MAX], packet[64];
	struct result r;
	struct pcm pcm;
	size_t n = wav_make(file, 4096 * 2 + 7, 4096 * 2 + 7), head;

	(void)state;
	cut(&r, CUT_WAV, file, n, 0, MAX);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.piece[0].len, 4096 * 2);
	assert_int_equal(r.piece[1].len, 6); /* no half a sample */
	assert_int_equal(r.piece[1].time_us, 4096 * 1000000ULL / 44100);
	head = cut_prefix(&r.cutter, &r.piece[1], prefix);
	memcpy(packet, prefix, head);
	memcpy(packet + head, r.piece[1].data, r.piece[1].len);
	assert_int_equal(pcm_inspect(packet, head + r.piece[1].len, &pcm), 0);
	assert_int_equal(pcm.rate, 44100);
	assert_int_equal(pcm.samples, 3);
	done(&r);
}

static void
wav_sizes_that_lie(void **state)
{
	char file[128];
	struct result r;
	size_t n;

	(void)state;
	n = wav_make(file, 10, UINT32_MAX); /* written to a pipe */
	cut(&r, CUT_WAV, file, n, 0, MAX);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.piece[0].len, 10);
	done(&r);
	n = wav_make(file, 10, 1000);
	cut(&r, CUT_WAV, file, n, 0, MAX);
	assert_int_equal(r.piece[0].len, 10);
	done(&r);
	n = wav_make(file, 10, 0);
	cut(&r, CUT_WAV, file, n, 0, MAX);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.rc, 0);
	done(&r);
	n = wav_make(file, 10, 4); /* what follows is no sample */
	cut(&r, CUT_WAV, file, n, 0, MAX);
	assert_int_equal(r.piece[0].len, 4);
	done(&r);
}

static void
bad_wav(void **state)
{
	static const struct {
		size_t at;
		char byte;
	} bad[] = { { 0, 'X' }, { 8, 'X' }, { 24, 'X' }, { 28, 15 }, { 32, 3 },
		{ 34, 2 }, { 38, 9 }, { 46, 8 }, { 48, 'X' } };
	char file[128];
	struct result r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t n = wav_make(file, 10, 10);

		file[bad[i].at] = bad[i].byte;
		cut(&r, CUT_WAV, file, n, 0, MAX);
		assert_int_equal(r.rc, -1);
		done(&r);
	}
	for (size_t i = 0; i < 56; i++) { /* up to the end of its headers */
		wav_make(file, 10, 10);
		cut(&r, CUT_WAV, file, i, 0, MAX);
		assert_int_equal(r.rc, -1);
		done(&r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_by_name),
		cmocka_unit_test(lines),
		cmocka_unit_test(chunks),
		cmocka_unit_test(a_piece_fits_a_packet),
		cmocka_unit_test(pictures_by_their_markers),
		cmocka_unit_test(bad_pictures),
		cmocka_unit_test(ivf_frames_become_chunks),
		cmocka_unit_test(ivf_cut_short_anywhere),
		cmocka_unit_test(ivf_bad_headers),
		cmocka_unit_test(ivf_times_do_not_overflow),
		cmocka_unit_test(codecs_know_their_key_frames),
		cmocka_unit_test(wav_samples_become_pcm),
		cmocka_unit_test(wav_sizes_that_lie),
		cmocka_unit_test(bad_wav),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
