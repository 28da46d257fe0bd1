/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
// site.ts - pages of this folder, bundled and served to a real Chromium.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { launch } from "../../../demo/src/browser";

const HERE = dirname(fileURLToPath(import.meta.url));

async function bundle(name: string): Promise<string> {
  const result = await build({
    entryPoints: [join(HERE, `${name}.tsx`)],
    bundle: true,
    format: "esm",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    write: false,
    logLevel: "silent",
  });
  return result.outputFiles[0]!.text;
}

export class Site {
  /** What pages complained of. */
  readonly problems: string[] = [];

  private constructor(
    private readonly server: Server,
    private readonly browser: Browser,
  ) {}

  static async start(names: string[]): Promise<Site> {
    const scripts = new Map<string, string>();
    for (const name of names) scripts.set(`/${name}.js`, await bundle(name));
    const server = createServer((request, response) => {
      const path = new URL(request.url!, "http://site").pathname;
      const script = scripts.get(path);
      if (script !== undefined) {
        response.writeHead(200, { "content-type": "text/javascript" });
        response.end(script);
      } else if (scripts.has(`${path}.js`)) {
        response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
        response.end(
          `<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="${path}.js"></script>`,
        );
      } else response.writeHead(404).end();
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return new Site(server, await launch());
  }

  /** The page `name` in a profile of its own. */
  async open(
    name: string,
    parameters: Record<string, string>,
    prepare: (page: Page) => Promise<void> = async () => undefined,
  ): Promise<Page> {
    const context = await this.browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    page.on("pageerror", (error) => this.problems.push(String(error)));
    await prepare(page);
    const { port } = this.server.address() as AddressInfo;
    const query = new URLSearchParams(parameters).toString();
    await page.goto(`http://127.0.0.1:${port}/${name}?${query}`);
    return page;
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** Holds back what the server sends a page over WebSockets, until released. */
export class Held {
  #isHolding = false;
  readonly #waiting: (() => void)[] = [];

  async route(page: Page): Promise<void> {
    await page.routeWebSocket(/\/sync$/, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => {
        const pass = () => socket.send(message);
        if (this.#isHolding) this.#waiting.push(pass);
        else pass();
      });
    });
  }

  hold(): void {
    this.#isHolding = true;
  }

  release(): void {
    this.#isHolding = false;
    for (const pass of this.#waiting.splice(0)) pass();
  }
}
