/* Debian's Chromium, started once; each scenario gets a context (a profile) of its own. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { folder } from './process.js';
import { build } from './site.js';
import { becomes } from './scenario.js';

const require = createRequire(join(build, 'browser/'));
const ARGS = [
	'--no-sandbox', // The tests may run as root, which Chromium's sandbox refuses.
	'--disable-gpu',
	'--disable-quic',
	'--no-first-run',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
];
let browser = null;

/** The path of an npm package's file. */
export const resolve = (name) => require.resolve(name);

function open() {
	const { chromium } = require('playwright-core');
	// Playwright switches the cache for the back button off, and a test needs it.
	return chromium.launch({
		executablePath: '/usr/bin/chromium',
		args: ARGS,
		ignoreDefaultArgs: ['--disable-back-forward-cache'],
		env: { ...process.env, HOME: folder() },
	});
}

export async function closeBrowser() {
	await (await browser)?.close();
	browser = null;
}

/** A profile with the session's cookie for that origin, if a token is given. */
export async function profile(undo, origin, cookie, token) {
	browser ??= open();
	const context = await (await browser).newContext({ ignoreHTTPSErrors: true });
	undo(() => context.close());
	if (token) await signIn(context, origin, cookie, token);
	return context;
}

export function signIn(context, origin, cookie, token) {
	const secure = cookie.startsWith('__Host-');
	return context.addCookies([
		{ url: origin + '/', name: cookie, value: token, httpOnly: true, secure, sameSite: 'Lax' },
	]);
}

/** A page of the tests with the client in it; the functions below ask it. */
export async function tab(context, origin, options, url = '/events') {
	const page = await context.newPage();
	const tab = new Tab(page, origin);
	await page.goto(origin + '/pages/test.html');
	await page.waitForFunction('window.ready', null, { polling: 20 });
	if (options) await tab.open(options, url);
	return tab;
}

class Tab {
	constructor(page, origin) {
		this.page = page;
		this.origin = origin;
		this.errors = [];
		page.on('pageerror', (error) => this.errors.push(String(error)));
	}

	/** Makes the client: `new Sluice(url, options)`, listening also to the types given. */
	open({ types = [], ...options } = {}, url = '/events') {
		return this.page.evaluate(([u, o, t]) => window.open_sluice(u, o, t), [url, options, types]);
	}

	/** Runs a function in the page with the client as `sluice`. */
	do(text) {
		return this.page.evaluate(`(() => { const sluice = window.sluice; ${text} })()`);
	}

	get data() {
		return this.page.evaluate(() => window.seen.map((event) => event.data));
	}

	get seen() {
		return this.page.evaluate(() => window.seen);
	}

	/** What the client said of itself: [type, details] each. */
	get notes() {
		return this.page.evaluate(() => window.notes);
	}

	async notesOf(type) {
		return (await this.notes).filter(([name]) => name === type).map(([, details]) => details);
	}

	get status() {
		return this.page.evaluate(() => ({
			state: window.sluice.state,
			transport: window.sluice.transport,
			ready: window.sluice.readyState,
		}));
	}

	/** Waits until it is open by that transport. */
	by(transport, ms) {
		return becomes({ state: 'open', transport, ready: 1 }, () => this.status, ms);
	}

	/** Waits until exactly these data have come. */
	has(data, ms) {
		return becomes(data, () => this.data, ms);
	}
}
