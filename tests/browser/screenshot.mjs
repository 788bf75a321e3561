// Pictures of the page during a real run, for the README.
//
//	node screenshot.mjs URL CAMERA WIDE.png PHONE.png
//
// CAMERA is an .mjpeg file that stands in for the camera.

import { launch, open } from './chromium.mjs';

const [url, camera, wide, phone] = process.argv.slice(2);

const WORDS = [
	'Camera, microphone and this chat share one QUIC connection.',
	'Each is a stream of its own, so none waits for another.',
	'✓ received: the server has acknowledged the stream this was on.',
];

async function picture(browser, width, height, path) {
	const page = await open(browser, url, width, height);
	await page.fill('#user', 'Ada');
	await page.click('#start');
	await page.waitForFunction(() => sluice.state === 'connected');
	for (const [i, words] of WORDS.entries()) {
		await page.fill('#message', words);
		await page.press('#message', 'Enter');
		await page.waitForFunction((n) =>
			document.querySelectorAll('#messages .ok').length === n, i + 1);
	}
	await page.setInputFiles('#file-input', [{ name: 'minutes.pdf',
		mimeType: 'application/pdf', buffer: Buffer.alloc(9_000_000, 'x') }]);
	// The curves want some seconds to be curves.
	await page.waitForFunction(() => sluice.figures().video.packets > 300, null,
		{ timeout: 90_000 });
	await page.evaluate(() => {
		document.activeElement.blur();
		scrollTo(0, 0);
	});
	await page.screenshot({ path });
	await page.evaluate(() => sluice.stop());
	await page.close();
}

const browser = await launch([`--use-file-for-fake-video-capture=${camera}`]);
try {
	await picture(browser, 1280, 800, wide);
	await picture(browser, 390, 844, phone);
} finally {
	await browser.close();
}
