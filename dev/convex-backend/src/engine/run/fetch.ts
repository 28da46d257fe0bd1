/* fetch.ts - Node's `fetch` and `Request`, where they would tell that they are Node's.
 *
 * A stream as body needs no `duplex`, the user agent is that of functions, and a request that
 * found nobody says of whom and why.
 */

const USER_AGENT = "Convex/1.0";

/** Node's words for what the real runtime says otherwise. */
const REDIRECTS: Record<string, string> = {
  "unexpected redirect": "fetch attempted redirect",
  "redirect count exceeded": "fetch too many redirects",
};

const CHANGEABLE = { writable: true, configurable: true };

type Init = RequestInit & { duplex?: "half" };

/** Node wants to be told that it cannot read an answer before a stream is sent. */
function sendable(init: Init | undefined): Init | undefined {
  return init?.body ? { duplex: "half", ...init } : init;
}

export function installFetch(): void {
  const { fetch } = globalThis;
  const lazy = Object.getOwnPropertyDescriptor(globalThis, "Request")!;
  const define = (value: typeof Request) =>
    Object.defineProperty(globalThis, "Request", { value, ...CHANGEABLE });
  Object.defineProperty(globalThis, "Request", {
    // Node loads it when it is asked for, and then defines it anew.
    get: () => {
      const real = (lazy.value ?? lazy.get!.call(globalThis)) as typeof Request;
      define(accepting(real));
      return Request;
    },
    set: define,
    configurable: true,
  });
  globalThis.fetch = async (input, init) => {
    const own = input instanceof Request ? input.headers : undefined;
    const headers = new Headers(init?.headers ?? own);
    if (!headers.has("user-agent")) headers.set("user-agent", USER_AGENT);
    try {
      return await fetch(input, { ...sendable(init), headers });
    } catch (error) {
      throw explained(error, input);
    }
  };
}

/** A proxy, so that what Node makes itself (`clone`) is an instance, too. */
function accepting(real: typeof Request): typeof Request {
  return new Proxy(real, {
    construct: (target, [input, init], self) =>
      Reflect.construct(
        target,
        [input, sendable(init as Init | undefined)],
        self,
      ) as Request,
  });
}

function explained(error: unknown, input: RequestInfo | URL): unknown {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error))
    return error;
  const { cause } = error;
  // Of several addresses each may have failed.
  const [first] = cause instanceof AggregateError ? cause.errors : [cause];
  const { code, message } = first as NodeJS.ErrnoException;
  if (code === undefined) return new TypeError(REDIRECTS[message] ?? message);
  const url = input instanceof Request ? input.url : String(input);
  return new Error(`error sending request for url (${url}): ${message}`);
}
