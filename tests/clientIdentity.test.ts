// Keys and tokens of a service, judged by others: jose verifies what convexc made, the official
// command line deploys the auth.config it wrote, and the backend knows the service, also while one
// key replaces another.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  jwtVerify,
  type JSONWebKeySet,
} from "jose";
import { Backend, binary, ROOT, tempDir } from "./harness";

const ISSUER = "https://rotating.example";
const AUDIENCE = "app";
const dir = tempDir();
const app = join(dir, "app");
let backend: Backend;

before(async () => {
  backend = await Backend.start();
  cpSync(join(ROOT, "tests/app"), app, { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
});
after(async () => {
  await backend.close();
  rmSync(dir, { recursive: true, force: true });
});

function convexc(args: string[]): Promise<{ out: string; err: string }> {
  return new Promise((resolve) =>
    execFile(
      binary("convexc"),
      args,
      {
        cwd: dir,
        env: { PATH: process.env.PATH, CONVEX_URL: backend.url },
      },
      (_error, out, err) => resolve({ out: out.trim(), err }),
    ),
  );
}

const provider = ["--issuer", ISSUER, "--audience", AUDIENCE];

for (const algorithm of ["ES256", "RS256"])
  test(`a token of an ${algorithm} key verifies with the JWKS, under the name of RFC 7638`, async () => {
    const file = `${algorithm}.pem`;
    const { out: kid } = await convexc([
      ...["keys", "generate", file, "--algorithm", algorithm],
    ]);
    assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600);
    const jwks = JSON.parse(
      (await convexc(["keys", "jwks", file])).out,
    ) as JSONWebKeySet;
    assert.equal(await calculateJwkThumbprint(jwks.keys[0]!), kid);
    const { out: token } = await convexc([
      ...["token", "mint", "--key-file", file],
      ...provider,
    ]);
    const { payload, protectedHeader } = await jwtVerify(
      token,
      createLocalJWKSet(jwks),
      { issuer: ISSUER, audience: AUDIENCE, algorithms: [algorithm] },
    );
    assert.equal(protectedHeader.kid, kid);
    assert.equal(payload.exp! - payload.iat!, 600);
  });

/** Who the backend takes the holder of a key for. */
async function identityOf(file: string): Promise<unknown> {
  const { out, err } = await convexc([
    ...["query", "calls:whoAmI", "--key-file", file],
    ...provider,
  ]);
  return out === "" ? err : (JSON.parse(out) as unknown);
}

async function trust(...files: string[]): Promise<void> {
  const { out, err } = await convexc([
    ...["keys", "config", ...files],
    ...provider,
  ]);
  assert.equal(err, "");
  writeFileSync(join(app, "convex/auth.config.ts"), out);
  await backend.convex(app, ["deploy", "--yes"]);
}

for (const algorithm of ["ES256", "RS256"])
  test(`the backend follows the rotation of an ${algorithm} key`, async () => {
    const [old, next] = [`old-${algorithm}.pem`, `next-${algorithm}.pem`];
    for (const file of [old, next])
      await convexc(["keys", "generate", file, "--algorithm", algorithm]);
    const known = (identity: unknown): boolean =>
      (identity as { issuer?: string }).issuer === ISSUER;
    await trust(old);
    assert.ok(known(await identityOf(old)));
    assert.ok(!known(await identityOf(next)));
    await trust(old, next);
    assert.ok(known(await identityOf(old)));
    assert.ok(known(await identityOf(next)));
    renameSync(join(dir, next), join(dir, old)); // the service signs with the new one
    assert.ok(known(await identityOf(old)));
    await trust(old);
    assert.ok(known(await identityOf(old)));
  });
