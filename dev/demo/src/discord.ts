// The fake Discord's control API, as the demo and its check use it.

export interface Message {
  id: string;
  channel_id: string;
  content: string;
  author: { id: string; bot?: boolean };
  embeds: {
    type?: string;
    title?: string;
    description?: string;
    fields?: { name: string; value: string }[];
  }[];
  attachments: { filename: string; size: number }[];
  timestamp: string;
  edited_timestamp: string | null;
  message_reference?: { message_id?: string };
}

export class Discord {
  constructor(private readonly url: string) {}

  private async call<T>(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<T> {
    const response = await fetch(`${this.url}/control${path}`, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(
        `fake Discord: ${method} ${path}: ${response.status} ${text.slice(0, 300)}`,
      );
    return (text ? JSON.parse(text) : null) as T;
  }

  messages(channel: string): Promise<Message[]> {
    return this.call("GET", `/channels/${channel}/messages`);
  }
  write(
    channel: string,
    author: string,
    content: string,
    more: object = {},
  ): Promise<Message> {
    return this.call("POST", `/channels/${channel}/messages`, {
      author_id: author,
      content,
      ...more,
    });
  }
  edit(channel: string, id: string, change: object): Promise<Message> {
    return this.call("PATCH", `/channels/${channel}/messages/${id}`, change);
  }
  remove(channel: string, id: string): Promise<void> {
    return this.call("DELETE", `/channels/${channel}/messages/${id}`);
  }
  bulkRemove(channel: string, messages: string[]): Promise<void> {
    return this.call("POST", `/channels/${channel}/bulk-delete`, { messages });
  }
  addChannel(guild: string, name: string): Promise<{ id: string }> {
    return this.call("POST", "/channels", { guild_id: guild, name });
  }
  set(settings: object): Promise<void> {
    return this.call("POST", "/settings", settings);
  }
  state<T>(): Promise<T> {
    return this.call("GET", "/state");
  }
}

/** When a snowflake was made, ms since 1970. */
export function snowflakeTime(id: string): number {
  return Number(BigInt(id) >> 22n) + 1420070400000;
}
