/*
 * Types of sluice.js, the browser client of Sluice.
 */

/** How the events come at the moment; empty before the first connection. */
export type SluiceTransport = 'stream' | 'poll' | '';

/** `session`: the server refuses the session, and the client waits for resume(). */
export type SluiceState = 'connecting' | 'open' | 'session' | 'closed';

export interface SluiceOptions {
	/** Channels, and prefixes that end in `*`, added to those in the address; none: all that the session grants. */
	channels?: Iterable<string>;

	/** Address of the poll; `/api/poll` of the stream's origin by default. */
	poll?: string | URL;

	/** Whether cookies are sent to another origin, as for EventSource. */
	withCredentials?: boolean;

	/**
	 * After which event to begin: an id (`0`: with the oldest event kept), or `'session'` to go on after a
	 * reload where this tab was, which is kept in sessionStorage. By default from the moment of the first
	 * `open`. Throws a TypeError when it is no id.
	 */
	since?: string | number | 'session' | null;

	/**
	 * One connection for all tabs of this origin that ask for the same address and channels. Needs Web Locks
	 * and BroadcastChannel; without them each tab has its own.
	 */
	share?: boolean;
}

/** An event of the log, of the type that its publisher gave it. */
export interface SluiceEvent extends MessageEvent<string> {
	readonly channel: string;
	/** When it was committed: RFC 3339, UTC. */
	readonly at: string;
}

/** Events that are gone. What follows goes on from what there is. */
export interface SluiceGapEvent extends Event {
	readonly gap: {
		/** The id after which this page wanted to go on. */
		requested: string;
		oldest: string;
		newest: string;
		reason: 'pruned' | 'ahead' | 'epoch' | 'invalid';
	};
	/** Where it goes on. */
	readonly lastEventId: string;
}

export interface SluiceTransportEvent extends Event {
	readonly transport: SluiceTransport;
	/** Whether the connection is another tab's. */
	readonly shared: boolean;
	/** Why it changed: `refused`, `mute`, `lost`, `garbled`, `recovered`, `expired`, `revoked`; or empty. */
	readonly reason: string;
}

export interface SluiceSessionEvent extends Event {
	/**
	 * `expiring`: it will end at `expires`; renew the cookie and call resume(). All others: it has ended,
	 * and nothing more comes until resume(). `refused`: there is none, it is no good, or it does not cover
	 * this Origin or these channels; `code` says which.
	 */
	readonly reason: 'expiring' | 'expired' | 'revoked' | 'refused';
	readonly expires?: Date;
	/** The server's code: `no_session`, `bad_session`, `expired`, `revoked`, `channel`, `origin`, `tls_required`. */
	readonly code?: string;
	readonly message?: string;
}

export interface SluiceStateEvent extends Event {
	readonly state: SluiceState;
	readonly reason: string;
}

/** One failed attempt, or the loss of the connection. The client goes on by itself unless readyState is CLOSED. */
export interface SluiceErrorEvent extends Event {
	readonly reason: string;
}

export interface SluiceEventMap {
	message: SluiceEvent;
	open: Event;
	error: SluiceErrorEvent;
	gap: SluiceGapEvent;
	transport: SluiceTransportEvent;
	session: SluiceSessionEvent;
	state: SluiceStateEvent;
}

type Handler<K extends keyof SluiceEventMap> =
	((this: Sluice, event: SluiceEventMap[K]) => unknown) | null;

/**
 * Stands in for an EventSource. Listeners of any other type get the events of that type. A publisher's
 * event whose type is one of the client's own (`open`, `error`, `gap`, `transport`, `session`, `state`), or
 * begins with `data:`, arrives with `data:` before its type.
 */
export class Sluice extends EventTarget {
	constructor(url: string | URL, options?: SluiceOptions);

	static readonly CONNECTING: 0;
	static readonly OPEN: 1;
	static readonly CLOSED: 2;
	readonly CONNECTING: 0;
	readonly OPEN: 1;
	readonly CLOSED: 2;

	readonly url: string;
	readonly withCredentials: boolean;
	/** CLOSED after close(), and while it waits for a session. */
	readonly readyState: 0 | 1 | 2;
	readonly state: SluiceState;
	readonly transport: SluiceTransport;
	/** Whether the connection is another tab's. */
	readonly shared: boolean;
	/** The place in the log that this page has reached; `since` of another client may go on from it. */
	readonly lastEventId: string;

	onmessage: Handler<'message'>;
	onopen: Handler<'open'>;
	onerror: Handler<'error'>;
	ongap: Handler<'gap'>;
	ontransport: Handler<'transport'>;
	onsession: Handler<'session'>;
	onstate: Handler<'state'>;

	addEventListener<K extends keyof SluiceEventMap>(
		type: K,
		listener: (this: Sluice, event: SluiceEventMap[K]) => unknown,
		options?: boolean | AddEventListenerOptions,
	): void;
	addEventListener(
		type: string,
		listener: ((this: Sluice, event: SluiceEvent) => unknown) | EventListenerObject | null,
		options?: boolean | AddEventListenerOptions,
	): void;
	removeEventListener<K extends keyof SluiceEventMap>(
		type: K,
		listener: (this: Sluice, event: SluiceEventMap[K]) => unknown,
		options?: boolean | EventListenerOptions,
	): void;
	removeEventListener(
		type: string,
		listener: ((this: Sluice, event: SluiceEvent) => unknown) | EventListenerObject | null,
		options?: boolean | EventListenerOptions,
	): void;

	/** Connects anew, at the same place, with the cookie that there is now: after signing in or renewing. */
	resume(): void;

	/** For good. */
	close(): void;
}

export default Sluice;
