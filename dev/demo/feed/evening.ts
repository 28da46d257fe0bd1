// evening.ts - closing trades, the summary, and the last corrections.
import { chart } from "./chart.js";
import type { Timeline } from "./step.js";

export function evening(line: Timeline): void {
  line.post(3000, {
    ref: "zwj",
    channel: "market-talk",
    author: "analyst-lena",
    content: "dinner time 👨‍👩‍👧‍👦🍝 back for the NY close 🏴‍☠️ ❤️‍🔥 🇪🇺 1️⃣",
  });
  // Layout 9: Spanish.
  line.post(3200, {
    ref: "es",
    channel: "vip-signals",
    author: "analyst-lena",
    content:
      "SEÑAL ➡️ MATIC/USDT (CORTO)\nEntrada: 0,7240 – 0,7310\nObjetivos: 0,7120 / 0,7015 / 0,6880\nStop: 0,7425\nApalancamiento: 6x\n¡Gestionen el riesgo! 💪",
  });
  line.post(2600, {
    ref: "ada-tp",
    channel: "scalps",
    author: "analyst-mara",
    content: "ADA 0,4610 ✅ TP1",
    replyTo: "fr",
  });
  line.post(1800, {
    ref: "avax",
    channel: "scalps",
    author: "analyst-lena",
    content:
      "AVAX closed +34% ✅ (8x), LINK still running, ARB not filled → cancelled",
    replyTo: "table",
  });
  line.edit(1200, "table", {
    content:
      "Three limits for the London open:\n```diff\n+ AVAXUSDT   LONG   36.40   closed +34%\n+ LINKUSDT   LONG   14.22   running, TP1 done\n- ARBUSDT    SHORT  1.0840  cancelled, not filled\n```",
  });
  // Layout 10: brackets and pipes, as copy-trading bots print.
  line.post(2800, {
    ref: "bot-raw",
    channel: "scalps",
    author: "signal-bot",
    content:
      "#APTUSDT | [BUY] | Binance Futures\nEntry Targets: 1) 9.215 2) 9.130\nTake-Profit Targets: 1) 9.310 2) 9.405 3) 9.560 4) 9.800\nStop Targets: 1) 8.990\nLeverage: Isolated (12.0X)\nTrailing: Moving-2-Target",
  });
  line.post(2400, {
    ref: "bot-raw-upd",
    channel: "scalps",
    author: "signal-bot",
    content:
      "#APT/USDT Take-Profit target 1 ✅\nProfit: 12.36% 📈\nPeriod: 41 Minutes ⏰",
    replyTo: "bot-raw",
  });
  line.post(2000, {
    ref: "doge-done",
    channel: "vip-signals",
    author: "signal-bot",
    embeds: [
      {
        title: "DOGE/USDT closed",
        description: "All targets reached ✅✅✅\nResult **+61.4 %** (10×)",
        color: 0x27ae60,
        footer: { text: "id 20481 · held 5 h 12 min" },
      },
    ],
    replyTo: "bot-doge",
  });
  line.post(2400, {
    ref: "proof",
    channel: "market-talk",
    author: "analyst-yusuf",
    attachments: [chart("result.png", 37)],
  });
  line.post(1600, {
    ref: "proof-nice",
    channel: "market-talk",
    author: "analyst-lena",
    content: "nice one 🔥🔥",
    replyTo: "proof",
  });
  line.post(3000, {
    ref: "btc1-closed",
    channel: "vip-signals",
    author: "analyst-mara",
    content: "BTC: trailing stop hit at 66,420. **Closed +37.4 %** (10x) 🏁",
    replyTo: "btc1",
  });
  line.edit(600, "btc1", {
    content:
      "✔️ CLOSED +37.4 %\n\n🪙 BTC/USDT\n📈 LONG\n⚡ Leverage: 10x CROSS\n\n🎯 ENTRY: 64,025\n✅ TP1: 64,900 ☑️\n✅ TP2: 65,700 ☑️\n✅ TP3: 67,000 ✖️\n🏁 EXIT: 66,420",
  });
  // Layout 11: as people type it.
  line.post(2600, {
    ref: "lower",
    channel: "scalps",
    author: "analyst-yusuf",
    content:
      "near longgg 5.42ish, out at 5.6 or if 5.33 breaks. small size its late",
  });
  line.post(2200, {
    ref: "near-out",
    channel: "scalps",
    author: "analyst-yusuf",
    content: "out at 5.51, good enough (+1.6%)",
    replyTo: "lower",
  });
  line.post(2600, {
    ref: "quote",
    channel: "market-talk",
    author: "analyst-kenji",
    content:
      "> me, 2 minutes before CPI: stay flat\n> also me: opens a long\n\nDo as I say, not as I do 🙃 ~~never again~~ *until tomorrow*",
  });
  line.post(2400, {
    ref: "md-edge",
    channel: "market-talk",
    author: "analyst-yusuf",
    content:
      "markdown test for the new dashboard: **bold *both* ** __under__ `**not bold**` \\*escaped\\* 5 * 3 * 2 = 30, a_b_c, <b>no html</b> & \"quotes\" 'single' \\o/",
  });
  line.post(2000, {
    ref: "mention",
    channel: "market-talk",
    author: "analyst-lena",
    content:
      "<@1400000000000000001> can you repost the BTC levels for tomorrow? <#1100000000000000101> is getting long",
  });
  line.post(2600, {
    ref: "levels",
    channel: "vip-signals",
    author: "analyst-mara",
    content:
      "# Levels for tomorrow\n## BTC\n- support **65 200**, then **64 400**\n- resistance **67 000**, then **68 350**\n## ETH\n- support 3 180\n- resistance 3 260 / 3 310\n-# not financial advice",
  });
  // Posted, deleted before the correction of it could be read.
  line.post(2400, {
    ref: "oops",
    channel: "vip-signals",
    author: "analyst-lena",
    content: "LTC long 84.1 tp 86 sl 83",
  });
  line.edit(5, "oops", { content: "LTC long 84.1 tp 86 sl 83.2" });
  line.delete(5, "oops");
  // Layout 12: a ratio and a range in a spot call.
  line.post(2800, {
    ref: "spot",
    channel: "vip-signals",
    author: "analyst-kenji",
    content:
      "**SPOT / no leverage**\nETH/BTC accumulation 0.0478–0.0485\nSell ladder 0.0502 (25%) → 0.0520 (25%) → 0.0555 (50%)\nStop: none, size it so that you sleep 😴",
  });
  line.post(2200, {
    ref: "inj-tp1",
    channel: "vip-signals",
    author: "analyst-kenji",
    content: "INJ $25.90 ✅ TP1, stop to entry. Charts updated below.",
    replyTo: "inj",
    attachments: [chart("inj_update.png", 41)],
  });
  line.post(2400, {
    ref: "summary",
    channel: "vip-signals",
    author: "signal-bot",
    content: "📊 Daily summary",
    embeds: [
      {
        title: "9 signals · 6 won · 1 lost · 2 open",
        color: 0x9b59b6,
        fields: [
          { name: "Best", value: "DOGE/USDT +61.4 %", inline: true },
          { name: "Worst", value: "ETH/USDT −1R", inline: true },
          { name: "Open", value: "INJ/USDT, ETH/BTC", inline: true },
        ],
      },
      {
        description:
          "Results are the analysts' own, with leverage, before fees.",
        color: 0x95a5a6,
      },
    ],
  });
  line.edit(3000, "summary", { content: "📊 Daily summary (final)" });
  line.post(2000, {
    ref: "thanks",
    channel: "market-talk",
    author: "analyst-mara",
    content:
      "Great discipline today, everyone 🙌 Close the charts, go outside.",
  });
  line.edit(1400, "gm", {
    content:
      "gm everyone ☕ asia was flat, funding is back near zero, good day to be picky (edit: it was 😄)",
  });
  line.post(1800, {
    ref: "gn",
    channel: "market-talk",
    author: "analyst-yusuf",
    content: "gn ✌️",
  });
}
