/* Proves: the examples in PHP, Python and Node sign in, publish, stay safe, and sign out, each as it is shipped. */
import { join } from 'node:path';
import { profile } from '../lib/browser.js';
import { end, freePort, listening, start } from '../lib/process.js';
import { becomes, equal, long, ok, short, until } from '../lib/scenario.js';
import { source } from '../lib/site.js';

const TEXTS = [
	'hello',
	"it's; DROP TABLE events; --",
	'<img src=x onerror="window.hacked = 1">',
	'.shell true',
	'é € 😀 \\n',
];

async function runExample(undo, language) {
	const port = await freePort();
	const example = start(join(source, 'scripts/examples/run'), [language], {
		env: { ...process.env, PORT: String(port) },
	});
	undo(() => end(example));
	await listening({ port, host: '127.0.0.1' });
	return { origin: `http://127.0.0.1:${port}`, example };
}

const said = (page) =>
	page.evaluate(() => [...document.querySelectorAll('#said li')].map((li) => li.textContent));
const status = (page) => page.evaluate(() => document.getElementById('status').textContent);

async function signIn(context, origin, name) {
	const page = await context.newPage();
	await page.goto(origin);
	await page.locator('#login input').fill(name, { timeout: 10000 });
	await page.locator('#login button').click();
	await until('it is live', async () => (await status(page).catch(() => '')) === 'open, by stream');
	return page;
}

async function tryExample(undo, language) {
	const { origin, example } = await runExample(undo, language);
	const answers = () =>
		fetch(origin).then(
			({ ok: is }) => is,
			() => false,
		);
	await until('the program answers', answers).catch((error) =>
		Promise.reject(new Error(`${error.message}: ${example.said}`)),
	);
	const ann = await signIn(await profile(undo, origin), origin, 'ann');
	const context = await profile(undo, origin);
	const bob = await signIn(context, origin, 'bob');
	for (const text of TEXTS) {
		await ann.locator('#say input').fill(text);
		await ann.locator('#say button').click();
		await until('it was sent', async () => (await ann.locator('#say input').inputValue()) === '');
	}
	const expected = TEXTS.map((text) => `ann: ${text}`);
	for (const page of [ann, bob]) await becomes(expected, () => said(page));
	equal(await bob.evaluate(() => [window.hacked, document.querySelectorAll('#said li *').length]), [
		undefined,
		0,
	]);

	const post = (page, path) =>
		page.evaluate(async (p) => (await fetch(p, { method: 'POST', body: 'x' })).status, path);
	equal(await post(ann, '/renew'), 204);
	// A POST from elsewhere, one without a session, and one with a session that nobody signed.
	const foreign = { method: 'POST', headers: { Origin: 'http://evil.example' } };
	equal((await fetch(`${origin}/publish`, foreign)).status, 403);
	equal(
		(await fetch(`${origin}/publish`, { method: 'POST', headers: { Origin: origin } })).status,
		401,
	);
	for (const token of ['v4.public.', `v4.public.${'A'.repeat(200)}`, 'x']) {
		const headers = { Origin: origin, Cookie: `sluice=${token}` };
		equal((await fetch(`${origin}/publish`, { method: 'POST', headers })).status, 401);
	}
	const [{ value, httpOnly, sameSite }] = await context.cookies(origin);
	equal([httpOnly, sameSite], [true, 'Lax']);

	await bob.locator('#logout button').click();
	await until('bob is out', async () => (await status(bob).catch(() => '')) === 'signed out');
	const old = { headers: { Cookie: `sluice=${value}`, Accept: 'application/json' } };
	equal((await (await fetch(`${origin}/api/poll`, old)).json()).code, 'revoked');
	ok((await status(ann)) === 'open, by stream', 'ann is not');
}

short('the example in php', (undo) => tryExample(undo, 'php'));
for (const language of ['python', 'node'])
	long(`the example in ${language}`, (undo) => tryExample(undo, language));
