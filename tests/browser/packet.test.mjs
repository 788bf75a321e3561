// The page's pure parts: the bytes of INTERFACES.md, backoff, rates.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clock, scaled, TrackFigures } from '../../web/figures.js';
import { audioHeader, chunkHeader, CODEC, fileHeader, packet } from '../../web/packet.js';
import { backoff, deadline, parseHash } from '../../web/session.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const padded = (text, size) => Buffer.alloc(size, 0).fill(text, 0, text.length)
	.toString('hex');

test('a packet is header, then the parts of the payload', () => {
	const bytes = packet('live_chat', 'chat', Uint8Array.of(1, 2), Uint8Array.of(3));
	assert.equal(hex(bytes),
		`${padded('live_chat', 16)}00000003${padded('chat', 12)}010203`);
});

test('a packet may be empty and its id may be', () => {
	assert.equal(hex(packet('', 'x')), `${'00'.repeat(20)}78${'00'.repeat(11)}`);
});

test('ids and types that do not fit are refused', () => {
	assert.throws(() => packet('seventeen bytes..', 'video'), RangeError);
	assert.throws(() => packet('id', 'thirteen byte'), RangeError);
	assert.throws(() => packet('id', ''), RangeError);
	assert.throws(() => packet('a\0b', 'video'), RangeError);
	assert.throws(() => packet('üüüüüüüüü', 'video'), RangeError);
});

test('payload headers are as written in INTERFACES.md', () => {
	assert.equal(hex(chunkHeader({ codec: CODEC.vp8, key: true, width: 640,
		height: 480, timestamp: 0x1_0000_0001, duration: null })),
	'57435631' + '0101' + '0000' + '0280' + '01e0' + '0000000100000001' + '00000000');
	assert.equal(hex(audioHeader({ rate: 48000, timestamp: 1000 })),
		'50434d31' + '0000bb80' + '0001' + '0010' + '00000000000003e8');
	assert.equal(hex(fileHeader({ transfer: new Uint8Array(16).fill(7),
		offset: 65536, size: 70000, name: 'ä' })),
	'46494c31' + '07'.repeat(16) + '0000000000010000' + '0000000000011170' +
		'0002' + 'c3a4');
});

test('the backoff doubles to its bound and keeps its jitter', () => {
	assert.deepEqual([0, 1, 2, 3, 4, 5, 20].map((n) => backoff(n, 0.5)),
		[500, 1000, 2000, 4000, 8000, 10000, 10000]);
	assert.equal(backoff(0, 0), 375);
	assert.equal(backoff(20, 1), 12500);
});

test('a certificate hash is 64 digits, colons or not', () => {
	assert.equal(hex(parseHash(`${'0F'.repeat(32)}\n`)), '0f'.repeat(32));
	assert.equal(hex(parseHash(Array(32).fill('a1').join(':'))), 'a1'.repeat(32));
	assert.throws(() => parseHash('12'));
	assert.throws(() => parseHash('zz'.repeat(32)));
});

test('a deadline ends a wait that takes too long, and only that', async () => {
	assert.equal(await deadline(Promise.resolve(5), 1000, 'late'), 5);
	await assert.rejects(deadline(new Promise(() => {}), 1, 'late'), /late/);
});

test('rates are of the last second', () => {
	const figures = new TrackFigures();
	figures.packets = 10;
	figures.bytes = 1000;
	figures.tick(1);
	figures.packets = 15;
	figures.bytes = 1500;
	figures.tick(0.5);
	assert.equal(figures.rate, 8000);
	assert.equal(figures.perSecond, 10);
	assert.deepEqual(figures.history, [8000, 8000]);
});

test('numbers are short to read', () => {
	assert.equal(scaled(0, 'B'), '0 B');
	assert.equal(scaled(999, 'B'), '999 B');
	assert.equal(scaled(1234, 'B'), '1.23 kB');
	assert.equal(scaled(99_990, 'bit/s'), '100 kbit/s');
	assert.equal(scaled(999_600, 'B'), '1.00 MB');
	assert.equal(clock(61.9), '1:01');
	assert.equal(clock(3725), '1:02:05');
});
