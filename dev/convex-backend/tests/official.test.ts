// The official software as the judge: the unmodified `convex` command line
// deploys to the built program, the unmodified clients talk to it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { ConvexError } from "convex/values";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { Backend, buildProgram, Project } from "./official/backend.js";
import {
  action,
  liveClient,
  mutation,
  query,
  Watched,
} from "./official/clients.js";

const APP = fileURLToPath(new URL("./official/app", import.meta.url));

/** A hang fails instead of waiting for ever. */
const LIMIT = { timeout: 600_000 };

let program: Awaited<ReturnType<typeof buildProgram>>;
let backend: Backend;
let project: Project;
let service: Awaited<ReturnType<typeof serviceKey>>;

async function serviceKey() {
  const pair = await generateKeyPair("ES256", { extractable: true });
  const jwk = {
    ...(await exportJWK(pair.publicKey)),
    kid: "service-1",
    alg: "ES256",
    use: "sig",
  };
  const jwks = Buffer.from(JSON.stringify({ keys: [jwk] })).toString("base64");
  const token = (change: Record<string, unknown> = {}) => {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({
      iss: "https://services.test",
      sub: "bot/one",
      aud: "app",
      iat: now,
      exp: now + 600,
      role: "bot",
      ...change,
    })
      .setProtectedHeader({ alg: "ES256", kid: "service-1", typ: "JWT" })
      .sign(pair.privateKey);
  };
  return { jwks: `data:application/json;base64,${jwks}`, token };
}

const client = () => liveClient(backend.url);

function assertDone(result: {
  status: number | null;
  stdout: string;
  stderr: string;
}): void {
  assert.equal(result.status, 0, `${result.stdout}\n${result.stderr}`);
}

before(async () => {
  program = await buildProgram();
  backend = await Backend.start(program.main);
  project = new Project(backend);
  cpSync(APP, project.folder, { recursive: true });
  service = await serviceKey();
});

after(async () => {
  project?.remove();
  await backend?.remove();
  program?.remove();
});

describe("deploying", LIMIT, () => {
  test("an auth.config.ts with an unset variable is refused in the official words", async () => {
    const refused = await project.deploy();
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /SERVICE_ISSUER/);
    assert.match(
      refused.stderr,
      /used in auth config file but its value was not set/,
    );
  });

  test("env set, get, list and remove", async () => {
    assertDone(
      await project.convex(
        "env",
        "set",
        "SERVICE_ISSUER",
        "https://services.test",
      ),
    );
    assertDone(await project.convex("env", "set", "SERVICE_AUDIENCE", "app"));
    assertDone(
      await project.convex("env", "set", "SERVICE_JWKS", service.jwks),
    );
    assertDone(await project.convex("env", "set", "SHORT_LIVED", "1"));
    assert.equal(
      (await project.convex("env", "get", "SERVICE_AUDIENCE")).stdout.trim(),
      "app",
    );
    assertDone(await project.convex("env", "remove", "SHORT_LIVED"));
    const list = (await project.convex("env", "list")).stdout;
    assert.match(list, /SERVICE_ISSUER=https:\/\/services\.test/);
    assert.doesNotMatch(list, /SHORT_LIVED/);
  });

  test("deploy pushes functions, schema and auth, and writes the generated code", async () => {
    assertDone(await project.deploy());
    assert.ok(existsSync(join(project.folder, "convex/_generated/api.d.ts")));
  });

  test("a second deploy of the same code succeeds", async () => {
    assertDone(await project.deploy());
  });

  test("run calls public and internal functions with arguments", async () => {
    const sent = await project.convex(
      "run",
      "messages:send",
      '{"author":"cli","body":"from run"}',
    );
    assertDone(sent);
    assert.match(sent.stdout, /^"[0-9a-z]{31,37}"/);
    const all = await project.convex("run", "messages:all");
    assertDone(all);
    assert.match(all.stdout, /from run/);
  });

  test("run with an identity acts as that user", async () => {
    const who = await project.convex(
      "run",
      "messages:whoami",
      "--identity",
      '{"issuer":"i","subject":"s","name":"Ann"}',
    );
    assertDone(who);
    assert.equal((JSON.parse(who.stdout) as { name: string }).name, "Ann");
  });

  test("run of an unknown function says so in the official words", async () => {
    const missing = await project.convex("run", "messages:nothing");
    assert.notEqual(missing.status, 0);
    assert.match(
      missing.stderr,
      /Could not find function for 'messages:nothing'/,
    );
  });

  test("run --watch prints every new result", async () => {
    const watching = project.convexRunning(
      "run",
      "--watch",
      "messages:count",
      '{"name":"watched"}',
    );
    let printed = "";
    const printedNext = (want: RegExp) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (want.test(printed)) resolve();
        };
        look();
        watching.stdout?.on("data", look);
      });
    watching.stdout?.on("data", (chunk) => (printed += String(chunk)));
    try {
      await printedNext(/^0$/m);
      await new ConvexHttpClient(backend.url).mutation(
        mutation("messages:increment"),
        { name: "watched" },
      );
      await printedNext(/^1$/m);
    } finally {
      const gone = once(watching, "exit");
      watching.kill("SIGKILL");
      await gone;
    }
  });

  test("data lists tables and documents", async () => {
    const tables = await project.convex("data");
    assertDone(tables);
    assert.deepEqual(tables.stdout.trim().split("\n"), [
      "counters",
      "messages",
    ]);
    const rows = await project.convex(
      "data",
      "messages",
      "--format",
      "jsonLines",
    );
    assertDone(rows);
    assert.match(rows.stdout, /from run/);
  });

  test("function-spec names functions, their validators and routes", async () => {
    const spec = await project.convex("function-spec");
    assertDone(spec);
    const { url, functions } = JSON.parse(spec.stdout) as {
      url: string;
      functions: Record<string, any>[];
    };
    assert.equal(url, backend.url);
    const send = functions.find((f) => f.identifier === "messages.js:send");
    assert.equal(send?.functionType, "Mutation");
    assert.equal(send?.args.type, "object");
    assert.ok(
      functions.some(
        (f) => f.functionType === "HttpAction" && f.path === "/hello",
      ),
    );
  });

  test("codegen and dev --once work against it", async () => {
    assertDone(await project.convex("codegen", "--typecheck=disable"));
    assertDone(await project.convex("dev", "--once", "--typecheck=disable"));
    assert.match(
      readFileSync(join(project.folder, ".env.local"), "utf8"),
      new RegExp(backend.url),
    );
  });

  test("dev pushes again whenever a file changes", async () => {
    const dev = project.convexRunning("dev", "--typecheck=disable");
    let said = "";
    const readyTimes = (times: number) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (said.split("Convex functions ready").length > times) resolve();
        };
        dev.stderr?.on("data", look);
        look();
      });
    dev.stderr?.on("data", (chunk) => (said += String(chunk)));
    try {
      await readyTimes(1);
      project.write(
        "convex/fresh.ts",
        'import { query } from "./_generated/server";\nexport const hi = query(async () => "fresh");\n',
      );
      await readyTimes(2);
      const http = new ConvexHttpClient(backend.url);
      assert.equal(await http.query(query("fresh:hi"), {}), "fresh");
    } finally {
      const gone = once(dev, "exit");
      dev.kill("SIGKILL");
      await gone;
      rmSync(join(project.folder, "convex/fresh.ts"), { force: true });
    }
  });

  test("a dry run and what is not supported say so", async () => {
    const dry = await project.deploy("--dry-run");
    assertDone(dry);
    assert.doesNotMatch(dry.stderr, /Node\.js actions/);
    const exported = await project.convex(
      "export",
      "--path",
      join(project.folder, "x.zip"),
    );
    assert.notEqual(exported.status, 0);
    assert.match(
      exported.stderr,
      /not supported by the development backend: export/,
    );
  });

  test("an inline query reads the data", async () => {
    const counted = await project.convex(
      "run",
      "--inline-query",
      '(await ctx.db.query("messages").collect()).length',
    );
    assertDone(counted);
    assert.match(counted.stdout.trim(), /^\d+$/);
  });

  test("network-test passes", async () => {
    assertDone(await project.convex("network-test"));
  });

  test("logs shows what functions print", async () => {
    const logs = project.convexRunning("logs");
    let printed = "";
    const shown = new Promise<void>((resolve) => {
      logs.stdout?.on("data", (chunk) => {
        printed += String(chunk);
        if (/'sending' 'logged'/.test(printed)) resolve();
      });
    });
    const watching = new Promise<void>((resolve) => {
      let said = "";
      logs.stderr?.on("data", (chunk) => {
        said += String(chunk);
        if (said.includes("Watching logs")) resolve();
      });
    });
    const http = new ConvexHttpClient(backend.url);
    try {
      await watching;
      let isShown = false;
      void shown.then(() => (isShown = true));
      // The first poll only fetches the head of the log: call until it is past that.
      while (!isShown) {
        await http.mutation(mutation("messages:send"), {
          author: "log",
          body: "logged",
        });
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      const gone = once(logs, "exit");
      logs.kill("SIGKILL");
      await gone;
    }
  });

  test("a wrong admin key is refused", async () => {
    const refused = await project.convex(
      "deploy",
      "--typecheck=disable",
      "--url",
      backend.url,
      "--admin-key",
      "dev|nope",
    );
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /The provided deploy key was invalid/);
  });
});

describe("deploys that are refused change nothing", LIMIT, () => {
  const good = () => readFileSync(join(APP, "convex/messages.ts"), "utf8");
  const schema = () => readFileSync(join(APP, "convex/schema.ts"), "utf8");

  async function refusedWith(
    path: string,
    text: string,
    words: RegExp,
  ): Promise<void> {
    const http = new ConvexHttpClient(backend.url);
    const kept = readFileSync(join(project.folder, path), "utf8");
    try {
      project.write(path, text);
      project.write(
        "convex/messages.ts",
        good().replace('?? "unset"', '?? "changed"'),
      );
      if (path === "convex/messages.ts") project.write(path, text);
      const refused = await project.deploy();
      assert.notEqual(refused.status, 0);
      assert.match(refused.stderr, words);
      assert.equal(await http.query(query("messages:greeting"), {}), "unset");
    } finally {
      project.write(path, kept);
      project.write("convex/messages.ts", good());
    }
    assertDone(await project.deploy());
  }

  test("a schema that stored documents do not match", async () => {
    await refusedWith(
      "convex/schema.ts",
      schema().replace(
        "author: v.string(),",
        "author: v.string(), stars: v.number(),",
      ),
      /Schema validation failed[\s\S]*messages[\s\S]*stars/,
    );
  });

  test("an index that cannot be", async () => {
    await refusedWith(
      "convex/schema.ts",
      schema().replace('"by_author", ["author"]', '"by_id", ["author"]'),
      /by_id/,
    );
  });

  test("a module that fails at import", async () => {
    await refusedWith(
      "convex/messages.ts",
      `throw new Error("bad module"); ${good()}`,
      /bad module/,
    );
  });
});

describe("the official clients", LIMIT, () => {
  test("HTTP: query, mutation, action", async () => {
    const http = new ConvexHttpClient(backend.url);
    await http.mutation(mutation("messages:send"), {
      author: "http",
      body: "one",
    });
    assert.deepEqual(
      await http.query(query("messages:list"), { author: "http" }),
      ["one"],
    );
    assert.equal(
      typeof (await http.action(action("messages:sendTwice"), { body: "two" })),
      "number",
    );
    assert.deepEqual(
      await http.query(query("messages:list"), { author: "action" }),
      ["two 1", "two 2"],
    );
    assert.deepEqual(
      await http.consistentQuery(query("messages:list"), { author: "http" }),
      ["one"],
    );
  });

  test("an HTTP action answers on both origins", async () => {
    for (const base of [backend.siteUrl, `${backend.url}/http`]) {
      const response = await fetch(`${base}/hello`, {
        method: "POST",
        body: "you",
      });
      assert.equal(response.status, 201);
      assert.equal(response.headers.get("x-from"), "function");
      assert.equal(await response.text(), "hello you at /hello");
    }
    assert.equal((await fetch(`${backend.siteUrl}/nothing`)).status, 404);
  });

  test("WebSocket: a subscription follows mutations, and reads its own write", async () => {
    const live = client();
    try {
      const watched = new Watched<string[]>(live, "messages:list", {
        author: "live",
      });
      await watched.until((rows) => rows.length === 0);
      await live.mutation(mutation("messages:send"), {
        author: "live",
        body: "first",
      });
      assert.deepEqual(watched.seen.at(-1), ["first"]);
      await new ConvexHttpClient(backend.url).mutation(
        mutation("messages:send"),
        { author: "live", body: "second" },
      );
      await watched.until((rows) => rows.length === 2);
      assert.deepEqual(watched.seen, [[], ["first"], ["first", "second"]]);
      assert.equal(
        ((await live.action(action("messages:sendTwice"), {
          body: "x",
        })) as number) > 0,
        true,
      );
    } finally {
      await live.close();
    }
  });

  test("a result too large for one frame arrives whole", async () => {
    const live = client();
    try {
      const size = 1_600_000;
      const watched = new Watched<string>(live, "messages:large", { size });
      assert.equal(
        (await watched.until(() => true)).length,
        size * "😀".length,
      );
    } finally {
      await live.close();
    }
  });

  test("pages go on from their cursor", async () => {
    const http = new ConvexHttpClient(backend.url);
    const first: any = await http.query(query("messages:page"), {
      paginationOpts: { numItems: 2, cursor: null },
    });
    const second: any = await http.query(query("messages:page"), {
      paginationOpts: { numItems: 2, cursor: first.continueCursor },
    });
    assert.equal(first.page.length, 2);
    assert.notEqual(first.page[1]._id, second.page[0]._id);
  });

  test("an environment variable reaches functions and reruns subscriptions", async () => {
    const live = client();
    try {
      const watched = new Watched<string>(live, "messages:greeting");
      await watched.until((text) => text === "unset");
      assertDone(await project.convex("env", "set", "GREETING", "hi"));
      await watched.until((text) => text === "hi");
    } finally {
      await live.close();
      assertDone(await project.convex("env", "remove", "GREETING"));
    }
  });

  test("a ConvexError arrives with its data and undoes the mutation", async () => {
    const http = new ConvexHttpClient(backend.url);
    await assert.rejects(
      http.mutation(mutation("messages:refuse"), {}),
      (error) => {
        assert.ok(error instanceof ConvexError);
        assert.deepEqual(error.data, { code: "refused", amount: 5n });
        return true;
      },
    );
    assert.deepEqual(
      await http.query(query("messages:list"), { author: "nobody" }),
      [],
    );
  });

  test("an unknown function and bad arguments are told in the official words", async () => {
    const http = new ConvexHttpClient(backend.url);
    await assert.rejects(
      http.query(query("nope:missing"), {}),
      /Could not find public function for 'nope:missing'\. Did you forget to run `npx convex dev` or `npx convex deploy`\?/,
    );
    await assert.rejects(
      http.query(query("messages:all"), {}),
      /Could not find public function for 'messages:all'/,
    );
    await assert.rejects(
      http.mutation(mutation("messages:send"), {
        author: 5,
        body: "x",
      } as never),
      /ArgumentValidationError: Value does not match validator\.\nPath: \.author\nValue: 5\.0\nValidator: v\.string\(\)/,
    );
    await assert.rejects(
      http.query(query("messages:crash"), {}),
      /Uncaught Error: it broke[\s\S]*convex\/messages\.ts/,
    );
  });
});

describe("files", LIMIT, () => {
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256));
  const sha256 = createHash("sha256").update(bytes).digest("base64");

  async function upload(headers: Record<string, string> = {}) {
    const http = new ConvexHttpClient(backend.url);
    const url = (await http.mutation(
      mutation("files:uploadUrl"),
      {},
    )) as string;
    return fetch(url, {
      method: "POST",
      headers: { "content-type": "image/x-test", ...headers },
      body: bytes,
    });
  }

  test("an uploaded file comes back whole, with its type and digest", async () => {
    const http = new ConvexHttpClient(backend.url);
    const uploaded = await upload({ digest: `sha-256=${sha256}` });
    assert.equal(uploaded.status, 200);
    const { storageId: id } = (await uploaded.json()) as { storageId: string };
    const metadata: any = await http.query(query("files:metadata"), { id });
    assert.deepEqual(
      [metadata.sha256, metadata.size, metadata.contentType],
      [sha256, 1000, "image/x-test"],
    );
    const url = (await http.query(query("files:url"), { id })) as string;
    const whole = await fetch(url);
    assert.equal(whole.headers.get("content-type"), "image/x-test");
    assert.equal(whole.headers.get("digest"), `sha-256=${sha256}`);
    assert.equal(
      whole.headers.get("cache-control"),
      "private, max-age=2592000",
    );
    assert.deepEqual(Buffer.from(await whole.arrayBuffer()), bytes);
    const head = await fetch(url, { method: "HEAD" });
    assert.equal(head.headers.get("content-length"), "1000");
    await http.mutation(mutation("files:remove"), { id });
    assert.equal((await fetch(url)).status, 404);
  });

  test("ranges", async () => {
    const http = new ConvexHttpClient(backend.url);
    const { storageId: id } = (await (await upload()).json()) as {
      storageId: string;
    };
    const url = (await http.query(query("files:url"), { id })) as string;
    const cases: [string, number, string | null, number][] = [
      ["bytes=10-19", 206, "bytes 10-19/1000", 10],
      ["bytes=990-", 206, "bytes 990-999/1000", 10],
      ["bytes=990-2000", 206, "bytes 990-2000/1000", 10],
      ["bytes=2000-2010", 206, "bytes 2000-2010/1000", 0],
      ["bytes=a-b", 416, null, 0],
      ["bytes=0-1,5-6", 416, null, 0],
      ["lines=1-2", 200, null, 1000],
    ];
    for (const [range, status, contentRange, length] of cases) {
      const response = await fetch(url, { headers: { range } });
      const body = await response.arrayBuffer();
      assert.deepEqual(
        [
          response.status,
          response.headers.get("content-range"),
          body.byteLength,
        ],
        [status, contentRange, length],
        range,
      );
    }
  });

  test("a digest that does not match is refused", async () => {
    const wrong = createHash("sha256").update("other").digest("base64");
    const refused = await upload({ digest: `sha-256=${wrong}` });
    assert.equal(refused.status, 400);
    assert.equal(
      ((await refused.json()) as { code: string }).code,
      "Sha256Mismatch",
    );
    assert.equal((await upload({ digest: "sha-256=short" })).status, 400);
  });
});

describe("service identities", LIMIT, () => {
  test("a customJwt token is verified over HTTP and over the socket", async () => {
    const token = await service.token();
    const http = new ConvexHttpClient(backend.url);
    http.setAuth(token);
    const identity = (await http.query(query("messages:whoami"), {})) as Record<
      string,
      unknown
    >;
    assert.equal(identity.tokenIdentifier, "https://services.test|bot/one");
    assert.equal(identity.role, "bot");
    const live = client();
    try {
      live.setAuth(async () => token);
      const watched = new Watched<Record<string, unknown> | null>(
        live,
        "messages:whoami",
      );
      assert.equal((await watched.until((who) => who !== null))?.role, "bot");
    } finally {
      await live.close();
    }
  });

  const bad: [string, Record<string, unknown>, RegExp][] = [
    ["expired", { exp: 1000 }, /InvalidAuthHeader.*Could not validate token/],
    ["of another issuer", { iss: "https://evil.test" }, /NoAuthProvider/],
    ["for another audience", { aud: "other" }, /NoAuthProvider/],
  ];
  for (const [what, change, words] of bad) {
    test(`a token ${what} is refused`, async () => {
      const http = new ConvexHttpClient(backend.url);
      http.setAuth(await service.token(change));
      await assert.rejects(http.query(query("messages:whoami"), {}), words);
    });
  }

  test("a refused token on the socket is reported and the client goes on signed out", async () => {
    const live = client();
    try {
      const token = await service.token({ aud: "other" });
      const signedOut = new Promise<void>((resolve) => {
        live.setAuth(
          async () => token,
          (isAuthenticated) => {
            if (!isAuthenticated) resolve();
          },
        );
      });
      const watched = new Watched<unknown>(live, "messages:count", {
        name: "none",
      });
      await signedOut;
      await watched.until((value) => value === 0);
    } finally {
      await live.close();
    }
  });
});

describe("restarts", LIMIT, () => {
  test("after kill -9 the client comes back, nothing acknowledged is lost, nothing doubled", async () => {
    const live = client();
    try {
      const watched = new Watched<number>(live, "messages:count", {
        name: "kill",
      });
      await watched.until((value) => value === 0);
      for (let i = 1; i <= 5; i++) {
        assert.equal(
          await live.mutation(mutation("messages:increment"), { name: "kill" }),
          i,
        );
      }
      const pending = live.mutation(mutation("messages:increment"), {
        name: "kill",
      });
      await backend.stop("SIGKILL");
      await backend.start();
      assert.equal(await pending, 6);
      await watched.until((value) => value === 6);
      assert.equal(
        await new ConvexHttpClient(backend.url).query(query("messages:count"), {
          name: "kill",
        }),
        6,
      );
    } finally {
      await live.close();
    }
  });

  test("SIGTERM ends it cleanly with status 0 and the data stays", async () => {
    assert.equal(await backend.stop("SIGTERM"), 0);
    await backend.start();
    const http = new ConvexHttpClient(backend.url);
    assert.equal(
      await http.query(query("messages:count"), { name: "kill" }),
      6,
    );
  });
});

describe("mistakes of its user", LIMIT, () => {
  test("admin-key prints the key", async () => {
    const printed = await backend.program("admin-key", "--data", backend.data);
    assert.equal(printed.stdout.trim(), backend.adminKey);
  });

  test("wrong flags leave with status 2 and one line", async () => {
    const wrong = await backend.program("--data", backend.data, "--port", "no");
    assert.equal(wrong.status, 2);
    assert.equal(
      wrong.stderr,
      "convex-backend: --port must be a port number, not 'no'\n",
    );
  });

  test("a port in use is named, status 1", async () => {
    const second = await backend.program(
      "--data",
      join(backend.folder, "other"),
      "--port",
      `${backend.port}`,
      "--site-port",
      "0",
    );
    assert.equal(second.status, 1);
    assert.equal(
      second.stderr,
      `convex-backend: port ${backend.port} on 127.0.0.1 is already in use\n`,
    );
  });

  test("a data folder in use is named, status 1", async () => {
    const second = await backend.program(
      "--data",
      backend.data,
      "--port",
      "0",
      "--site-port",
      "0",
    );
    assert.equal(second.status, 1);
    assert.match(
      second.stderr,
      new RegExp(`^convex-backend: .*${backend.data}.*\n$`),
    );
  });
});
