/*
 * Sessions for Sluice in Node: PASETO v4.public tokens, signed and verified with Node's own Ed25519.
 * https://github.com/paseto-standard/paseto-spec/blob/master/docs/01-Protocol-Versions/Version4.md
 */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';

const HEADER = 'v4.public.';
const SIGNATURE = 64;

/** What node:crypto wants before the 32 bytes of a key (RFC 8410). */
const PRIVATE_DER = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_DER = Buffer.from('302a300506032b6570032100', 'hex');

/** The bytes of a PASERK line such as k4.secret.…, whose secret is a seed and the public key. */
function keyBytes(paserk, kind) {
	if (!paserk.startsWith(kind)) throw new Error(`this is no ${kind} key`);
	return Buffer.from(paserk.slice(kind.length).trim(), 'base64url');
}

/** Pre-authentication encoding: the parts, each with its length, so that none can pass for another. */
function encode(...parts) {
	const size = (n) => {
		const bytes = Buffer.alloc(8);
		bytes.writeBigUInt64LE(BigInt(n));
		return bytes;
	};
	return Buffer.concat([size(parts.length), ...parts.flatMap((part) => [size(part.length), part])]);
}

function signed(message) {
	return encode(Buffer.from(HEADER), message, Buffer.alloc(0), Buffer.alloc(0));
}

/** Signs claims with a k4.secret line; the token goes into the cookie. */
export function mint(secret, claims) {
	const seed = keyBytes(secret, 'k4.secret.').subarray(0, 32);
	const key = createPrivateKey({
		key: Buffer.concat([PRIVATE_DER, seed]),
		format: 'der',
		type: 'pkcs8',
	});
	const message = Buffer.from(JSON.stringify(claims));
	return HEADER + Buffer.concat([message, sign(null, signed(message), key)]).toString('base64url');
}

/** Returns the claims of a token that this key signed and that has not expired; else null. */
export function open(publicKey, token) {
	if (!token?.startsWith(HEADER)) return null;
	const bytes = Buffer.from(token.slice(HEADER.length), 'base64url');
	if (bytes.length <= SIGNATURE) return null;
	const message = bytes.subarray(0, -SIGNATURE);
	const der = Buffer.concat([PUBLIC_DER, keyBytes(publicKey, 'k4.public.')]);
	const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
	if (!verify(null, signed(message), key, bytes.subarray(-SIGNATURE))) return null;
	const claims = JSON.parse(message);
	return Date.parse(claims.exp) > Date.now() ? claims : null;
}
