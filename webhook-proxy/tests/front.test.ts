// front.test.ts - what stands between the sender and us: TLS, and proxies with their word on
// who the sender was.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as https from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { execFile } from "node:child_process";
import {
  binary,
  environment,
  makeDirectory,
  order,
  post,
  Proxy,
  sign,
} from "./harness";

function makeCertificate(directory: string): { cert: string; key: string } {
  const cert = join(directory, "cert.pem");
  const key = join(directory, "tls.pem");
  execFileSync(
    "openssl",
    [
      ...[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
      ],
      ...["-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...[
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        key,
        "-out",
        cert,
      ],
    ],
    { stdio: "ignore" },
  );
  return { cert, key };
}

test("with a certificate the events come over TLS, and nothing comes without", async () => {
  const { directory, remove } = makeDirectory();
  const { cert, key } = makeCertificate(directory);
  const proxy = await Proxy.start({
    directory,
    env: { TLS_CERT_FILE: cert, TLS_KEY_FILE: key },
  });
  const ca = readFileSync(cert);
  const send = (options: https.RequestOptions) =>
    new Promise<number>((resolve, reject) => {
      const body = order();
      const request = https.request(
        {
          host: "127.0.0.1",
          servername: "localhost",
          port: proxy.port,
          method: "POST",
          path: "/v1/demo/sellapp",
          headers: { signature: sign(body), "content-length": body.length },
          agent: false,
          ...options,
        },
        (response) => {
          response.resume();
          response.on("end", () => resolve(response.statusCode!));
        },
      );
      request.on("error", reject);
      request.end(body);
    });
  assert.equal(await send({ ca }), 200);
  assert.equal((await proxy.events()).length, 1);
  await assert.rejects(send({}), /self-signed/);
  await assert.rejects(
    send({ ca, maxVersion: "TLSv1.1", minVersion: "TLSv1" }),
  );
  await assert.rejects(post(proxy.port, order()));
  assert.equal(await send({ ca }), 200);
  await proxy.stop();
  remove();
});

test("a certificate without its key, or with another's, is refused by name", async () => {
  const { directory, remove } = makeDirectory();
  const { cert, key } = makeCertificate(directory);
  const run = async (env: Record<string, string>): Promise<string> => {
    try {
      await promisify(execFile)(binary, [], {
        env: environment(directory, env),
      });
      return "it ran";
    } catch (error) {
      return (error as { stderr: string }).stderr;
    }
  };
  assert.match(await run({ TLS_CERT_FILE: cert }), /TLS_KEY_FILE.*go together/);
  assert.match(await run({ TLS_KEY_FILE: key }), /TLS_CERT_FILE.*go together/);
  assert.match(
    await run({ TLS_CERT_FILE: join(directory, "none"), TLS_KEY_FILE: key }),
    /TLS_CERT_FILE.*cannot read.*No such file/,
  );
  assert.match(
    await run({
      TLS_CERT_FILE: cert,
      TLS_KEY_FILE: join(directory, "key.pem"),
    }),
    /is TLS_KEY_FILE the key of TLS_CERT_FILE/,
  );
  remove();
});

test("the client's address is a trusted proxy's word, and nobody else's", async () => {
  const peerOf = async (env: Record<string, string>, forwarded: string) => {
    const proxy = await Proxy.start({ env });
    const body = order();
    const headers = { signature: sign(body), "x-forwarded-for": forwarded };
    assert.equal((await post(proxy.port, body, { headers })).status, 200);
    const [event] = await proxy.events();
    const shown = execFileSync(binary, ["show", event!.id], { env: proxy.env });
    await proxy.stop();
    return /^peer +(\S+)$/m.exec(String(shown))![1];
  };
  const trusted = { TRUSTED_PROXIES: "127.0.0.0/8, 10.0.0.0/8" };
  assert.equal(await peerOf({}, "203.0.113.7"), "127.0.0.1");
  assert.equal(await peerOf(trusted, "6.6.6.6, 203.0.113.7"), "203.0.113.7");
  assert.equal(await peerOf(trusted, "203.0.113.7, 10.1.2.3"), "203.0.113.7");
  assert.equal(await peerOf(trusted, "no address"), "127.0.0.1");
  const long = `${"6.6.6.6, ".repeat(300)}203.0.113.7`;
  assert.equal(await peerOf(trusted, long), "203.0.113.7");
});

test("a list of proxies that is none is refused by name", () => {
  const { directory, remove } = makeDirectory();
  const env = environment(directory, { TRUSTED_PROXIES: "loopback" });
  assert.throws(
    () => execFileSync(binary, ["--check-config"], { env, stdio: "pipe" }),
    /TRUSTED_PROXIES.*"loopback" is no address or network/,
  );
  remove();
});
