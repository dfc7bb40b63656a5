/* Proves: the same server serves EventSource clients that are not ours, the native one included. */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { resolve } from '../lib/browser.js';
import { becomes, equal, long, ok, short, texts, until } from '../lib/scenario.js';
import { direct, gated } from '../lib/setting.js';

const load = (name) => import(pathToFileURL(resolve(name)));

/** What every client must see across a cut: each event once, in order. */
async function acrossACut({ site, gate }, seen, cut = () => gate.cut()) {
	await until('the stream is open', async () => (await site.streams()) === 1);
	await site.publish('a', texts(1, 5));
	await becomes(texts(1, 5), seen);
	cut();
	await site.publish('a', texts(6, 10));
	await becomes(texts(1, 10), seen);
}

short('native EventSource', async (undo) => {
	const setting = await gated(undo);
	const { page } = await setting.open(null);
	await page.evaluate(() => {
		window.got = [];
		window.controls = [];
		window.source = new EventSource('/events?channel=a');
		window.source.onmessage = ({ data }) => window.got.push(data);
		for (const type of ['sluice:hello', 'sluice:ping']) {
			window.source.addEventListener(type, ({ data, lastEventId }) =>
				window.controls.push([type, JSON.parse(data), lastEventId]),
			);
		}
	});
	await acrossACut(setting, () => page.evaluate(() => window.got));
	await until('it pings', () =>
		page.evaluate(() => window.controls.some(([type]) => type === 'sluice:ping')),
	);
	const [[, hello, id]] = await page.evaluate(() => window.controls);
	equal([hello.heartbeat, hello.channels], [1, ['a']]);
	ok(/^\d+-[0-9a-f]{8}$/.test(id));
});

short('npm: eventsource', async (undo) => {
	const { EventSource } = await load('eventsource');
	const setting = await gated(undo);
	const token = await setting.site.mint();
	const headers = { Authorization: `Bearer ${token}` };
	const source = new EventSource(`${setting.gate.origin}/events?channel=a`, {
		fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...headers } }),
	});
	undo(async () => source.close());
	const seen = [];
	source.onmessage = ({ data }) => seen.push(data);
	await acrossACut(setting, () => seen);
});

short('npm: eventsource-parser', async (undo) => {
	const { createParser } = await load('eventsource-parser');
	const { site } = await direct(undo);
	const hard = [
		'',
		'a\nb',
		'\n\n',
		' leading',
		'data: x',
		':',
		'\ufeffbom',
		'\u2028',
		'é€😀'.repeat(2000),
		'{"a":[1]}',
	];
	await site.publish('a', hard);
	const abort = new AbortController();
	const headers = { Accept: 'text/event-stream', Authorization: `Bearer ${await site.mint()}` };
	const plain = [];
	const enveloped = [];
	async function read(address, got) {
		const parser = createParser({
			onEvent: (event) => event.event?.startsWith('sluice:') || got.push(event),
		});
		const { body } = await fetch(site.origin + address, { headers, signal: abort.signal });
		for await (const piece of body.pipeThrough(new TextDecoderStream())) parser.feed(piece);
	}
	const reading = [
		read('/events?channel=a&last_event_id=0', plain).catch(() => {}),
		read('/events?channel=a&last_event_id=0&envelope=json', enveloped).catch(() => {}),
	];
	undo(async () => (abort.abort(), Promise.all(reading)));
	await becomes(hard, () => plain.map(({ data }) => data));
	await becomes(hard, () => enveloped.map(({ data }) => JSON.parse(data).data));
	const poll = await (await fetch(`${site.origin}/api/poll?channel=a&since=0`, { headers })).json();
	equal(
		poll.events,
		enveloped.map(({ data }) => JSON.parse(data)),
	);
	equal(
		poll.events.map(({ id }) => id),
		plain.map(({ id }) => id),
	);
});

short('npm: @microsoft/fetch-event-source', async (undo) => {
	const setting = await gated(undo);
	const { page } = await setting.open(null);
	await page.addScriptTag({ type: 'module', url: '/pages/fetch-event-source.js' });
	await acrossACut(setting, () => page.evaluate(() => window.got ?? []));
});

long('sluice.d.ts says what sluice.js is', async () => {
	const { default: ts } = await load('typescript');
	const file = new URL('../types.ts', import.meta.url).pathname;
	const options = {
		strict: true,
		noEmit: true,
		target: ts.ScriptTarget.ES2022,
		lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
		module: ts.ModuleKind.ES2022,
		moduleResolution: ts.ModuleResolutionKind.Bundler,
		types: [],
	};
	const program = ts.createProgram([file], options);
	const problems = ts
		.getPreEmitDiagnostics(program)
		.map((d) => `${d.file?.fileName}: ${ts.flattenDiagnosticMessageText(d.messageText, '\n')}`);
	equal(problems, []);
	// Every public name of the class is in the types.
	const { Sluice } = await import('../unit/subject.js');
	const types = readFileSync(new URL('../../../scripts/sluice.d.ts', import.meta.url), 'utf8');
	for (const name of Object.getOwnPropertyNames(Sluice.prototype)) {
		ok(
			name === 'constructor' || new RegExp(`\\b${name}\\b`).test(types),
			`${name} is in the types`,
		);
	}
});
