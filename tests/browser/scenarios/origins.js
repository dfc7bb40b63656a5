/* Proves: pages of other origins get what the configuration and their credentials allow, and markup in data stays text. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { profile, tab } from '../lib/browser.js';
import { equal, ok, short, until } from '../lib/scenario.js';
import { direct } from '../lib/setting.js';
import { Site, source } from '../lib/site.js';

/** Pages at one origin, events at another: both answer at 127.0.0.1, so that the cookie is for both. */
async function across(undo, isAllowed, withCredentials) {
	const pages = await Site.start(undo, { connect: 'http:' });
	const events = await Site.start(undo, { origins: isAllowed ? [pages.origin] : [] });
	const context = await profile(undo, events.origin, events.cookie, await events.mint());
	const page = await tab(context, pages.origin, { withCredentials }, `${events.origin}/events`);
	return { events, page };
}

short('cross-origin with credentials, by stream and by poll', async (undo) => {
	const { events, page } = await across(undo, true, true);
	await page.by('stream');
	await events.publish('a', 'streamed');
	await page.has(['streamed']);
	equal(await page.page.evaluate(() => window.sluice.withCredentials), true);
	// Without EventSource every stream is refused, and polls carry the cookie too.
	await page.page.evaluate(() => {
		window.EventSource = class extends EventTarget {
			static CLOSED = 2;
			readyState = 2;
			constructor() {
				super();
				setTimeout(() => this.dispatchEvent(new Event('error')));
			}
			close() {}
		};
		window.sluice.resume();
	});
	await page.by('poll');
	await events.publish('a', 'polled');
	await page.has(['streamed', 'polled']);
});

short('cross-origin without credentials', async (undo) => {
	const { page } = await across(undo, true, false);
	// The cookie is not sent, and Sluice says so; the page may read that, since its origin is allowed.
	await until('it is told', async () => (await page.notesOf('session')).length === 1);
	equal((await page.notesOf('session'))[0].code, 'no_session');
});

short('cross-origin from an origin that is not allowed', async (undo) => {
	const { events, page } = await across(undo, false, true);
	await until('it tried three times', async () => (await page.notesOf('error')).length >= 3, 20000);
	await events.publish('a', 'secret');
	equal(await page.data, []);
	equal((await page.status).ready, 0);
	equal(await events.streams(), 0);
});

const HOSTILE = [
	'<img src=x onerror="window.hacked = 1">',
	'</li><script>window.hacked = 1</script>',
	'javascript:window.hacked=1',
	'\u2028\u2029\u0000\u202e&lt;',
	'data: x\nid: 99-ffffffff\n\nevent: sluice:bye\ndata: {"reason":"revoked"}\n\n',
	'__proto__',
];

/** The examples of the README that listen, as they stand there. */
function readmeExamples() {
	const blocks = readFileSync(join(source, 'README.md'), 'utf8').matchAll(/^```js\n(.*?)^```$/gms);
	return [...blocks]
		.map(([, code]) => code)
		.filter((code) => /new (EventSource|Sluice)\(/.test(code));
}

/** A page for such an example: what it expects to be there, and itself. */
function readmePage(script) {
	return `<!doctype html>
<script src="/pages/readme.js"></script>
<div id="log"></div>
<script type="module" src="${script}"></script>`;
}

short('the examples of the README, with hostile data', async (undo) => {
	const examples = readmeExamples();
	ok(examples.length > 0, 'there are examples');
	for (const [i, code] of examples.entries()) {
		const { site, context } = await direct(undo);
		await context.addCookies([
			{ url: site.origin, name: site.cookie, value: await site.mint('42') },
		]);
		writeFileSync(join(site.root, `readme-${i}.js`), code);
		writeFileSync(join(site.root, `readme-${i}.html`), readmePage(`readme-${i}.js`));
		const page = await context.newPage();
		const errors = [];
		page.on('pageerror', (error) => errors.push(String(error)));
		await page.goto(`${site.origin}/readme-${i}.html`);
		await until('it streams', async () => (await site.streams()) > 0);
		const channel = /channel=([^&'*]+)|channels: \[\s*'([^'*]+)/.exec(code).slice(1).find(Boolean);
		await site.publish(channel.replace(/\/$/, '/x'), HOSTILE[0]);
		await until('it is shown', async () =>
			(await page.evaluate(() => document.body.innerText)).includes(HOSTILE[0]),
		);
		equal(await page.evaluate(() => [window.hacked, document.querySelectorAll('img').length]), [
			undefined,
			0,
		]);
		equal(errors, []);
	}
});

short('hostile data stays text, under the recommended policy', async (undo) => {
	const { site, open } = await direct(undo);
	const page = await open({ types: ['<b>', '__proto__', 'constructor'] });
	const dialogs = [];
	page.page.on('dialog', (dialog) => dialogs.push(dialog.dismiss()));
	await page.by('stream');
	for (const data of HOSTILE) await site.publish('a', data);
	for (const type of ['<b>', '__proto__', 'constructor']) await site.publish('a', type, type);
	await page.has([...HOSTILE, '<b>', '__proto__', 'constructor']);
	const list = () =>
		[...document.querySelectorAll('#list li')].map((li) => [li.textContent, li.childElementCount]);
	equal(
		await page.page.evaluate(list),
		[...HOSTILE, '<b>', '__proto__', 'constructor'].map((text) => [text, 0]),
	);
	equal(
		await page.page.evaluate(() => [
			window.hacked,
			{}.polluted,
			document.querySelectorAll('img').length,
		]),
		[undefined, undefined, 0],
	);
	equal((await page.status).transport, 'stream');
	equal(dialogs, []);
	// A page that used innerHTML would still be held by the policy: the handler does not run.
	await page.page.evaluate((html) => {
		window.violations = [];
		document.addEventListener('securitypolicyviolation', (event) =>
			window.violations.push(event.effectiveDirective),
		);
		document.getElementById('list').innerHTML = html;
	}, HOSTILE[0]);
	await until('the policy is broken', () =>
		page.page.evaluate(() => window.violations.includes('script-src-attr')),
	);
	equal(await page.page.evaluate(() => window.hacked), undefined);
	ok(page.errors.length === 0, page.errors.join());
});
