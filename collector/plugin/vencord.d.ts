// vencord.d.ts - as much of Vencord and Electron as the plugin uses, in words of our own.

declare module "@api/index" {
  export const DataStore: {
    get<T>(key: string): Promise<T | undefined>;
    set(key: string, value: unknown): Promise<void>;
  };
  export const Notices: {
    showNotice(text: string, button: string, onClick: () => void): void;
    popNotice(): void;
  };
}

declare module "@api/Settings" {
  type Strings = Record<
    string,
    { type: number; description: string; default: string }
  >;
  export function definePluginSettings<T extends Strings>(
    definition: T,
  ): { store: { [K in keyof T]: string } };
}

declare module "@utils/types" {
  export const OptionType: { STRING: number };
  export type PluginNative<
    T extends Record<string, (event: never, ...args: never[]) => unknown>,
  > = {
    [K in keyof T]: T[K] extends (event: never, ...args: infer A) => infer R
      ? (...args: A) => R
      : never;
  };
  export default function definePlugin(plugin: {
    name: string;
    description: string;
    authors: { name: string; id: bigint }[];
    settings: object;
    enabledByDefault: boolean;
    start(): void;
    stop(): void;
  }): object;
}

declare module "@webpack/common" {
  export const ChannelStore: {
    getChannel(
      id: string,
    ): { guild_id: string; parent_id: string; isThread(): boolean } | undefined;
  };
  export const FluxDispatcher: {
    subscribe<T>(type: string, handler: (action: T) => void): void;
    unsubscribe<T>(type: string, handler: (action: T) => void): void;
  };
}

declare module "electron" {
  export interface IpcMainInvokeEvent {
    readonly frameId: number;
  }
}

declare const VencordNative: { pluginHelpers: Record<string, unknown> };
