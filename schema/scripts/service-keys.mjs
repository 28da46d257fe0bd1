#!/usr/bin/env node
// service-keys.mjs - the key that the daemons sign their tokens with.

import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const usage = `usage: service-keys.mjs --out FILE | --from FILE
         [--kid service-1] [--issuer URL] [--audience NAME]

  --out   make an EC P-256 private key in FILE (mode 0600, never overwritten)
  --from  use the private key that is in FILE
Prints the deployment's variables, one NAME=VALUE a line.`;

function fail(message) {
  process.stderr.write(`service-keys: ${message}\n`);
  process.exit(1);
}

function makeKey(file) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  try {
    writeFileSync(file, pem, { mode: 0o600, flag: "wx" });
  } catch (error) {
    fail(
      error.code === "EEXIST"
        ? `${file} exists and is not overwritten; use --from ${file}`
        : error.message,
    );
  }
  return pem;
}

function readKey(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    return fail(error.message);
  }
}

function publicJwk(pem, kid) {
  let jwk;
  try {
    jwk = createPublicKey(pem).export({ format: "jwk" });
  } catch (error) {
    fail(`no private key in PEM: ${error.message}`);
  }
  if (jwk.crv !== "P-256") fail(`an EC P-256 key is needed, not ${jwk.crv}`);
  return { ...jwk, kid, alg: "ES256", use: "sig" };
}

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    from: { type: "string" },
    kid: { type: "string", default: "service-1" },
    issuer: { type: "string", default: "https://services.signals.invalid" },
    audience: { type: "string", default: "signals-services" },
    help: { type: "boolean" },
  },
});
if (values.help) {
  process.stdout.write(`${usage}\n`);
  process.exit(0);
}
if ((values.out === undefined) === (values.from === undefined)) fail(usage);

const pem = values.out ? makeKey(values.out) : readKey(values.from);
const jwks = JSON.stringify({ keys: [publicJwk(pem, values.kid)] });
const data = `data:application/json;base64,${Buffer.from(jwks).toString("base64")}`;
process.stdout.write(
  `SERVICE_ISSUER=${values.issuer}\nSERVICE_AUDIENCE=${values.audience}\nSERVICE_JWKS=${data}\n`,
);
