/* Runs the tests of unit/ with Node's own runner, in a process of its own, and returns its results. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { here } from './site.js';
import { end, start } from './process.js';

export async function unitTests() {
	const tests = [];
	for (const file of readdirSync(join(here, 'unit')).filter((name) => name.endsWith('.test.js'))) {
		const started = Date.now();
		const child = start(process.execPath, ['--test', join(here, 'unit', file)]);
		child.stdin.end();
		const timer = setTimeout(() => end(child, 'SIGKILL'), 60000);
		const code = await child.ended;
		clearTimeout(timer);
		tests.push({
			name: `unit/${file}`,
			error: code === 0 ? null : child.said,
			ms: Date.now() - started,
		});
	}
	return tests;
}
