// Debian's Chromium, headless, with a fake camera and microphone.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM || '/usr/bin/chromium';

const ARGS = [
	'--use-fake-device-for-media-stream',
	'--use-fake-ui-for-media-stream',
	'--autoplay-policy=no-user-gesture-required',
];

/** Whether there is a Chromium to drive. */
export const present = () => existsSync(EXECUTABLE);

/** A browser, with more arguments if need be; close() it. */
export function launch(more = []) {
	const args = [...ARGS, ...more];
	// Root has no user namespace of its own to put a sandbox in.
	if (process.getuid() === 0)
		args.push('--no-sandbox');
	return chromium.launch({ executablePath: EXECUTABLE, args });
}

/** Opens url in a window of that size; errors of the page go to stderr. */
export async function open(browser, url, width = 1280, height = 800) {
	const page = await browser.newPage({ viewport: { width, height } });
	page.on('pageerror', (error) => console.error(`page: ${error.message}`));
	page.on('console', (message) => {
		if (message.type() === 'error')
			console.error(`page: ${message.text()}`);
	});
	await page.goto(url);
	return page;
}
