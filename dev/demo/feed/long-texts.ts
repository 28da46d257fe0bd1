// long-texts.ts - one text just under Discord's 2000 characters, and one near
// the 4000 that Nitro allows.

export const essay = [
  "Some thoughts while we wait, because the same question comes up before every print: why not just place a straddle and let the market decide?",
  "First, the spread. In the last minute before the number the book thins out to a third of its normal depth. Your stop is a market order, and a market order into a thin book is a donation. On the last four prints the worst fill in this group was 0,6 % away from its trigger. With 10x that is six per cent of margin for nothing.",
  "Second, the whipsaw. Three of the last five releases moved more than one per cent in one direction and then closed the five-minute candle on the other side. Both legs of a straddle get filled, both get stopped. You pay twice and watch the real move from the sidelines. 🎢",
  "Third, and this is the boring part: the edge is not in the number. It is in what price does with the number once everybody has read it. If CPI is soft and BTC cannot hold above the pre-print high for fifteen minutes, that is information. If CPI is hot and BTC refuses to make a new low, that is even better information. Both can be traded with a normal stop and a normal size.",
  "So the rule in this house stays what it was:\n1. flat or reduced ten minutes before\n2. hands off for the first five-minute candle\n3. then trade the reaction, not the headline\n4. if you missed it, you missed it. There is a setup every single day.",
  "For those who like numbers: since January the trades opened within five minutes of a release have a win rate of 38 % at an average of 0.9R. Trades opened between minute 15 and minute 60 have 57 % at 1.6R. Same analysts, same coins, same risk. The only thing that changed is patience.",
  "And please, set your alerts, stand up, get some water. The chart will still be there when you come back, and a missed trade costs you exactly nothing. A revenge trade after a bad fill costs you the whole week, every time, without exception. See you on the other side. 🫡",
].join("\n\n");

const sections: [string, string[]][] = [
  [
    "📘 **WEEKLY REPORT — what worked, what did not, what comes next**",
    [
      "This one is long. Read it with a coffee, not between two trades. Everything is measured from the moment a signal was posted here, not from the best price of the candle.",
    ],
  ],
  [
    "**1. Results**",
    [
      "We posted 31 signals: 19 reached at least the first target, 8 were stopped, 4 were cancelled before entry. The average winner made 1.9R, the average loser cost 0.94R because two of them were closed by hand before the stop. After fees that is +24.1R on the week at one per cent risk for each trade. The best day was Tuesday (+9.2R), the worst was Thursday (−2.8R), and Thursday was the day on which we ignored our own rule about trading the first candle after a release.",
      "By market: majors +11.4R from 12 signals, large alts +9.8R from 11, small alts +2.9R from 8. The small ones needed twice the attention for a quarter of the result. I do not think that is luck; spreads there have been wider since the middle of the month, and our targets did not move with them.",
    ],
  ],
  [
    "**2. What worked**",
    [
      "• Range lows on the four-hour chart, entered with two orders instead of one. The second order improved the average by 0.35 % and was filled in 14 of 22 cases.\n• Moving the stop to entry after the first target. It took us out of three trades that would have won, and saved us in seven that would have lost. I will take that trade every week.\n• Closing 40 % at the first target, not 25 %. Less exciting, much calmer equity curve.",
    ],
  ],
  [
    "**3. What did not**",
    [
      '• Shorting strength in ETH because "it has to come back". It does not have to do anything. Four attempts, three stops.\n• Scalps after 22:00 CET. Win rate 29 %. We are tired and so is the book.\n• Posting an entry range wider than half of the distance to the stop. Several of you were filled at the top of the range and had a risk that was never intended. From now on the range is at most a third of that distance, and the stop counts from the middle.',
    ],
  ],
  [
    "**4. Housekeeping**",
    [
      "The dashboard shows each signal with every correction, so please look there before you ask whether a target was changed. If a message disappears from it, it was deleted on purpose: a deleted signal is a cancelled signal. Do not trade it from a screenshot.",
      "Sizing, once more, because the question came up eleven times: risk is what you lose when the stop is hit, not what you put in. One per cent of 5 000 is 50. With a stop 1.5 % away, that is a position of 3 333, whatever the leverage says. Leverage only decides how much margin is locked while you wait.",
    ],
  ],
  [
    "**5. Questions from the inbox**",
    [
      '*Can I enter late?* If price is still inside the range, yes. If it has left it by more than a third of the way to the first target, no; the reward is gone and the risk is not.\n*Why did the bot cancel a signal that later won?* Because the first target was reached before the entry. That is a missed trade, not a win, and we do not count it as one.\n*Which exchange are the prices from?* Perpetuals on the largest venue by volume. Yours may differ by a few ticks, so leave the stop a little room.\n*Can I copy everything automatically?* You can, but at least read the words. "Only if funding stays positive" is a condition, not decoration.',
    ],
  ],
  [
    "**6. Next week**",
    [
      "Monday: bank holiday in the US, thin books, half size. Tuesday: nothing on the calendar, the best day for levels. Wednesday: minutes at 20:00 CET, flat from 19:45. Thursday: options expiry on the quarterly, expect a pin near 66k. Friday: I am travelling, @analyst-kenji runs the room.",
      "Levels I care about: BTC 62.9 / 64.4 / 67.0 / 68.35, ETH 3 020 / 3 180 / 3 310, SOL 141 / 148 / 156. If BTC loses 62.9 on a daily close, every long idea in this channel is off until I write otherwise. If it takes 68.35, the next real supply is not before 71, and we stop fading strength altogether.",
      "Thank you for the patience this week. Most of the result came from the trades that we did not take. 🙏",
    ],
  ],
];

export const report = sections
  .map(([title, paragraphs]) => [title, ...paragraphs].join("\n"))
  .join("\n\n");
