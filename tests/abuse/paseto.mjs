// Tokens between Sluice and others: `node paseto.mjs mint LIBRARY SECRET CLAIMS FOOTER`, `... verify LIBRARY PUBLIC
// TOKEN`. LIBRARY is paseto (panva's) or paseto-ts; keys are PASERK lines. Prints the token, or the claims.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const load = async (...path) => import(pathToFileURL(join(process.env.PACKAGES, 'node_modules', ...path)));

const libraries = {
  async paseto() {
    const { V4 } = (await load('paseto', 'lib', 'index.js')).default;
    const bytes = (paserk) => Buffer.from(paserk.split('.')[2], 'base64url');
    return {
      mint: (secret, claims, footer) =>
        V4.sign(claims, V4.bytesToKeyObject(bytes(secret)), { footer, iat: false }),
      verify: (key, token) => V4.verify(token, V4.bytesToKeyObject(bytes(key))),
    };
  },
  async 'paseto-ts'() {
    const { sign, verify } = await load('paseto-ts', 'dist', 'v4', 'index.js');
    return {
      mint: (secret, claims, footer) => sign(secret, claims, { footer, addIat: false, addExp: false }),
      verify: async (key, token) => (await verify(key, token)).payload,
    };
  },
};

const [verb, library, key, text, footer] = process.argv.slice(2);
const use = await libraries[library]();
if (verb === 'mint') console.log(await use.mint(key, JSON.parse(text), footer || undefined));
else console.log(JSON.stringify(await use.verify(key, text)));
