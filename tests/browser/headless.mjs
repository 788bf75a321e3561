// An unattended run of the page, for scripts/run --headless: opens URL, lets
// it send for SECONDS, prints what it says it sent, one line a track:
// TRACK PACKETS BYTES SKIPPED LOST RESENT.
//
//	node headless.mjs URL SECONDS [SCREENSHOT]

import { launch, open } from './chromium.mjs';

const START_MS = 30_000; // for the page to connect, and to end afterwards

const [url, seconds, screenshot] = process.argv.slice(2);
const address = new URL(url);
address.searchParams.set('autostart', '1');
address.searchParams.set('seconds', seconds);
address.searchParams.set('chat', '2');

const browser = await launch();
try {
	const page = await open(browser, address.href);
	await page.waitForFunction(() => globalThis.sluice?.state === 'connected',
		null, { timeout: START_MS });
	console.error(`the page is connected and sends for ${seconds} s`);
	const done = page.evaluate(() => globalThis.sluice.done);
	if (screenshot) {
		await page.waitForFunction((ms) => performance.now() > ms,
			(Number(seconds) - 1) * 1000, { timeout: 0 });
		await page.screenshot({ path: screenshot });
	}
	const figures = await done;
	for (const [name, track] of Object.entries(figures)) {
		console.log(name, track.packets, track.bytes, track.skipped,
			track.lost, track.resent);
	}
} catch (error) {
	console.error(`headless: ${error.message}`);
	process.exitCode = 1;
} finally {
	await browser.close();
}
