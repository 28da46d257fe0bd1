// native.ts - the part in the client's own process: it may reach loopback, a page may not.

import type { IpcMainInvokeEvent } from "electron";
import type { Answer } from "./queue";

const TIMEOUT_MS = 15_000;

export async function post(
  _: IpcMainInvokeEvent,
  address: string,
  token: string,
  body: string,
): Promise<Answer> {
  const url = new URL("/events", `http://${address}`);
  if (!["127.0.0.1", "[::1]", "localhost"].includes(url.hostname))
    return { status: 403, error: `${url.hostname} is not this machine` };
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
      },
      body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const said = response.ok ? "" : await response.text();
    return { status: response.status, error: said.slice(0, 200) };
  } catch (error) {
    return { status: 0, error: String(error) };
  }
}
