// noon.ts - the print: updates, corrections, a burst of spam and its removal.
import { chart } from "./chart.js";
import { essay, report } from "./long-texts.js";
import type { Timeline } from "./step.js";

const SPAM = ["spam1", "spam2", "spam3", "spam4", "spam5", "spam6"];

export function noon(line: Timeline): void {
  line.post(3000, {
    ref: "heads-up",
    channel: "vip-signals",
    author: "analyst-mara",
    content:
      "⚠️ @here CPI in 10 minutes. Reduce size or stay flat. No new entries until I say so.",
  });
  line.post(2800, {
    ref: "essay",
    channel: "market-talk",
    author: "analyst-lena",
    content: essay,
  });
  line.post(2600, {
    ref: "spoiler",
    channel: "market-talk",
    author: "analyst-yusuf",
    content:
      "my guess for the print: ||3.1 % headline, 3.3 % core|| — closest one gets bragging rights",
  });
  SPAM.forEach((ref, i) => {
    line.post(500, {
      ref,
      channel: "market-talk",
      author: "analyst-yusuf",
      content: `test alert ${i + 1}/6 please ignore 🔔`,
    });
  });
  line.post(1800, {
    ref: "spam-sorry",
    channel: "market-talk",
    author: "analyst-yusuf",
    content: "sorry, my alert script went wild. cleaning up",
  });
  line.bulkDelete(2400, SPAM);
  line.post(2000, {
    ref: "cpi",
    channel: "vip-signals",
    author: "signal-bot",
    content: "📰 US CPI (YoY)",
    embeds: [
      {
        title: "CPI 3.0 % vs 3.1 % expected",
        url: "https://example.com/calendar/us-cpi",
        color: 0x3498db,
        fields: [
          { name: "Actual", value: "3.0 %", inline: true },
          { name: "Forecast", value: "3.1 %", inline: true },
          { name: "Previous", value: "3.2 %", inline: true },
        ],
        footer: { text: "released 14:30 CET" },
      },
    ],
  });
  line.post(1600, {
    ref: "react",
    channel: "market-talk",
    author: "analyst-lena",
    content: "BELOW EXPECTATIONS 🟢🟢🟢 here we gooo 👩🏽‍💻📈",
  });
  line.post(2400, {
    ref: "btc1-tp2",
    channel: "vip-signals",
    author: "analyst-mara",
    content:
      "BTC TP2 ✅✅ 65,700. Another 30 % off, trail the rest under 65,000.",
    replyTo: "btc1",
  });
  line.post(1800, {
    ref: "eth1-stop",
    channel: "vip-signals",
    author: "analyst-kenji",
    content: "ETH short: stop hit ❌ at 3226. −1R, on to the next one.",
    replyTo: "eth1",
  });
  line.edit(2200, "bot-doge", {
    embeds: [
      {
        title: "DOGE/USDT · LONG · 15m · TP2 REACHED",
        description: "Momentum breakout confirmed on volume (2.4× average).",
        color: 0xf1c40f,
        author: { name: "Signal Bot" },
        fields: [
          { name: "Entry zone", value: "0.1582 – 0.1594", inline: true },
          { name: "Stop", value: "0.1588 (break-even)", inline: true },
          { name: "Leverage", value: "10×", inline: true },
          {
            name: "Targets",
            value: "~~① 0.1618~~ ✅\n~~② 0.1645~~ ✅\n③ 0.1690",
            inline: false,
          },
        ],
        footer: { text: "id 20481 · not financial advice" },
      },
    ],
  });
  // Layout 7: list of entries with weights, English ordinals.
  line.post(3200, {
    ref: "inj",
    channel: "vip-signals",
    author: "analyst-kenji",
    content:
      "__INJ / USDT — Swing — Buy__\n1st entry: $24.10 (50%)\n2nd entry: $23.35 (30%)\n3rd entry: $22.60 (20%)\nTake profits:\n1) $25.90\n2) $27.40\n3) $30.00\nInvalidation: 4h close below $21.95\nLeverage: 3x max\nR:R ≈ 1 : 3.2",
    attachments: [
      chart("INJ daily.png", 23),
      chart("inj_4h.png", 29, "entries marked"),
    ],
  });
  line.post(2800, {
    ref: "inj-late",
    channel: "market-talk",
    author: "analyst-lena",
    content: "is INJ spot ok too or futures only?",
  });
  line.post(1800, {
    ref: "inj-answer",
    channel: "market-talk",
    author: "analyst-kenji",
    content:
      "Spot is fine. Same levels, no leverage, hold through invalidation only on a close.",
    replyTo: "inj-late",
  });
  // Layout 8: French, comma decimals, narrow spaces.
  line.post(3000, {
    ref: "fr",
    channel: "scalps",
    author: "analyst-mara",
    content:
      "Signal 🇫🇷 : **ADA/USDT – ACHAT**\nEntrée : 0,4520 à 0,4555\nObjectifs : 0,4610 ; 0,4680 ; 0,4790\nStop : 0,4465\nLevier : ×10\nCapital engagé : 1 500 $",
  });
  line.post(2000, {
    ref: "sol-tp2",
    channel: "scalps",
    author: "analyst-yusuf",
    content: "SOL TP2 ✅ 150.8\n\nmoving sl to 149.5 — risk free 🧘",
    replyTo: "sol-scalp",
  });
  // Thought about it twice.
  line.post(2600, {
    ref: "twice",
    channel: "scalps",
    author: "analyst-lena",
    content: "BNB long at market, tp 612",
  });
  line.edit(1800, "twice", { content: "BNB long at market (598.4), tp 612" });
  line.edit(2200, "twice", {
    content: "BNB long 598.4, tp 606 / 612 / 620, sl 592, lev 12x",
  });
  line.post(2000, {
    ref: "code",
    channel: "market-talk",
    author: "analyst-yusuf",
    content:
      'for the API folks, this is the order I send:\n```json\n{\n  "symbol": "SOLUSDT",\n  "side": "BUY",\n  "type": "LIMIT",\n  "price": "148.20",\n  "stopPrice": "146.90",\n  "reduceOnly": false\n}\n```\ninline works too: `close SOLUSDT 50%`',
  });
  line.post(2400, {
    ref: "links",
    channel: "market-talk",
    author: "analyst-mara",
    content:
      "Reading list:\nhttps://example.com/research/funding-rates?utm=vip&page=2#summary\n<https://example.com/no-preview>\n[masked link](https://example.com/liquidations)",
  });
  line.post(3000, {
    ref: "report",
    channel: "vip-signals",
    author: "analyst-mara",
    content: report,
  });
  line.post(2000, {
    ref: "fake-out",
    channel: "scalps",
    author: "analyst-kenji",
    content: "PEPE long now 0.00001182 !!!",
  });
  line.delete(2800, "fake-out");
  line.post(1400, {
    ref: "fake-out-why",
    channel: "scalps",
    author: "analyst-kenji",
    content: "Deleted the PEPE call, spread is too wide. Not taking it.",
  });
}
