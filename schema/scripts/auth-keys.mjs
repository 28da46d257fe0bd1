#!/usr/bin/env node
// auth-keys.mjs - the key that people's tokens are signed with.
// Prints JWT_PRIVATE_KEY and JWKS, one NAME=VALUE a line, and keeps neither.
// A new key signs everybody out.

import { exportJWK, exportPKCS8, generateKeyPair } from "jose";

const { privateKey, publicKey } = await generateKeyPair("RS256", {
  extractable: true,
});
const pem = await exportPKCS8(privateKey);
const jwks = { keys: [{ use: "sig", ...(await exportJWK(publicKey)) }] };
process.stdout.write(
  `JWT_PRIVATE_KEY=${pem.trimEnd().replaceAll("\n", " ")}\nJWKS=${JSON.stringify(jwks)}\n`,
);
