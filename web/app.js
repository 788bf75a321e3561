// The page: wires buttons, tracks and figures together.
//
// Parameters: url (of the server), autostart=1, seconds=N (stop after N
// seconds of an unattended run), chat=S (a message every S seconds),
// codec, quality, keep=1 (keep a hash of every packet, for the tests).

import { AudioSender } from './audio.js';
import { Chat } from './chat.js';
import { clock, scaled, Tile, TrackFigures } from './figures.js';
import { FileSender } from './file.js';
import { Log } from './log.js';
import { HEADER_LEN } from './packet.js';
import { deadline, Session } from './session.js';
import { KeptTrack, LiveTrack } from './track.js';
import { cameraConstraints, hasVp8, QUALITY, VideoSender } from './video.js';

const DEFAULT_URL = 'https://127.0.0.1:4433/wt';
const FLUSH_MS = 5_000; // for what is under way when the user stops
const CHAT_WAITING_MAX = 64; // messages

const TRACKS = {
	video: { title: 'Camera', noun: 'frames', hue: 'teal',
		id: 'live_video', type: 'video', bound: 512 * 1024, patience: 500 },
	audio: { title: 'Microphone', noun: 'packets', hue: 'blue',
		id: 'live_audio', type: 'audio', bound: 256 * 1024, patience: 2000 },
	chat: { title: 'Chat', noun: 'messages', hue: 'violet',
		id: 'live_chat', type: 'chat', bound: CHAT_WAITING_MAX },
	screen: { title: 'Screen', noun: 'frames', hue: 'pink',
		id: 'live_screen', type: 'screen', bound: 1024 * 1024, patience: 1000 },
	file: { title: 'Files', noun: 'packets', hue: 'amber' },
};

const params = new URLSearchParams(location.search);
const url = params.get('url') || DEFAULT_URL;
const byId = (id) => document.getElementById(id);
const log = new Log(byId('log'));
const session = new Session(url);

const figures = {};
const tiles = {};
for (const [name, track] of Object.entries(TRACKS)) {
	figures[name] = new TrackFigures();
	tiles[name] = new Tile(byId('tiles'), figures[name], track);
}

const tracks = {
	video: new LiveTrack(session, figures.video, TRACKS.video),
	audio: new LiveTrack(session, figures.audio, TRACKS.audio),
	chat: new KeptTrack(session, figures.chat, TRACKS.chat),
	screen: new LiveTrack(session, figures.screen, TRACKS.screen),
};
const camera = new VideoSender(tracks.video);
const microphone = new AudioSender(tracks.audio);
const screen = new VideoSender(tracks.screen);
const files = new FileSender(session, figures.file);
const chat = new Chat(tracks.chat, byId('messages'), byId('chat-note'));

let running = false;
let connectedAt = 0;

for (const track of Object.values(tracks)) {
	track.addEventListener('log', ({ detail }) =>
		log.add('warn', `${track.type}: ${detail}`));
}
session.oldestWrite = () => Math.max(tracks.video.oldestWrite,
	tracks.audio.oldestWrite, tracks.chat.oldestWrite);

// --- Sources ---------------------------------------------------------------

const quality = () => QUALITY[document.querySelector('[name=quality]:checked').value];

async function codec() {
	const wanted = byId('codec').value;
	if (wanted === 'jpeg' || !await hasVp8())
		return 'jpeg';
	return 'vp8';
}

async function startCamera() {
	const media = await navigator.mediaDevices.getUserMedia({
		video: cameraConstraints(quality()),
	});
	const [track] = media.getVideoTracks();
	camera.start(track, quality(), await codec());
	byId('local').srcObject = media;
	byId('empty').hidden = true;
}

async function stopCamera() {
	byId('local').srcObject = null;
	byId('empty').hidden = false;
	byId('chip').hidden = true;
	await camera.stop();
}

async function startMicrophone() {
	const media = await navigator.mediaDevices.getUserMedia({
		audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true },
	});
	await microphone.start(media.getAudioTracks()[0]);
	byId('level').hidden = false;
}

async function stopMicrophone() {
	byId('level').hidden = true;
	await microphone.stop();
}

async function startScreen() {
	const media = await navigator.mediaDevices.getDisplayMedia({
		video: { frameRate: { max: 10 } },
	});
	const [track] = media.getVideoTracks();
	screen.start(track, { ...QUALITY.high, fps: 10 }, await codec());
	byId('shared').srcObject = media;
	byId('shared').hidden = false;
}

async function stopScreen() {
	byId('shared').hidden = true;
	byId('shared').srcObject = null;
	await screen.stop();
}

const SOURCES = {
	camera: { sender: camera, start: startCamera, stop: stopCamera },
	microphone: { sender: microphone, start: startMicrophone, stop: stopMicrophone },
	screen: { sender: screen, start: startScreen, stop: stopScreen },
};

async function turn(name, on) {
	const source = SOURCES[name];
	const button = byId(name);
	button.disabled = true;
	try {
		if (on && !source.sender.active)
			await source.start();
		else if (!on)
			await source.stop();
	} catch (error) {
		log.add('bad', `${name}: ${error.message || error.name}`);
	}
	button.disabled = !running;
	button.setAttribute('aria-pressed', source.sender.active);
}

for (const name of Object.keys(SOURCES))
	byId(name).addEventListener('click', () => turn(name, !SOURCES[name].sender.active));
for (const [name, sender] of [['camera', camera], ['screen', screen]]) {
	sender.addEventListener('ended', ({ detail }) => {
		log.add(detail ? 'bad' : 'info', `${name} ended${detail && `: ${detail}`}`);
		turn(name, false);
	});
}

async function changeQuality() {
	if (!camera.active)
		return;
	const [track] = byId('local').srcObject.getVideoTracks();
	try {
		await track.applyConstraints(cameraConstraints(quality()));
		camera.setQuality(quality(), await codec());
		log.add('info', `camera: ${quality().width}×${quality().height}, ` +
			`${quality().fps} pictures/s, ${camera.codec.toUpperCase()}`);
	} catch (error) {
		log.add('bad', `camera: ${error.message || error.name}`);
	}
}

byId('quality').addEventListener('change', changeQuality);
byId('codec').addEventListener('change', changeQuality);

// --- Start and stop ----------------------------------------------------------

async function start() {
	running = true;
	byId('start').textContent = 'Stop';
	byId('start').classList.add('running');
	for (const id of ['screen', 'file', 'message', 'send'])
		byId(id).disabled = false;
	session.start();
	await Promise.all([turn('camera', true), turn('microphone', true)]);
}

// What is under way gets a while to arrive; then the session is closed.
async function stop() {
	running = false;
	byId('start').disabled = true;
	for (const id of ['file', 'message', 'send'])
		byId(id).disabled = true;
	const ends = Object.keys(SOURCES).map((name) => turn(name, false));
	try {
		await deadline(Promise.all([...ends, tracks.chat.flush()]), FLUSH_MS,
			'not everything was confirmed before the end');
	} catch (error) {
		log.add('warn', error.message);
	}
	await session.stop();
	byId('start').textContent = 'Start';
	byId('start').classList.remove('running');
	byId('start').disabled = false;
}

byId('start').addEventListener('click', () => running ? stop() : start());

const LEVELS = { connected: 'good', waiting: 'bad', stalled: 'warn' };

session.addEventListener('state', ({ detail }) => {
	const { state } = session;
	const before = byId('state').dataset.state;
	if (state === 'connected' && before !== 'stalled')
		connectedAt = performance.now();
	byId('state').dataset.state = state;
	byId('state-text').textContent = state;
	byId('state').title = detail;
	if (state !== before)
		log.add(LEVELS[state] ?? 'info', state === 'connected'
			? `connected to ${url}` : detail ? `${state}: ${detail}` : state);
});

// --- Chat and files ------------------------------------------------------------

byId('user').value = localStorage.getItem('user') ??
	`guest-${Math.floor(Math.random() * 90 + 10)}`;
byId('user').addEventListener('change', () =>
	localStorage.setItem('user', byId('user').value));
byId('chat-form').addEventListener('submit', (event) => {
	event.preventDefault();
	if (chat.send(byId('user').value, byId('message').value))
		byId('message').value = '';
});

byId('file').addEventListener('click', () => byId('file-input').click());
byId('file-input').addEventListener('change', () => {
	for (const file of byId('file-input').files)
		sendFile(file);
	byId('file-input').value = '';
});

const fileItems = new Map(); // transfer to its list item

function sendFile(file) {
	if (!files.add(file))
		log.add('warn', `file ${file.name}: not taken, too many wait already`);
}

function fileItem(transfer) {
	const item = document.createElement('li');
	const parts = {
		name: document.createElement('span'),
		bar: document.createElement('progress'),
		what: document.createElement('span'),
		button: document.createElement('button'),
	};
	parts.name.className = 'name';
	parts.name.textContent = transfer.name;
	parts.what.className = 'what';
	parts.button.textContent = 'Cancel';
	parts.button.addEventListener('click', () => {
		if (['done', 'failed'].includes(transfer.state))
			item.remove();
		else
			transfer.cancel();
	});
	item.append(...Object.values(parts));
	byId('files').prepend(item);
	return parts;
}

files.addEventListener('change', ({ detail: transfer }) => {
	if (!fileItems.has(transfer))
		fileItems.set(transfer, fileItem(transfer));
	const { bar, what, button } = fileItems.get(transfer);
	const { state, sent, size, why } = transfer;
	bar.max = size || 1;
	bar.value = state === 'done' ? bar.max : sent;
	what.textContent = state === 'sending'
		? `${scaled(sent, 'B')} of ${scaled(size, 'B')}`
		: [state, why].filter(Boolean).join(' ');
	if (state === 'done' || state === 'failed') {
		button.textContent = 'Close';
		fileItems.delete(transfer);
		log.add(state === 'done' ? 'good' : 'bad',
			`file ${transfer.name}: ${state}${why && `, ${why}`}`);
	}
});

// --- Once a second: figures; ten times: the level meter -------------------------

let ticked = performance.now();

function tick() {
	const now = performance.now();
	const seconds = (now - ticked) / 1000;
	ticked = now;
	session.watch();
	for (const name of Object.keys(TRACKS))
		figures[name].tick(seconds);
	tiles.video.show(camera.active);
	tiles.audio.show(microphone.active);
	tiles.chat.show(running);
	tiles.screen.show(screen.active);
	tiles.file.show(figures.file.rate > 0);
	byId('chip').hidden = !camera.active;
	byId('chip').textContent = `${camera.codec.toUpperCase()} ` +
		`${camera.width}×${camera.height} · ${figures.video.perSecond.toFixed(0)} fps`;
	byId('uptime').textContent = session.transport
		? clock((now - connectedAt) / 1000) : '';
	byId('chat-state').textContent = tracks.chat.waiting > 0
		? `${tracks.chat.waiting} waiting`
		: figures.chat.confirm > 0
			? `confirmed in ${figures.chat.confirm.toFixed(1)} ms` : '';
}

setInterval(tick, 1000);
setInterval(() => {
	byId('level').firstElementChild.style.setProperty('--peak',
		Math.sqrt(microphone.peak).toFixed(3));
}, 100);

// --- Unattended runs and tests ----------------------------------------------------

const hashes = {}; // track to promises of SHA-256, in the order sent

async function sha256(bytes) {
	const digest = await crypto.subtle.digest('SHA-256', bytes);
	return Array.from(new Uint8Array(digest), (byte) =>
		byte.toString(16).padStart(2, '0')).join('');
}

if (params.get('keep')) {
	for (const [name, track] of [...Object.entries(tracks), ['file', files]]) {
		hashes[name] = [];
		track.sent = (packet) =>
			hashes[name].push(sha256(packet.subarray(HEADER_LEN)));
	}
}

/** What scripts and tests ask for. */
globalThis.sluice = {
	get state() {
		return session.state;
	},
	get connects() {
		return session.connects;
	},
	figures: () => Object.fromEntries(Object.entries(figures).map(
		([name, track]) => [name, track.counts])),
	hashes: (name) => Promise.all(hashes[name]),
	start, stop, sendFile,
	say: (message) => chat.send(byId('user').value, message),
	done: null, // of an unattended run: resolves to its figures
};

const connected = () => new Promise((resolve) => {
	if (session.transport)
		resolve();
	else
		session.addEventListener('open', resolve, { once: true });
});

async function runUnattended(seconds, chatEvery) {
	let spoken = 0;
	const speak = () => chat.send(byId('user').value, `message ${++spoken}`);
	start();
	await connected();
	speak();
	const speaking = setInterval(speak, chatEvery * 1000);
	await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
	clearInterval(speaking);
	await stop();
	return globalThis.sluice.figures();
}

byId('url').textContent = url;
if (params.has('codec'))
	byId('codec').value = params.get('codec');
if (params.has('quality'))
	document.querySelector(`[name=quality][value=${params.get('quality')}]`).checked = true;
if (!('WebTransport' in globalThis)) {
	log.add('bad', 'This browser has no WebTransport.');
	byId('start').disabled = true;
} else if (params.get('autostart')) {
	const seconds = Number(params.get('seconds'));
	if (seconds > 0)
		globalThis.sluice.done = runUnattended(seconds, Number(params.get('chat')) || 2);
	else
		start();
}
tick();
