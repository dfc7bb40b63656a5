/* Proves: the demo shows the transport, falls back and recovers before one's eyes, shares a stream, and loses nothing. */
import { readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { profile } from '../lib/browser.js';
import { end, folder, freePort, run, start } from '../lib/process.js';
import { becomes, equal, long, ok, short, texts, until } from '../lib/scenario.js';
import { build, sluicectl, source } from '../lib/site.js';

const text = (page, id) => page.evaluate((name) => document.getElementById(name).textContent, id);

const lobby = (page) =>
	page.evaluate(() => {
		const rows = document.querySelectorAll('[data-channel="chat/lobby"] .text');
		return [...rows].map((row) => row.textContent).reverse();
	});

/** Runs the demo with a log of its own. */
async function runDemo(undo) {
	const place = folder();
	for (const name of ['sluice.fcgi', 'sluicectl']) symlinkSync(join(build, name), join(place, name));
	const port = await freePort();
	const demo = start(join(source, 'scripts/demo/run'), [], {
		env: { ...process.env, PORT: String(port), BUILD: place },
	});
	undo(() => end(demo, 'SIGINT'));
	const origin = `http://127.0.0.1:${port}`;
	await until(
		'the demo answers',
		() =>
			fetch(`${origin}/api/health`).then(
				({ ok: is }) => is,
				() => false,
			),
		20000,
	);
	return { demo, origin, conf: join(place, 'demo/site/sluice.conf') };
}

/** The process of the demo's responder: the one that descends from the demo. Only root may read its environment. */
function responderOf(demo) {
	const status = (pid, name) =>
		readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${name}:\\t(.*)$`, 'm'))[1];
	const descends = (pid) => pid === demo.pid || (pid > 1 && descends(Number(status(pid, 'PPid'))));
	const isIt = (pid) => {
		try {
			return status(pid, 'Name') === 'sluice.fcgi' && descends(Number(pid));
		} catch {
			return false; // It has ended.
		}
	};
	return Number(readdirSync('/proc').find((name) => /^\d+$/.test(name) && isIt(name)));
}

async function tryDemo(undo, stoppedMs) {
	const { demo, origin, conf } = await runDemo(undo);
	const publish = (data) =>
		run(
			sluicectl,
			['-c', conf, 'publish', '--lines', '--channel', 'chat/lobby'],
			data.join('\n') + '\n',
		);
	const context = await profile(undo, origin);
	const first = await context.newPage();
	const errors = [];
	first.on('pageerror', (error) => errors.push(String(error)));
	first.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
	await first.goto(origin);
	await first.fill('#name', 'ann');
	await first.click('#sign-in button');
	await until('it is live', async () => (await text(first, 'state')) === 'live');
	equal([await text(first, 'transport'), await text(first, 'user')], ['stream', 'ann']);
	await until('it shows what came before', async () => (await lobby(first)).length > 0);
	const [greeting] = await lobby(first);
	ok(greeting.startsWith('The demo was started'), greeting);

	const second = await context.newPage();
	await second.goto(origin);
	await becomes('stream, of another tab', () => text(second, 'transport'));
	await first.fill('#text', '<img src=x onerror=alert(1)>');
	await first.click('#publish button');
	const said = [greeting, 'ann: <img src=x onerror=alert(1)>'];
	for (const page of [first, second]) await becomes(said, () => lobby(page));

	await second.click('#break');
	await becomes('poll', () => text(first, 'transport'));
	await becomes('poll, of another tab', () => text(second, 'transport'));
	await publish(texts(1, 3));
	for (const page of [first, second]) await becomes([...said, ...texts(1, 3)], () => lobby(page));
	if (process.env.SHOTS) await second.screenshot({ path: join(process.env.SHOTS, 'demo-poll.png') });
	await second.click('#break');
	await becomes('stream', () => text(first, 'transport'), 20000);

	const stopped = responderOf(demo);
	process.kill(stopped, 'SIGSTOP');
	await publish(texts(4, 6));
	const at = Date.now();
	await until('it stood still for so long', () => Date.now() - at > stoppedMs, 2 * stoppedMs);
	process.kill(stopped, 'SIGCONT');
	for (const page of [first, second]) await becomes([...said, ...texts(1, 6)], () => lobby(page));
	process.kill(stopped, 'SIGKILL');
	await publish(texts(7, 9));
	for (const page of [first, second])
		await becomes([...said, ...texts(1, 9)], () => lobby(page), 30000);
	await becomes('stream', () => text(first, 'transport'), 30000);
	if (process.env.SHOTS) await first.screenshot({ path: join(process.env.SHOTS, 'demo.png') });

	await first.close();
	await becomes('stream', () => text(second, 'transport'));
	await publish(['event 10']);
	await becomes([...said, ...texts(1, 10)], () => lobby(second));
	await second.click('#sign-out button');
	await until('it is out', () => second.evaluate(() => !document.getElementById('sign-in').hidden));
	equal(
		errors.filter((words) => !/status of (401|403|50\d)|ERR_|EventSource/.test(words)),
		[],
	);
}

short('the demo', (undo) => tryDemo(undo, 2000));

long('the demo, with its responder stopped for ten seconds', (undo) => tryDemo(undo, 10000));
