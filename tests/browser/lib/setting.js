/* A site and a signed-in browser: what nearly every scenario begins with. */
import { profile, tab } from './browser.js';
import { Gate } from './gate.js';
import { Site } from './site.js';

/** A site whose pages come straight from the web server. */
export async function direct(undo, options = {}) {
	const site = await Site.start(undo, options);
	const context = await profile(undo, site.origin, site.cookie, await site.mint());
	return { site, context, open: (wishes = {}, url) => tab(context, site.origin, wishes, url) };
}

/** A site behind a gate that can misbehave. */
export async function gated(undo, options = {}) {
	const gate = await Gate.start(undo);
	const site = await Site.start(undo, { ...options, origins: [gate.origin] });
	gate.target = site.origin;
	const context = await profile(undo, gate.origin, site.cookie, await site.mint());
	return { site, gate, context, open: (wishes = {}, url) => tab(context, gate.origin, wishes, url) };
}
