// syncQueries.ts - the queries of one connection: what was subscribed to,
// what was last told about it, and whether that still holds.
// Invariant: a query whose watch is valid was told its present result.

import type {
  Engine,
  Identity,
  QueryResult,
  Ts,
  Watch,
} from "../engine/api.js";
import { checkComponent, type Functions } from "./functions.js";
import { queryModificationText, resultDigest } from "./renderedResults.js";
import { newRequestId } from "./requestIds.js";
import {
  queryRemovedText,
  type AddQuery,
  type QueryModification,
} from "./syncMessages.js";

interface Query {
  added: AddQuery;
  /** From the last run; until then the client's own. */
  journal: string | null | undefined;
  /** Null: has to run. */
  watch: Watch | null;
  /** Of what the client was last told; null: nothing yet. */
  digest: string | null;
}

const CONCURRENT_RUNS = 20;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;

export class QuerySet {
  readonly #queries = new Map<number, Query>();
  readonly #engine: Engine;
  readonly #functions: Functions;
  readonly #onInvalid: () => void;
  #closed = false;

  /** `onInvalid`: some result no longer holds; may be called more than once. */
  constructor(engine: Engine, functions: Functions, onInvalid: () => void) {
    this.#engine = engine;
    this.#functions = functions;
    this.#onInvalid = onInvalid;
  }

  /** Applies the client's list; returns texts of removals. Throws on a wrong id. */
  modify(modifications: readonly QueryModification[]): Map<number, string> {
    const texts = new Map<number, string>();
    for (const modification of modifications) {
      const { queryId } = modification;
      const known = this.#queries.get(queryId);
      if (modification.type === "Remove") {
        if (known === undefined)
          throw new Error(`Nonexistent query id: ${queryId}`);
        known.watch?.close();
        this.#queries.delete(queryId);
        texts.set(queryId, queryRemovedText(queryId));
        continue;
      }
      if (known !== undefined)
        throw new Error(`Duplicate query ID: ${queryId}`);
      this.#queries.set(queryId, {
        added: modification,
        journal: modification.journal,
        watch: null,
        digest: null,
      });
    }
    return texts;
  }

  /** Everything has to run again, though not to be told again. */
  invalidateAll(): void {
    for (const query of this.#queries.values()) {
      query.watch?.close();
      query.watch = null;
    }
  }

  /**
   * Brings every query to `ts`, which is the engine's latest at the call, and
   * adds the texts of changed results to `texts`.
   */
  async refresh(
    identity: Identity,
    ts: Ts,
    texts: Map<number, string>,
  ): Promise<void> {
    const stale = [...this.#queries.values()].filter(
      (query) => query.watch === null || !query.watch.valid,
    );
    await forEachLimited(stale, CONCURRENT_RUNS, async (query) => {
      const result = await this.#run(query, identity, ts);
      if (this.#closed || result === null) return;
      this.#adopt(query, result, ts, texts);
    });
  }

  close(): void {
    this.#closed = true;
    for (const query of this.#queries.values()) query.watch?.close();
    this.#queries.clear();
  }

  #adopt(
    query: Query,
    result: QueryResult,
    ts: Ts,
    texts: Map<number, string>,
  ): void {
    query.watch?.close();
    query.journal = result.journal;
    query.watch = this.#engine.watch(result.reads, ts, this.#onInvalid);
    if (!query.watch.valid) this.#onInvalid();
    const digest = resultDigest(result);
    if (digest === query.digest) return;
    query.digest = digest;
    const { queryId } = query.added;
    texts.set(queryId, queryModificationText(queryId, result));
  }

  /** Runs until the engine has an answer; null once closed. */
  async #run(
    query: Query,
    identity: Identity,
    ts: Ts,
  ): Promise<QueryResult | null> {
    const { path, args, componentPath } = query.added;
    checkComponent(identity, componentPath);
    for (
      let delay = FIRST_RETRY_MS;
      ;
      delay = Math.min(delay * 2, MAX_RETRY_MS)
    ) {
      try {
        return await this.#functions.query({
          path,
          args,
          componentPath,
          identity,
          ts,
          journal: query.journal,
          requestId: newRequestId(),
        });
      } catch (error) {
        if (this.#closed) return null;
        if (!isPassing(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, delay));
        if (this.#closed) return null;
      }
    }
  }
}

/** Overload passes; the query is worth another try at the same time. */
function isPassing(error: unknown): boolean {
  const { status } = error as { status?: number };
  return status === 429 || status === 503;
}

async function forEachLimited<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const item = items[next++];
      if (item === undefined) return;
      await work(item);
    }
  };
  await Promise.all(
    Array.from({ length: Math.min(limit, items.length) }, worker),
  );
}
