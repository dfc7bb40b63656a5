<?php
// Tokens between Sluice and PHP's sodium extension, from the specification alone (PASETO Version4, "Sign" and
// "Verify"): `php paseto.php mint SECRET CLAIMS FOOTER`, `php paseto.php verify PUBLIC TOKEN`; keys are PASERK lines.
declare(strict_types=1);

const BASE64 = SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING;

/** Pre-authentication encoding (Common.md, "PAE Definition"). */
function pae(string ...$pieces): string
{
    $out = pack('P', count($pieces));
    foreach ($pieces as $piece) {
        $out .= pack('P', strlen($piece)) . $piece;
    }
    return $out;
}

function key_bytes(string $paserk): string
{
    return sodium_base642bin(explode('.', $paserk)[2], BASE64);
}

function mint(string $secret, string $claims, string $footer): string
{
    $signature = sodium_crypto_sign_detached(pae('v4.public.', $claims, $footer, ''), key_bytes($secret));
    $token = 'v4.public.' . sodium_bin2base64($claims . $signature, BASE64);
    return $footer === '' ? $token : $token . '.' . sodium_bin2base64($footer, BASE64);
}

function verify(string $public, string $token): string
{
    [$version, $purpose, $body, $footer] = array_pad(explode('.', $token), 4, '');
    $bytes = sodium_base642bin($body, BASE64);
    $claims = substr($bytes, 0, -64);
    $signed = pae("$version.$purpose.", $claims, sodium_base642bin($footer, BASE64), '');
    if (!sodium_crypto_sign_verify_detached(substr($bytes, -64), $signed, key_bytes($public))) {
        throw new RuntimeException('the signature does not hold');
    }
    return $claims;
}

echo $argv[1] === 'mint' ? mint($argv[2], $argv[3], $argv[4] ?? '') : verify($argv[2], $argv[3]), "\n";
