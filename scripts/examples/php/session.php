<?php
/*
 * Sessions for Sluice in PHP: PASETO v4.public tokens, signed and verified with ext-sodium.
 * https://github.com/paseto-standard/paseto-spec/blob/master/docs/01-Protocol-Versions/Version4.md
 */
declare(strict_types=1);

const HEADER = 'v4.public.';

function base64url(string $bytes): string
{
	return sodium_bin2base64($bytes, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
}

function from_base64url(string $text): string
{
	return sodium_base642bin($text, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
}

/** The bytes of a PASERK line such as k4.secret.… in a file. */
function key_bytes(string $file, string $kind): string
{
	$line = trim((string) file_get_contents($file));
	if (!str_starts_with($line, $kind)) {
		throw new RuntimeException("$file holds no $kind key");
	}
	return from_base64url(substr($line, strlen($kind)));
}

/** Pre-authentication encoding: the parts, each with its length, so that none can pass for another. */
function encode_parts(string ...$parts): string
{
	$out = pack('P', count($parts));
	foreach ($parts as $part) {
		$out .= pack('P', strlen($part)) . $part;
	}
	return $out;
}

/** Signs claims with the secret key; the token goes into the cookie. */
function mint(string $secret_file, array $claims): string
{
	$message = json_encode($claims, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);
	$key = key_bytes($secret_file, 'k4.secret.');
	$signature = sodium_crypto_sign_detached(encode_parts(HEADER, $message, '', ''), $key);
	return HEADER . base64url($message . $signature);
}

/** Returns the claims of a token that this key signed and that has not expired; else null. */
function open_session(string $public_file, string $token): ?array
{
	if (!str_starts_with($token, HEADER)) {
		return null;
	}
	try {
		$bytes = from_base64url(substr($token, strlen(HEADER)));
	} catch (SodiumException) {
		return null;
	}
	$message = substr($bytes, 0, -SODIUM_CRYPTO_SIGN_BYTES);
	$signature = substr($bytes, -SODIUM_CRYPTO_SIGN_BYTES);
	if ($message === '' || strlen($signature) !== SODIUM_CRYPTO_SIGN_BYTES) {
		return null;
	}
	$key = key_bytes($public_file, 'k4.public.');
	if (!sodium_crypto_sign_verify_detached($signature, encode_parts(HEADER, $message, '', ''), $key)) {
		return null;
	}
	$claims = json_decode($message, true, 16, JSON_THROW_ON_ERROR);
	return strtotime($claims['exp']) > time() ? $claims : null;
}
