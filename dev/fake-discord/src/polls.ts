// polls.ts - a question with answers to choose from. Pure.
// A poll is never edited; it ends by its time, or when its author ends it.
import { timestamp } from "./clock.js";
import type { Form } from "./errors.js";
import type { Wire } from "./render.js";
import { flag, list, object, text, whole } from "./validate.js";

export interface PollInput {
  question: string;
  answers: string[];
  hours: number;
  multiple: boolean;
}

export interface Poll {
  question: string;
  answers: string[];
  expires_ms: number;
  multiple: boolean;
  counts: number[];
  finalized: boolean;
}

const LIMITS = { question: 300, answer: 55, answers: 10, hours: 32 * 24 };

export function parsePoll(form: Form, value: unknown): PollInput | undefined {
  const from = object(form, ["poll"], value);
  if (!from) return undefined;
  const required = true;
  const question = object(form, ["poll", "question"], from["question"]) ?? {};
  const asked = text(form, ["poll", "question", "text"], question["text"], {
    max: LIMITS.question,
    min: 1,
    required,
  });
  const given =
    list(form, ["poll", "answers"], from["answers"], LIMITS.answers) ?? [];
  if (given.length === 0)
    form.add(
      ["poll", "answers"],
      "BASE_TYPE_REQUIRED",
      "This field is required",
    );
  const answers = given.map((item, i) => {
    const path = ["poll", "answers", i, "poll_media"];
    const answer = object(form, path.slice(0, 3), item);
    const media = object(form, path, answer?.["poll_media"]) ?? {};
    return (
      text(form, [...path, "text"], media["text"], {
        max: LIMITS.answer,
        min: 1,
        required,
      }) ?? ""
    );
  });
  const hours = whole(form, ["poll", "duration"], from["duration"], {
    min: 1,
    max: LIMITS.hours,
  });
  const many = ["poll", "allow_multiselect"];
  return {
    question: asked ?? "",
    answers,
    hours: hours ?? 24,
    multiple: flag(form, many, from["allow_multiselect"]) ?? false,
  };
}

export function newPoll(input: PollInput, now: number): Poll {
  const { hours, ...rest } = input;
  const counts = rest.answers.map(() => 0);
  const expires_ms = now + hours * 3_600_000;
  return { ...rest, expires_ms, counts, finalized: false };
}

export function pollWire(poll: Poll): Wire {
  return {
    question: { text: poll.question },
    answers: poll.answers.map((answer, i) => ({
      answer_id: i + 1,
      poll_media: { text: answer },
    })),
    expiry: timestamp(poll.expires_ms),
    allow_multiselect: poll.multiple,
    layout_type: 1,
    results: {
      is_finalized: poll.finalized,
      answer_counts: poll.counts.map((count, i) => ({
        id: i + 1,
        count,
        me_voted: false,
      })),
    },
  };
}
