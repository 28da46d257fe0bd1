// morning.ts - the session opens: first signals, in six layouts and more.
import { chart } from "./chart.js";
import type { Timeline } from "./step.js";

export function morning(line: Timeline): void {
  line.post(1000, {
    ref: "gm",
    channel: "market-talk",
    author: "analyst-lena",
    content:
      "gm everyone ☕ asia was flat, funding is back near zero, good day to be picky",
  });
  line.post(3000, {
    ref: "plan",
    channel: "market-talk",
    author: "analyst-mara",
    content:
      "**Plan for today**\n• BTC above 63.8k: longs only\n• ETH is the laggard, waiting for 3 120 reclaim\n• no new alts before the CPI print (14:30 CET)\n• risk per trade **1 %**, not more",
  });
  // Layout 1: capitals and emojis.
  line.post(5000, {
    ref: "btc1",
    channel: "vip-signals",
    author: "analyst-mara",
    content:
      "🚨 NEW SIGNAL 🚨\n\n🪙 BTC/USDT\n📈 LONG\n⚡ Leverage: 10x CROSS\n\n🎯 ENTRY: 63,850 - 64,200\n✅ TP1: 64,900\n✅ TP2: 65,700\n✅ TP3: 67,000\n🛑 SL: 62,950\n\n@everyone",
  });
  line.post(2400, {
    ref: "btc1-chart",
    channel: "vip-signals",
    author: "analyst-mara",
    content: "4h structure for the trade above",
    attachments: [
      chart("btc_4h.png", 11, "BTC/USDT, four hours, range low reclaimed"),
    ],
    replyTo: "btc1",
  });
  line.post(2800, {
    ref: "talk1",
    channel: "market-talk",
    author: "analyst-yusuf",
    content: "filled at 64 010, see you at 67k 🚀",
  });
  // Layout 2: bold markdown, one line for each key.
  line.post(4000, {
    ref: "eth1",
    channel: "vip-signals",
    author: "analyst-kenji",
    content:
      "**Pair:** ETHUSDT.P\n**Side:** Short\n**Entries:** 3145.5 / 3168 / 3190\n**Targets:** 3110, 3075, 3020, 2950\n**Stop loss:** 3226 (daily close)\n**Leverage:** x5 isolated\n**Size:** 2% of equity",
  });
  line.post(1800, {
    ref: "eth1-note",
    channel: "vip-signals",
    author: "analyst-kenji",
    content:
      "Third entry only if funding stays positive. <@&1100000000000000203>",
    replyTo: "eth1",
  });
  // Layout 3: one line.
  line.post(3000, {
    ref: "sol-scalp",
    channel: "scalps",
    author: "analyst-yusuf",
    content: "SOL long 148.2 sl 146.9 tp 149.5 150.8 152 | 20x | quick one",
  });
  line.post(3600, {
    ref: "sol-tp1",
    channel: "scalps",
    author: "analyst-yusuf",
    content: "TP1 hit ✅ +17.6% (20x)",
    replyTo: "sol-scalp",
  });
  // Layout 4: a table in a code block.
  line.post(3200, {
    ref: "table",
    channel: "scalps",
    author: "analyst-lena",
    content:
      "Three limits for the London open:\n```\npair       side   entry     tp1      tp2      sl      lev\n---------  -----  --------  -------  -------  ------  ---\nAVAXUSDT   LONG   36.40     37.15    38.00    35.70   8x\nLINKUSDT   LONG   14.22     14.60    15.05    13.88   8x\nARBUSDT    SHORT  1.0840    1.0610   1.0330   1.1025  5x\n```",
  });
  // Layout 5: an embed from a bot.
  line.post(3400, {
    ref: "bot-doge",
    channel: "vip-signals",
    author: "signal-bot",
    embeds: [
      {
        title: "DOGE/USDT · LONG · 15m",
        description: "Momentum breakout confirmed on volume (2.4× average).",
        color: 0x2ecc71,
        author: { name: "Signal Bot" },
        fields: [
          { name: "Entry zone", value: "0.1582 – 0.1594", inline: true },
          { name: "Stop", value: "0.1551", inline: true },
          { name: "Leverage", value: "10×", inline: true },
          {
            name: "Targets",
            value: "① 0.1618\n② 0.1645\n③ 0.1690",
            inline: false,
          },
        ],
        footer: { text: "id 20481 · not financial advice" },
      },
    ],
  });
  line.post(2600, {
    ref: "q1",
    channel: "market-talk",
    author: "analyst-lena",
    content: "who is still holding ARB short from friday? 👀",
  });
  line.post(1600, {
    ref: "q1-a",
    channel: "market-talk",
    author: "analyst-yusuf",
    content: "me, half size. stop is at be",
    replyTo: "q1",
  });
  // Layout 6: German numbers.
  line.post(3800, {
    ref: "btc-de",
    channel: "vip-signals",
    author: "analyst-lena",
    content:
      "🇩🇪 Für die deutschsprachigen Mitglieder:\nBTC/EUR – KAUF\nEinstieg: 58.940,00 € bis 59.210,50 €\nZiele: 59.800,00 € | 60.450,00 € | 61.900,00 €\nStopp: 58.120,00 €\nHebel: 5-fach\nRisiko: max. 1,5 %",
  });
  line.post(2200, {
    ref: "btc1-fill",
    channel: "vip-signals",
    author: "analyst-mara",
    content: "Entry filled, average 64,025. Stop stays.",
    replyTo: "btc1",
  });
  // Corrected the moment it was sent.
  line.post(3000, {
    ref: "typo",
    channel: "scalps",
    author: "analyst-kenji",
    content: "XRP short 0.6210, stop 0.6290, targets 0.6150 0.6090 0.6600",
  });
  line.edit(5, "typo", {
    content: "XRP short 0.6210, stop 0.6290, targets 0.6150 0.6090 0.6000",
  });
  // Sent to the wrong channel, gone at once.
  line.post(2800, {
    ref: "wrong-room",
    channel: "vip-signals",
    author: "analyst-yusuf",
    content: "lol no way he actually bought the top 😂",
  });
  line.delete(5, "wrong-room");
  line.post(1200, {
    ref: "right-room",
    channel: "market-talk",
    author: "analyst-yusuf",
    content: "lol no way he actually bought the top 😂 (sorry vip, wrong room)",
  });
  line.post(3200, {
    ref: "btc1-tp1",
    channel: "vip-signals",
    author: "analyst-mara",
    content: "BTC **TP1 hit** ✅ 64,900\nTake 40 % off, **SL moved to entry**.",
    replyTo: "btc1",
  });
  line.edit(800, "btc1", {
    content:
      "🚨 NEW SIGNAL 🚨\n\n🪙 BTC/USDT\n📈 LONG\n⚡ Leverage: 10x CROSS\n\n🎯 ENTRY: 63,850 - 64,200 (filled)\n✅ TP1: 64,900 ☑️\n✅ TP2: 65,700\n✅ TP3: 67,000\n🛑 SL: 64,025 (entry)\n\n@everyone",
  });
  line.post(2600, {
    ref: "rtl-ar",
    channel: "vip-signals",
    author: "analyst-yusuf",
    content:
      "تحديث للأعضاء العرب 🇦🇪\nصفقة شراء BTC/USDT ما زالت مفتوحة.\nتم تحقيق الهدف الأول عند 64,900 ✅\nوقف الخسارة الآن عند نقطة الدخول.",
  });
  line.post(2400, {
    ref: "rtl-he",
    channel: "market-talk",
    author: "analyst-lena",
    content: "בוקר טוב! מי עוקב אחרי ETH/USDT היום? התנגדות ב-3,190 🙏",
  });
  line.post(2400, {
    ref: "cjk-ja",
    channel: "scalps",
    author: "analyst-kenji",
    content:
      "【スキャルプ】OP/USDT ロング\nエントリー:2.415〜2.430\n利確①2.470 ②2.510 ③2.580\n損切り:2.375\nレバレッジ:10倍 ⚠️短期のみ",
  });
  line.post(3000, {
    ref: "cjk-zh",
    channel: "market-talk",
    author: "analyst-kenji",
    content:
      "以太坊资金费率转负,空头拥挤,注意轧空风险。韓国プレミアムも上昇中。",
  });
}
