// Chromium against wt-accept: what one side sends is what the other gets, to
// the byte, on every kind of stream, in both directions; and how things end.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { Accept, blankPage, scratch } from './accept.mjs';
import { launch } from './chromium.mjs';
import { code, FLAG, NO_STREAM, TYPE } from './records.mjs';

const MIB = 1024 * 1024;
const TIMEOUT = { timeout: 60_000 };
let files, web, browser, page, accept;

// What the page brings along: a session kept in globalThis.wt, and bytes that
// both sides can make, (seed + i * 7 + (i >> 8)) & 255.
const HELPERS = `
globalThis.fill = (length, seed) => {
	const bytes = new Uint8Array(length);
	for (let i = 0; i < length; i++)
		bytes[i] = seed + i * 7 + (i >> 8);
	return bytes;
};
globalThis.same = (bytes, length, seed) => {
	const want = fill(length, seed);
	return bytes.length === length && want.every((byte, i) => byte === bytes[i]);
};
globalThis.connect = async (url, hash, options = {}) => {
	const value = Uint8Array.from(hash.match(/../g), (x) => parseInt(x, 16));
	const wt = new WebTransport(url, { ...options,
		serverCertificateHashes: [{ algorithm: 'sha-256', value }] });
	wt.closed.catch(() => {});
	await wt.ready;
	return wt;
};
globalThis.readAll = async (readable) =>
	new Uint8Array(await new Response(readable).arrayBuffer());
globalThis.first = async (stream) => {
	const reader = stream.getReader();
	const { value } = await reader.read();
	reader.releaseLock();
	return value;
};
globalThis.codeOf = (promise) => promise.then(() => 'no error',
	(error) => error.streamErrorCode ?? error.source ?? String(error));
`;

function fill(length, seed) {
	const bytes = Buffer.alloc(length);
	for (let i = 0; i < length; i++)
		bytes[i] = seed + i * 7 + (i >> 8);
	return bytes;
}

before(async () => {
	files = scratch();
	web = await blankPage();
	browser = await launch();
	page = await browser.newPage();
	await page.addInitScript(HELPERS);
	await page.goto(web.url);
	accept = await Accept.start(files.dir);
});

after(async () => {
	await browser?.close();
	assert.equal(await accept?.stop(), 0, 'wt-accept ends with 0');
	web?.close();
	files?.remove();
});

// A new session for every test, in the page's wt; its id is returned.
async function connect(target = accept, options = {}) {
	await page.evaluate(async ([url, hash, opts]) => {
		globalThis.wt?.close();
		globalThis.wt = await connect(url, hash, opts);
	}, [target.url, files.hash, options]);
	return (await target.next(TYPE.SESSION_OPEN)).session;
}

let session;
beforeEach(async () => {
	accept.forget();
	session = await connect();
});

const mine = (record) => record.session === session;

// Sends back what comes in, stream by stream, datagram by datagram.
function echo(target) {
	target.onRecord = (record) => {
		const { type, flags, stream, payload } = record;
		const bidi = type === TYPE.STREAM_DATA && !(flags & FLAG.UNI);
		if (bidi || type === TYPE.DATAGRAM)
			target.send({ type, flags: flags & FLAG.FIN, session: record.session,
				stream, payload: Buffer.from(payload) });
	};
	return () => {
		target.onRecord = null;
	};
}

test('unidirectional streams arrive to the byte', TIMEOUT, async () => {
	const sizes = [0, 1, 31, 32, 33, 1000, 65535, 65536, 65537, MIB];
	for (const [seed, size] of sizes.entries()) {
		await page.evaluate(async ([length, seed]) => {
			const writer = (await wt.createUnidirectionalStream()).getWriter();
			if (length > 0)
				writer.write(fill(length, seed));
			await writer.close();
		}, [size, seed]);
		const record = await accept.next(TYPE.STREAM_DATA, mine);
		assert.ok(record.flags & FLAG.UNI);
		const parts = [record.payload];
		if (!(record.flags & FLAG.FIN))
			parts.push(await accept.stream(session, record.stream));
		assert.ok(Buffer.concat(parts).equals(fill(size, seed)), `${size} bytes`);
	}
});

test('bidirectional streams come back to the byte', TIMEOUT, async () => {
	const end = echo(accept);
	const bad = await page.evaluate(async () => {
		const sizes = [1, 32, 1000, 65537, 1048576];
		const bad = [];
		await Promise.all(sizes.map(async (length, seed) => {
			const { readable, writable } = await wt.createBidirectionalStream();
			const writer = writable.getWriter();
			writer.write(fill(length, seed));
			writer.close();
			if (!same(await readAll(readable), length, seed))
				bad.push(length);
		}));
		return bad;
	});
	end();
	assert.deepEqual(bad, []);
});

test('datagrams arrive and come back to the byte', TIMEOUT, async () => {
	const end = echo(accept);
	const bad = await page.evaluate(async () => {
		const writer = wt.datagrams.writable.getWriter();
		const reader = wt.datagrams.readable.getReader();
		const bad = [];
		for (const length of [1, 32, 500, 1000]) {
			await writer.write(fill(length, length));
			const { value } = await reader.read();
			if (!same(value, length, length))
				bad.push(length);
		}
		return bad;
	});
	end();
	assert.deepEqual(bad, []);
});

test('streams opened by the server arrive to the byte', TIMEOUT, async () => {
	const token = Buffer.alloc(8, 7);
	for (const flags of [FLAG.UNI, 0]) {
		accept.send({ type: TYPE.STREAM_OPEN, flags, session, payload: token });
		const { stream, payload } = await accept.next(TYPE.STREAM_OPENED, mine);
		assert.ok(payload.equals(token));
		const bytes = fill(300_000, 9);
		for (let i = 0; i < bytes.length; i += 60_000) {
			accept.send({ type: TYPE.STREAM_DATA, session, stream,
				flags: i + 60_000 >= bytes.length ? FLAG.FIN : 0,
				payload: bytes.subarray(i, i + 60_000) });
		}
		const fine = await page.evaluate(async (uni) => {
			if (uni)
				return same(await readAll(
					await first(wt.incomingUnidirectionalStreams)), 300_000, 9);
			const { readable, writable } =
				await first(wt.incomingBidirectionalStreams);
			const got = await readAll(readable);
			const writer = writable.getWriter();
			writer.write(got);
			await writer.close();
			return same(got, 300_000, 9);
		}, flags === FLAG.UNI);
		assert.ok(fine, flags ? 'unidirectional' : 'bidirectional');
		if (flags === 0)
			assert.ok((await accept.stream(session, stream)).equals(bytes));
	}
});

test('1,000 streams at once, each with its own bytes', TIMEOUT, async () => {
	const seen = new Map();
	let finished;
	const all = new Promise((resolve) => {
		finished = resolve;
	});
	let ended = 0;
	accept.onRecord = ({ type, flags, stream, payload }) => {
		if (type !== TYPE.STREAM_DATA)
			return;
		const before = seen.get(stream) ?? Buffer.alloc(0);
		seen.set(stream, Buffer.concat([before, payload]));
		if (flags & FLAG.FIN && ++ended === 1000)
			finished();
	};
	await page.evaluate(async () => {
		const one = async (i) => {
			const writer = (await wt.createUnidirectionalStream()).getWriter();
			writer.write(fill(100 + i, i));
			await writer.close();
		};
		await Promise.all(Array.from({ length: 1000 }, (_, i) => one(i)));
	});
	await all;
	accept.onRecord = null;
	assert.equal(seen.size, 1000);
	const lengths = [...seen.values()].map((bytes) => {
		assert.ok(bytes.equals(fill(bytes.length, bytes.length - 100)));
		return bytes.length;
	});
	assert.equal(new Set(lengths).size, 1000);
});

test('50 MiB on one stream', TIMEOUT, async () => {
	const hash = createHash('sha256');
	let length = 0;
	let finished;
	const all = new Promise((resolve) => {
		finished = resolve;
	});
	accept.onRecord = ({ type, flags, payload }) => {
		if (type !== TYPE.STREAM_DATA)
			return;
		hash.update(payload);
		length += payload.length;
		if (flags & FLAG.FIN)
			finished();
	};
	await page.evaluate(async () => {
		const writer = (await wt.createUnidirectionalStream()).getWriter();
		for (let i = 0; i < 50; i++)
			await writer.write(fill(1048576, i));
		await writer.close();
	});
	await all;
	accept.onRecord = null;
	const want = createHash('sha256');
	for (let i = 0; i < 50; i++)
		want.update(fill(MIB, i));
	assert.equal(length, 50 * MIB);
	assert.equal(hash.digest('hex'), want.digest('hex'));
});

test('the page closes a session with code and reason', TIMEOUT, async () => {
	await page.evaluate(() =>
		wt.close({ closeCode: 4242, reason: 'genug für heute' }));
	const { payload } = await accept.next(TYPE.SESSION_CLOSE, mine);
	assert.equal(payload.readUInt32BE(0), 4242);
	assert.equal(payload.subarray(4).toString(), 'genug für heute');
});

test('the server closes a session with code and reason', TIMEOUT, async () => {
	accept.send({ type: TYPE.SESSION_CLOSE, session,
		payload: Buffer.concat([code(77), Buffer.from('that is all')]) });
	const { closeCode, reason } = await page.evaluate(() => wt.closed);
	assert.equal(closeCode, 77);
	assert.equal(reason, 'that is all');
});

// Codes around those that the mapping to HTTP/3 codes leaves out, and beyond
// 255, as far as Chromium lets a page name them.
const CODES = [0, 29, 30, 31, 255];

test('the page resets and stops streams with a code', TIMEOUT, async () => {
	for (const value of CODES) {
		await page.evaluate(async (streamErrorCode) => {
			const error = new WebTransportError({ streamErrorCode });
			const { readable, writable } = await wt.createBidirectionalStream();
			const writer = writable.getWriter();
			await writer.write(Uint8Array.of(1));
			writer.abort(error).catch(() => {});
			readable.cancel(error).catch(() => {});
		}, value);
		const reset = await accept.next(TYPE.STREAM_RESET, mine);
		const stop = await accept.next(TYPE.STOP_SENDING, mine);
		assert.equal(reset.payload.readUInt32BE(0), value);
		assert.equal(stop.payload.readUInt32BE(0), value);
	}
});

test('the server resets and stops streams with a code', TIMEOUT, async () => {
	for (const value of CODES) {
		for (const type of [TYPE.STREAM_RESET, TYPE.STOP_SENDING]) {
			const told = page.evaluate(async (reset) => {
				const { readable, writable } = await wt.createBidirectionalStream();
				const writer = writable.getWriter();
				writer.closed.catch(() => {});
				await writer.write(Uint8Array.of(1));
				return codeOf(reset ? readable.getReader().read() : writer.closed);
			}, type === TYPE.STREAM_RESET);
			const { stream } = await accept.next(TYPE.STREAM_DATA, mine);
			accept.send({ type, session, stream, payload: code(value) });
			assert.equal(await told, value);
		}
	}
});

test('several sessions do not mix', TIMEOUT, async () => {
	const ids = new Set();
	await page.evaluate(async ([url, hash]) => {
		globalThis.many = [];
		for (let i = 0; i < 5; i++)
			many.push(await connect(url, hash));
		await Promise.all(many.map(async (wt, i) => {
			const writer = (await wt.createUnidirectionalStream()).getWriter();
			writer.write(fill(5000 + i, i));
			await writer.close();
		}));
	}, [accept.url, files.hash]);
	for (let i = 0; i < 5; i++)
		ids.add((await accept.next(TYPE.SESSION_OPEN)).session);
	assert.equal(ids.size, 5);
	const lengths = [];
	for (const id of ids) {
		const record = await accept.next(TYPE.STREAM_DATA, (r) => r.session === id);
		const parts = [record.payload];
		if (!(record.flags & FLAG.FIN))
			parts.push(await accept.stream(id, record.stream));
		const bytes = Buffer.concat(parts);
		assert.ok(bytes.equals(fill(bytes.length, bytes.length - 5000)));
		lengths.push(bytes.length);
	}
	assert.deepEqual(lengths.sort(), [5000, 5001, 5002, 5003, 5004]);
	await page.evaluate(() => many.forEach((wt) => wt.close()));
});

test('what is not allowed is refused', TIMEOUT, async () => {
	const strict = await Accept.start(files.dir, {
		args: ['--origin', 'https://elsewhere.example', '--path', '/wt'],
	});
	const told = await page.evaluate(async ([allowed, origin, hash]) =>
		Promise.all([`${allowed}/nothing-here`, origin].map((url) =>
			connect(url, hash).then(() => 'open', (error) => error.name))),
	[accept.url, strict.url, files.hash]);
	assert.deepEqual(told, ['WebTransportError', 'WebTransportError']);
	assert.equal(await strict.stop(), 0);
});

test('a subprotocol is chosen', TIMEOUT, async (t) => {
	const chooser = await Accept.start(files.dir, {
		args: ['--protocol', 'b', '--protocol', 'c'],
	});
	await connect(chooser, { protocols: ['a', 'b'] });
	const chosen = await page.evaluate(() => wt.protocol);
	assert.equal(await chooser.stop(), 0);
	if (chosen === undefined)
		t.skip('this Chromium does not tell');
	else
		assert.equal(chosen, 'b');
});

test('a page connects again after the server was killed', TIMEOUT, async () => {
	const { port } = accept;
	await accept.stop('SIGKILL');
	accept = await Accept.start(files.dir, { port });
	session = await connect();
	await page.evaluate(async () => {
		const writer = (await wt.createUnidirectionalStream()).getWriter();
		writer.write(fill(1000, 3));
		await writer.close();
	});
	const { payload } = await accept.next(TYPE.STREAM_DATA, mine);
	assert.ok(payload.equals(fill(1000, 3)));
	assert.notEqual(session, NO_STREAM);
});
