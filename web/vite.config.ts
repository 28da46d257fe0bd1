import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const BUDGET_KB = 150; // of JavaScript, compressed, before anything is shown

// What a first visit loads: the entry with all that it imports at once. Pages that are loaded
// when they are opened do not count.
function budget(): Plugin {
  return {
    name: "budget",
    generateBundle(_options, bundle) {
      const counted = new Set<string>();
      const count = (name: string): number => {
        const chunk = bundle[name];
        if (chunk?.type !== "chunk" || counted.has(name)) return 0;
        counted.add(name);
        return chunk.imports.reduce(
          (sum, one) => sum + count(one),
          gzipSync(chunk.code).length,
        );
      };
      const bytes = Object.values(bundle)
        .filter((one) => one.type === "chunk" && one.isEntry)
        .reduce((sum, entry) => sum + count(entry.fileName), 0);
      const words = `${(bytes / 1000).toFixed(1)} of ${BUDGET_KB} KB of JavaScript on first load`;
      if (bytes > BUDGET_KB * 1000) this.error(`over the budget: ${words}`);
      this.info(words);
    },
  };
}

export default defineConfig({
  base: "./", // may be served from any path
  plugins: [react(), budget()],
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"], // the first with light-dark()
    assetsInlineLimit: 0, // data: URLs would need a wider policy
    modulePreload: { polyfill: false },
  },
  server: { host: "127.0.0.1", port: 5180 },
  preview: { host: "127.0.0.1", port: 5180 },
});
