/* Sessions that end at a chosen time, past ones too, which the tool does not sign. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mint } from '../../../scripts/examples/node/session.mjs';

/** A token for ann and all channels, with that end in ms since 1970. */
export function mintAt(site, endMs) {
	const secret = readFileSync(join(site.dir, 's/keys/secret.key'), 'utf8').trim();
	const time = (ms) => new Date(ms).toISOString().replace(/\.\d+/, '');
	return mint(secret, { sub: 'ann', iat: time(endMs - 60000), exp: time(endMs), channels: ['*'] });
}
