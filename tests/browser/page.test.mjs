// The page in Chromium through the whole of sluice: what it says it sent is
// what the topics hold, to the byte.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, open } from './chromium.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUILD = process.env.SLUICE_BUILD || join(ROOT, 'build');
const TIMEOUT = { timeout: 120_000 };
let dir, run, browser, url;

async function freePort() {
	const server = createServer();
	await once(server.listen(0, '127.0.0.1'), 'listening');
	const { port } = server.address();
	server.close();
	return port;
}

before(async () => {
	dir = mkdtempSync(join(tmpdir(), 'sluice-page-'));
	const port = await freePort();
	const webPort = await freePort();
	url = `http://localhost:${webPort}/?url=https://127.0.0.1:${port}/wt`;
	run = spawn(join(ROOT, 'scripts/run'),
		['--port', port, '--web-port', webPort], {
			env: { ...process.env, SLUICE_RUN: dir, SLUICE_BUILD: BUILD },
			stdio: ['ignore', 'pipe', 'inherit'],
		});
	for await (const text of run.stdout.iterator({ destroyOnReturn: false })) {
		if (String(text).includes('Ctrl-C'))
			break;
	}
	run.stdout.resume(); // read to the end, so that it never waits for us
	browser = await launch();
});

after(async () => {
	await browser?.close();
	if (run?.exitCode === null) {
		const exit = once(run, 'exit');
		run.kill('SIGINT');
		assert.deepEqual(await exit, [0, null]);
		const log = readFileSync(join(dir, 'log'), 'utf8');
		assert.doesNotMatch(log, /Sanitizer|runtime error/);
	}
	rmSync(dir, { recursive: true });
});

// Everything a topic holds, in order.
function topic(name) {
	let text;
	try {
		text = execFileSync(join(BUILD, 'bin/bus-consume'), [
			'--bus', `ipc://${dir}/bus.sock`, '--topic', name, '--json',
			'--from', 'earliest', '--timeout', '1s',
		], { encoding: 'utf8', maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore'] });
	} catch (error) {
		if (error.status !== 75) // nothing came
			throw error;
		text = '';
	}
	return text.split('\n').filter(Boolean).map((line) => {
		const message = JSON.parse(line);
		const payload = Buffer.from(message.payload, 'base64');
		return { ...message, payload,
			hash: createHash('sha256').update(payload).digest('hex') };
	});
}

// A page that keeps the hash of everything it sends, connected.
async function sender(more = '') {
	const page = await open(browser, `${url}&keep=1${more}`);
	await page.click('#start');
	await page.waitForFunction(() => sluice.state === 'connected');
	return page;
}

const sent = (page, track, count) => page.waitForFunction(([track, count]) =>
	sluice.figures()[track].packets >= count, [track, count]);

// Stops it; the hashes of every track, and the figures.
async function finish(page) {
	await page.evaluate(() => sluice.stop());
	const hashes = {};
	for (const track of ['video', 'audio', 'chat', 'screen', 'file'])
		hashes[track] = await page.evaluate((t) => sluice.hashes(t), track);
	const figures = await page.evaluate(() => sluice.figures());
	await page.close();
	return { hashes, figures };
}

// Messages since the last look at their topic, with their hashes in order.
const looked = {};
function news(name) {
	const all = topic(name);
	const fresh = all.slice(looked[name] ?? 0);
	looked[name] = all.length;
	return fresh;
}

function assertArrived(result, track) {
	const messages = news(`${track}-topic`);
	assert.deepEqual(messages.map(({ hash }) => hash), result.hashes[track], track);
	assert.equal(result.figures[track].packets, messages.length);
	assert.equal(result.figures[track].bytes,
		messages.reduce((sum, { payload }) => sum + payload.length, 0));
	assert.equal(result.figures[track].lost, 0);
	return messages;
}

test('camera, microphone and chat arrive to the byte, VP8', TIMEOUT, async () => {
	const page = await sender();
	for (const text of ['one', 'zwei ü', '<b>three</b>'])
		await page.evaluate((t) => sluice.say(t), text);
	await sent(page, 'video', 30);
	await sent(page, 'audio', 15);
	await sent(page, 'chat', 3);
	const result = await finish(page);
	const video = assertArrived(result, 'video');
	const audio = assertArrived(result, 'audio');
	const chat = assertArrived(result, 'chat');
	assert.equal(video[0].properties.codec, 'vp8');
	assert.equal(video[0].properties.key_frame, true);
	assert.equal(video[0].properties.width, 640);
	assert.equal(audio[0].properties.rate, 48000);
	assert.equal(audio[0].properties.samples, 4096);
	assert.ok(audio.some(({ properties }) => properties.peak > 1000), 'it is heard');
	assert.deepEqual(chat.map(({ payload }) => JSON.parse(payload).message),
		['one', 'zwei ü', '<b>three</b>']);
	assert.equal(topic('video-rejected-topic').length, 0);
	assert.equal(topic('audio-rejected-topic').length, 0);
	assert.equal(topic('chat-rejected-topic').length, 0);
});

test('quality and codec change while it runs', TIMEOUT, async () => {
	const page = await sender();
	await sent(page, 'video', 5);
	await page.check('[name=quality][value=high]', { force: true });
	await page.waitForFunction(() =>
		document.getElementById('chip').textContent.includes('VP8 1280×720'));
	await page.selectOption('#codec', 'jpeg');
	await page.waitForFunction(() =>
		document.getElementById('chip').textContent.includes('JPEG 1280×720'));
	const { packets } = (await page.evaluate(() => sluice.figures())).video;
	await sent(page, 'video', packets + 5);
	const result = await finish(page);
	const kinds = assertArrived(result, 'video').map(({ properties: p }) =>
		`${p.codec ?? p.format} ${p.width}x${p.height}`);
	assert.deepEqual([...new Set(kinds)],
		['vp8 640x480', 'vp8 1280x720', 'jpeg 1280x720']);
	assertArrived(result, 'audio');
});

test('sources are turned off and on one by one', TIMEOUT, async () => {
	const page = await sender();
	await sent(page, 'video', 3);
	await sent(page, 'audio', 3);
	await page.click('#camera');
	await page.waitForSelector('#camera[aria-pressed=false]:enabled');
	const before = (await page.evaluate(() => sluice.figures()));
	await sent(page, 'audio', before.audio.packets + 5);
	assert.equal((await page.evaluate(() => sluice.figures())).video.packets,
		before.video.packets);
	await page.click('#camera');
	await sent(page, 'video', before.video.packets + 3);
	const result = await finish(page);
	const video = assertArrived(result, 'video');
	assert.ok(video[before.video.packets].properties.key_frame,
		'a new stream begins with a key frame');
	assertArrived(result, 'audio');
});

test('files and the screen arrive to the byte', TIMEOUT, async () => {
	const page = await sender();
	await page.click('#screen');
	await sent(page, 'screen', 5);
	const big = Buffer.alloc(1_000_000, 'sluice');
	await page.setInputFiles('#file-input', [
		{ name: 'big ä.bin', mimeType: 'application/octet-stream', buffer: big },
		{ name: 'empty', mimeType: 'text/plain', buffer: Buffer.alloc(0) },
	]);
	await page.waitForFunction(() =>
		[...document.querySelectorAll('#files .what')].filter((what) =>
			what.textContent === 'done').length === 2);
	const result = await finish(page);
	assertArrived(result, 'screen');
	const pieces = assertArrived(result, 'file');
	const whole = pieces.filter(({ properties }) => properties.name === 'big ä.bin');
	assert.equal(whole.length, Math.ceil(big.length / 262144));
	assert.ok(Buffer.concat(whole.map(({ payload, properties }) =>
		payload.subarray(payload.length - properties.length))).equals(big));
	assert.equal(pieces.at(-1).properties.name, 'empty');
	assert.equal(topic('file-rejected-topic').length, 0);
	news('video-topic');
	news('audio-topic');
});

test('a person starts, writes and stops', TIMEOUT, async () => {
	const page = await open(browser, `${url}&keep=1`, 390, 844);
	assert.ok(await page.isDisabled('#message'));
	await page.click('#start');
	await page.waitForFunction(() => sluice.state === 'connected');
	await page.fill('#user', 'Ada');
	await page.fill('#message', '  hello there ');
	await page.click('#send');
	await page.waitForSelector('#messages .mark.ok');
	await page.fill('#message', 'x'.repeat(4000));
	await page.press('#message', 'Enter');
	await sent(page, 'chat', 2);
	const width = await page.evaluate(() => document.documentElement.scrollWidth);
	assert.equal(width, 390, 'nothing sticks out of a phone');
	await page.click('#start');
	await page.waitForFunction(() => sluice.state === 'stopped');
	const [first, second] = news('chat-topic').map(({ payload }) =>
		JSON.parse(payload));
	assert.equal(first.user, 'Ada');
	assert.equal(first.message, 'hello there');
	assert.equal(second.message.length, 4000);
	news('video-topic');
	news('audio-topic');
	await page.close();
});

const acceptPid = () => Number(execFileSync('pgrep',
	['-P', run.pid, '-x', 'wt-accept'], { encoding: 'utf8' }));

test('a server that pauses: pictures are skipped, chat waits', TIMEOUT, async () => {
	const page = await sender();
	await sent(page, 'video', 5);
	process.kill(acceptPid(), 'SIGSTOP');
	await page.evaluate(() => sluice.say('said in between'));
	await page.waitForFunction(() => sluice.state === 'stalled' &&
		sluice.figures().video.skipped > 10);
	assert.equal((await page.evaluate(() => sluice.figures())).chat.packets, 0);
	process.kill(acceptPid(), 'SIGCONT');
	await page.waitForFunction(() => sluice.state === 'connected');
	await sent(page, 'chat', 1);
	const { video } = await page.evaluate(() => sluice.figures());
	await sent(page, 'video', video.packets + 10);
	const result = await finish(page);
	assert.equal(result.figures.chat.resent, 0);
	for (const track of ['video', 'audio', 'chat'])
		assertArrived(result, track);
});

test('chat survives the death of the server, in order, each once', TIMEOUT, async () => {
	const page = await sender();
	const say = (text) => page.evaluate((t) => sluice.say(t), text);
	await say('before');
	await sent(page, 'chat', 1);
	const pid = acceptPid();
	process.kill(pid, 'SIGSTOP');
	for (let i = 0; i < 5; i++)
		await say(`while it is away ${i}`);
	process.kill(pid, 'SIGKILL');
	await page.waitForFunction(() => sluice.connects >= 2, null, { timeout: 60_000 });
	await sent(page, 'chat', 6);
	const result = await finish(page);
	const chat = assertArrived(result, 'chat').map(({ payload }) =>
		JSON.parse(payload).message);
	assert.deepEqual(chat, ['before',
		...[0, 1, 2, 3, 4].map((i) => `while it is away ${i}`)]);
	assert.ok(result.figures.chat.resent > 0);
});

test('chat refuses what it could not keep, and says so', TIMEOUT, async () => {
	const page = await open(browser,
		url.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:9'));
	await page.click('#start');
	const taken = await page.evaluate(() => {
		let n = 0;
		while (n < 1000 && sluice.say(`message ${n}`))
			n++;
		return n;
	});
	assert.equal(taken, 64);
	assert.match(await page.textContent('#chat-note'), /Not taken/);
	assert.equal(await page.evaluate(() => sluice.say('x'.repeat(16384))), false);
	assert.match(await page.textContent('#chat-note'), /16 KiB/);
	await page.waitForFunction(() =>
		document.getElementById('log').textContent.includes('next try'));
	await page.evaluate(() => sluice.stop());
	await page.close();
});
