/* The client as a module, which a Node before 20 would not see in a .js file without a package.json. */
import { readFileSync } from 'node:fs';

const text = readFileSync(new URL('../../../scripts/sluice.js', import.meta.url));

export const { Backoff, Cursor, Sluice } = await import(
	`data:text/javascript;base64,${text.toString('base64')}`
);
