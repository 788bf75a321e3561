/*
 * Segments: one file of a topic's log (INTERFACES.md section 7). Appending,
 * recovery after a crash, reading, and a sparse index by entry and by time.
 * Errors are -1 with errno; EBADMSG is damage, see segment_damage.
 */
#ifndef TOPIC_BUS_SEGMENT_H
#define TOPIC_BUS_SEGMENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "entry.h"
#include "files.h"

#define SEGMENT_HEADER_LEN 32
#define SEGMENT_VERSION 1
#define SEGMENT_INDEX_STEP (256 * 1024) /* bytes between two points */
#define SEGMENT_NAME_LEN 20 /* 16 digits and ".log" */

/* Where segments live, and what they share. */
struct segment_dir {
	int root;     /* descriptor of the bus's directory */
	int durable;  /* directories and new files are synced at once */
	struct files files;
};

struct segment_point {
	uint64_t offset;
	uint64_t entry;
	uint64_t publish; /* of that entry, ns */
};

struct segment {
	struct file file;
	struct segment_dir *in;
	const char *path; /* of the topic's directory, below the root; kept */
	uint64_t ledger;
	int loaded;	  /* the file is there and its header was read */
	uint64_t created; /* ns */
	uint64_t size;	  /* end of the whole entries written */
	uint64_t next;	  /* entry id at size; right once scanned */
	uint64_t last_publish;	 /* ns; 0 without entries; once scanned */
	uint64_t visible;	 /* readers see bytes before this offset, */
	uint64_t visible_next;	 /* and entries before this id */
	int scanned;		 /* the index is there */
	int tail;		 /* garbage behind size could not be cut off */
	uint64_t damage_offset;	 /* where the first bad entry starts */
	const char *damage;	 /* what is wrong there; NULL: nothing known */
	struct segment_point *index;
	size_t npoints, room;
	/* For sync.c. */
	struct segment *sync_next;
	uint64_t synced, syncing; /* offsets: on disk, and being brought there */
	int dirty;		  /* in the list of what is to be synced */
	int flying;		  /* a sync is under way */
	void *owner;		  /* the topic */
};

/* "0000000000000001.log" at name, SEGMENT_NAME_LEN + 1 bytes. */
void segment_name(char *name, uint64_t ledger);
/* The ledger of such a name; -1 when it is none. */
int segment_name_get(const char *name, uint64_t *ledger);

/* The 32 bytes in front. get: -1 when they are not those of this ledger. */
void segment_header_put(uint8_t *p, uint64_t ledger, uint64_t created);
int segment_header_get(const uint8_t *p, uint64_t ledger, uint64_t *created,
    const char **why);

/* A segment that is (to be) in directory path. segment_free closes. */
struct segment *segment_new(struct segment_dir *in, const char *path,
    uint64_t ledger);
void segment_free(struct segment *s);

/* Makes the file with its header. Nothing is left behind on failure. */
int segment_create(struct segment *s, uint64_t created);

/* Looks at an existing file: its size and header. EBADMSG: damaged header;
 * ENODATA: the file ends inside its header. */
int segment_load(struct segment *s);

/*
 * Reads all of it, checks every entry, builds the index. newest: the file was
 * the last to be written, so an entry cut short at its end (or nothing but
 * zeros, as a power cut may leave) is a torn write: size is put before it, and
 * segment_cut is to cut it off. Returns the bytes to cut; -1 with EBADMSG when
 * there is damage: size is then before the damage.
 */
int64_t segment_scan(struct segment *s, int newest);

/* Cuts off what is behind size: a torn write, or part of a failed one. */
int segment_cut(struct segment *s);

/*
 * Appends bytes of whole stamped entries, all of them or nothing; iov is
 * changed. first is the id of the first, count how many, publish their time.
 */
int segment_append(struct segment *s, struct iovec *iov, int n, size_t bytes,
    uint64_t count, uint64_t publish);

/* What was appended may be seen now. */
void segment_publish(struct segment *s, uint64_t offset, uint64_t next);

/* Reads n bytes at offset; less only at the end of the file. */
int64_t segment_read(struct segment *s, uint64_t offset, void *p, size_t n);

/* Adds a point to the index, if the last one is far enough away. */
void segment_note(struct segment *s, uint64_t offset, uint64_t entry,
    uint64_t publish);

/*
 * Offset and id of the first visible entry with at least this id, or this
 * publish time; the end of what is visible if there is none.
 */
int segment_seek_entry(struct segment *s, uint64_t entry, uint64_t *offset,
    uint64_t *id);
int segment_seek_time(struct segment *s, uint64_t publish, uint64_t *offset,
    uint64_t *id);

/* Walks entries in memory, checking each. */
struct segment_walk {
	uint64_t next;	  /* in: id of the first; out: id behind the last */
	uint64_t max;	  /* in: entries at most */
	size_t bytes;	  /* out: of good entries */
	uint64_t count;	  /* out: good entries */
	uint64_t publish; /* out: of the last; unchanged without entries */
	size_t need;	  /* out: bytes of the entry cut short; 0: not known */
	const char *bad;  /* out: what is wrong with the next; NULL: nothing,
			   * or it is cut short */
};
void segment_walk(struct segment_walk *w, const uint8_t *p, size_t n);

/* Notes the damage found at offset, once; returns -1 with EBADMSG. */
int segment_damaged(struct segment *s, uint64_t offset, const char *what);
/* "path/0000000000000001.log:1234: what": for people. */
void segment_damage_text(const struct segment *s, char *text, size_t n);

#endif
